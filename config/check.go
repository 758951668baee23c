package config

import (
	"encoding/base64"
	"net"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/oubli/oubli/internal/loopback"
)

// minAuthSecret is the smallest size of an HS256 key in bytes: RFC 7518 § 3.2
// requires at least the size of the hash.
const minAuthSecret = 32

// check reports keys whose values, or whose combinations, are not valid.
func (c *Config) check(r *reader) {
	r.want("OUBLI_DATABASE_URL", validDatabaseURL(c.DatabaseURL.Reveal()))
	r.want("OUBLI_LISTEN", validListen(c.Listen))
	r.want("OUBLI_OPS_LISTEN", validListen(c.OpsListen))
	r.want("OUBLI_AUTH_SECRET", len(c.AuthSecret.Reveal()) >= minAuthSecret)
	previous := c.AuthSecretPrevious.Reveal()
	r.want("OUBLI_AUTH_SECRET_PREVIOUS", len(previous) >= minAuthSecret && previous != c.AuthSecret.Reveal())
	r.want("OUBLI_LIMIT_REQUESTS", c.LimitRequests >= 0 && c.LimitRequests <= 1_000_000)
	r.want("OUBLI_LIMIT_BYTES", c.LimitBytes == 0 || c.LimitBytes >= 1<<20 && c.LimitBytes <= 1<<30)
	r.want("OUBLI_LIMIT_FAILURES", c.LimitFailures >= 0 && c.LimitFailures <= 1_000_000)
	r.want("OUBLI_MAIL_FROM", validAddress(c.MailFrom))
	r.want("OUBLI_PUBLIC_URL", validBaseURL(c.PublicURL))
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	r.want("OUBLI_CONSOLE_URL", validBaseURL(c.ConsoleURL))
	c.ConsoleURL = strings.TrimRight(c.ConsoleURL, "/")
	r.want("OUBLI_CONSOLE_FRAME_ANCESTORS", validFrames(c.ConsoleFrameAncestors))
	r.want("OUBLI_ENVIRONMENT", len(c.Environment) <= 60 && !strings.ContainsFunc(c.Environment, unicode.IsControl))
	r.want("OUBLI_EVENTS_URL", validBaseURL(c.EventsURL) && (c.EventsPrivate || strings.HasPrefix(c.EventsURL, "https:")))
	r.want("OUBLI_EVENTS_SECRET", c.EventsKey() != nil)
	r.want("OUBLI_LOG_LEVEL", slices.Contains([]string{"trace", "debug", "info", "warn", "error"}, c.LogLevel))
	r.want("OUBLI_CONCURRENCY", c.Concurrency >= 1 && c.Concurrency <= 512)
	r.want("OUBLI_BATCH_CLIENTS", c.BatchClients >= 1 && c.BatchClients <= 10_000)
	r.want("OUBLI_CHUNK_TARGET", c.ChunkTarget >= 10*time.Millisecond && c.ChunkTarget <= 5*time.Second)
	r.want(traceEndpointKey, validBaseURL(c.TraceEndpoint))
	r.want("OUBLI_WORK_SHARE", c.WorkShare >= 1 && c.WorkShare <= 100)
	r.want("OUBLI_MAX_REPLICA_LAG_MIB", c.MaxReplicaLagMiB >= 0 && c.MaxReplicaLagMiB <= 1<<20)
	r.want("OUBLI_MAX_ACTIVE_SESSIONS", c.MaxActiveSessions >= 0 && c.MaxActiveSessions <= 100_000)
	r.want("OUBLI_GRACE", c.Grace >= 0 && c.Grace <= 720*time.Hour)

	c.checkLedger(r)
	if validListen(c.OpsListen) && !OnLoopback(c.OpsListen) && c.OpsPassword.Empty() && !r.hasMistake("OUBLI_OPS_PASSWORD") {
		r.add("OUBLI_OPS_PASSWORD", "not set; required because OUBLI_OPS_LISTEN is not on loopback")
	}
	if c.EventsURL != "" && c.EventsSecret.Empty() && !r.hasMistake("OUBLI_EVENTS_SECRET") {
		r.add("OUBLI_EVENTS_SECRET", "not set; required together with OUBLI_EVENTS_URL")
	}
	if c.AuthPublicKeyFile != "" {
		if !c.AuthSecret.Empty() {
			r.add("OUBLI_AUTH_SECRET", "set together with OUBLI_AUTH_PUBLIC_KEY_FILE; keep one of them")
		}
		c.readPublicKeys(r)
	}
}

// EventsKey is the key in EventsSecret; nil: it is none.
func (c *Config) EventsKey() []byte {
	text, prefixed := strings.CutPrefix(c.EventsSecret.Reveal(), "whsec_")
	key, err := base64.StdEncoding.DecodeString(text)
	if !prefixed || err != nil || len(key) < 24 || len(key) > 64 {
		return nil
	}
	return key
}

// require reports the keys that must be set and are not.
func (c *Config) require(r *reader, needs []Need) {
	for _, n := range needs {
		switch n {
		case Database:
			r.missing("OUBLI_DATABASE_URL")
		case Queue:
			r.missing("OUBLI_REDIS_URL")
		case Map:
			if _, err := r.readFile(c.Map); err != nil {
				r.add("OUBLI_MAP", "cannot read %s: %v", shown(c.Map), causeOf(err))
			}
		case Auth:
			if c.AuthPublicKeyFile == "" {
				if r.values["OUBLI_AUTH_SECRET"] == "" && !r.hasMistake("OUBLI_AUTH_SECRET") {
					r.add("OUBLI_AUTH_SECRET",
						"not set; want at least 32 bytes here or in OUBLI_AUTH_SECRET_FILE, or a public key in OUBLI_AUTH_PUBLIC_KEY_FILE")
				}
			}
		case Signing:
			r.missing("OUBLI_AUTH_SECRET")
		case Mail:
			r.missing("OUBLI_SMTP_URL")
			r.missing("OUBLI_MAIL_FROM")
		case Ledger:
			if c.HasLedger() {
				r.missing("OUBLI_LEDGER_RECIPIENTS")
				r.missing("OUBLI_LEDGER_SECRET")
			}
		}
	}
}

// validDatabaseURL accepts URLs and the "host=… dbname=…" form of PostgreSQL. The
// driver checks the details.
func validDatabaseURL(s string) bool {
	scheme, rest, isURL := strings.Cut(s, "://")
	if !isURL {
		return strings.Contains(s, "=")
	}
	return (scheme == "postgres" || scheme == "postgresql") && rest != ""
}

// validListen accepts host:port and :port.
func validListen(s string) bool {
	host, port, err := net.SplitHostPort(s)
	return err == nil && validPort(port) && !strings.ContainsAny(host, " /@")
}

func validPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// OnLoopback reports whether only this machine can reach the address. Of names,
// only localhost counts as loopback: any other may resolve to another address later.
func OnLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	return loopback.Host(host)
}

// maxAddress is the limit of RFC 5321 § 4.5.3.1.3, without the angle brackets.
const maxAddress = 254

// validAddress accepts what is valid both in a From header and in an SMTP command:
// an address in ASCII, with an international domain in its xn-- form. There may be
// no control character, not even in an encoded word of the display name.
func validAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && len(a.Address) <= maxAddress && !strings.ContainsFunc(s+a.Name, unicode.IsControl) &&
		!strings.ContainsFunc(a.Address, func(r rune) bool { return r <= ' ' || r > '~' })
}

// validFrames accepts origins only: anything else could add to the policy.
func validFrames(s string) bool {
	for _, origin := range strings.Fields(s) {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != origin || strings.ContainsAny(origin, ";,'\"") {
			return false
		}
	}
	return true
}

// validBaseURL accepts http and https URLs to which a path can be appended.
func validBaseURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" &&
		u.User == nil && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
}
