package config

import (
	"errors"
	"net"
	"strconv"
	"strings"
)

// SMTPTLS is how the connection to the mail server is protected.
type SMTPTLS string

// The kinds of protection.
const (
	TLSMandatory     SMTPTLS = "mandatory"     // requires STARTTLS; the default of smtp://
	TLSOpportunistic SMTPTLS = "opportunistic" // STARTTLS when the server offers it
	TLSNone          SMTPTLS = "none"          // no encryption
	TLSImplicit      SMTPTLS = "implicit"      // TLS from the first byte: smtps://
)

// SMTP is the address of the mail server. Its password cannot be printed.
type SMTP struct {
	Host     string
	Port     int
	Username string // empty: no authentication
	Password Secret
	TLS      SMTPTLS
}

// ParseSMTP reads smtp://[user:password@]host[:587][?tls=mandatory|opportunistic|none]
// and smtps://[user:password@]host[:465]. Errors do not quote the URL.
func ParseSMTP(raw string) (SMTP, error) {
	port := "587"
	if strings.HasPrefix(raw, "smtps:") {
		port = "465"
	}
	h, err := parseHosts(raw, port)
	if err != nil {
		return SMTP{}, err
	}
	if len(h.Hosts) != 1 || h.Path != "" || !h.only("tls") {
		return SMTP{}, errURL
	}
	s := SMTP{Username: h.Username, Password: NewSecret(h.Password)}
	switch tls := SMTPTLS(h.Query.Get("tls")); {
	case h.Scheme == "smtps" && tls == "":
		s.TLS = TLSImplicit
	case h.Scheme == "smtp" && (tls == TLSMandatory || tls == TLSOpportunistic || tls == TLSNone):
		s.TLS = tls
	case h.Scheme == "smtp" && !h.Query.Has("tls"):
		s.TLS = TLSMandatory
	default:
		return SMTP{}, errors.New("unknown scheme or tls")
	}
	s.Host, port, _ = net.SplitHostPort(h.Hosts[0])
	s.Port, err = strconv.Atoi(port)
	return s, err
}

// UnmarshalText calls [ParseSMTP].
func (s *SMTP) UnmarshalText(b []byte) (err error) {
	*s, err = ParseSMTP(string(b))
	return err
}
