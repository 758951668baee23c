package ops

import (
	"crypto/sha256"
	"crypto/subtle"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/oubli/oubli/internal/limit"
	"github.com/oubli/oubli/internal/loopback"
)

// guessing limits wrong passwords; see [Options].
func guessing(perMinute int) *limit.Limiter {
	if perMinute < 0 {
		return nil
	}
	if perMinute == 0 {
		perMinute = 60
	}
	return limit.New(float64(perMinute)/60, perMinute)
}

// gate knows the password and how often an address may be wrong about it.
type gate struct {
	want  [sha256.Size]byte
	wrong *limit.Limiter
	mu    sync.Mutex // one guess at a time, so that many at once are not one too many
}

// try reports whether a password is right, or how long its sender has to wait
// before another is looked at. An address that has guessed wrong too often is
// not told even that it is right now: a password, other than a token, can be
// found by trying. Hashes are compared, so that neither the time nor the length
// tells anything.
func (g *gate) try(from, given string) (right bool, wait time.Duration) {
	got := sha256.Sum256([]byte(given))
	g.mu.Lock()
	defer g.mu.Unlock()
	if wait := g.wrong.Left(from); wait > 0 {
		return false, wait
	}
	if subtle.ConstantTimeCompare(got[:], g.want[:]) == 1 {
		return true, 0
	}
	g.wrong.Take(from, 1)
	return false, 0
}

// authenticated asks for the password, unless there is none.
func authenticated(password string, wrong *limit.Limiter, next http.Handler) http.Handler {
	if password == "" {
		return next
	}
	g := &gate{want: sha256.Sum256([]byte(password)), wrong: wrong}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		right, wait := false, time.Duration(0)
		if _, given, ok := r.BasicAuth(); ok { // a browser asks once without, and guesses nothing
			right, wait = g.try(limit.Address(r.RemoteAddr), given)
		}
		switch {
		case right:
			next.ServeHTTP(w, r)
		case wait > 0:
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
			http.Error(w, "too many wrong passwords from this address", http.StatusTooManyRequests)
		default:
			w.Header().Set("WWW-Authenticate", `Basic realm="oubli operations", charset="UTF-8"`)
			http.Error(w, "the operations password is needed", http.StatusUnauthorized)
		}
	})
}

// secured sets headers for every answer and refuses what no operator sends:
// requests that another site's page makes and, where no password protects the
// listener, requests under a foreign host name. A page elsewhere could point
// its own name at 127.0.0.1 and would then be of the same origin.
func secured(open bool, next http.Handler) http.Handler {
	sameSite := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		if open && !loopback.Host(hostOf(r)) {
			http.Error(w, "ask for localhost, or set a password", http.StatusMisdirectedRequest)
			return
		}
		if elsewhere(r) {
			http.Error(w, "another site may not ask for this", http.StatusForbidden)
			return
		}
		sameSite.ServeHTTP(w, r)
	})
}

// elsewhere reports whether a browser says that another site's page asks. It
// would send the password along, and a mere GET starts a profile. A link that
// somebody follows is welcome, but not to what works as soon as it is opened.
// Browsers too old to say anything are left to the check of the origin.
func elsewhere(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		followed := r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" && r.Method == http.MethodGet
		return !followed || strings.HasPrefix(r.URL.Path, "/debug/")
	}
	return false
}

func hostOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	if len(host) > 1 && host[0] == '[' {
		host = host[1 : len(host)-1]
	}
	return host
}
