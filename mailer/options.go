package mailer

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/oubli/oubli/internal/loopback"
)

// TLSPolicy says what happens when a server does not offer STARTTLS.
type TLSPolicy int

// The policies. The zero value is the strictest.
const (
	TLSMandatory     TLSPolicy = iota // nothing is sent without TLS
	TLSOpportunistic                  // TLS when offered; an invalid certificate is an error then
	TLSNone                           // never TLS; for a server on this machine or a private network
)

// The default time of one dialogue and the default ports (RFC 6409, RFC 8314).
const (
	DefaultTimeout = 30 * time.Second
	submissionPort = 587
	implicitPort   = 465
)

// Options are the SMTP server and the sender of the mails.
type Options struct {
	// Host is the name or address of the SMTP server; certificates are checked
	// against it. Required.
	Host string

	// Port of the server. 0 means 587, or 465 with ImplicitTLS.
	Port int

	// User and Password log in with SCRAM, PLAIN, LOGIN or CRAM-MD5, whichever
	// the server offers first in that order. Both or neither; they need TLS,
	// unless Host is a loopback address.
	User     string
	Password string

	// TLS is the policy for STARTTLS. It has no effect with ImplicitTLS.
	TLS TLSPolicy

	// ImplicitTLS speaks TLS from the first byte (smtps).
	ImplicitTLS bool

	// RootCAs signs the server's certificate. nil means the system's roots.
	RootCAs *x509.CertPool

	// From is the sender, "oubli <no-reply@example.org>" or the address alone.
	// Its domain is also the right side of every Message-ID. Required; the
	// address is ASCII, an international domain in its xn-- form.
	From string

	// PublicURL is the start of the link to the job, PublicURL/erasures/{id} or
	// PublicURL/merges/{id}. Empty: the mail has no link.
	PublicURL string

	// Timeout bounds one whole dialogue, from the look-up of the host's name to
	// the answer to the message. 0 means DefaultTimeout.
	Timeout time.Duration

	// Keep is how long a connection is kept for the next mail after the server has
	// accepted one. 0: every mail has a connection of its own.
	Keep time.Duration

	// HELO is the host name that is sent with EHLO. Empty: this machine's.
	HELO string
}

// Format writes the options without the password, under every verb.
func (o Options) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "smtp server %s", o.address()) }

// MarshalText writes the options without the password, for JSON and logs.
func (o Options) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%s", o), nil }

func (o Options) address() string { return net.JoinHostPort(o.Host, fmt.Sprint(o.Port)) }

// withDefaults replaces zero values by their defaults.
func (o Options) withDefaults() Options {
	if o.Port == 0 {
		o.Port = submissionPort
		if o.ImplicitTLS {
			o.Port = implicitPort
		}
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.HELO == "" {
		o.HELO = "localhost"
		if name, err := os.Hostname(); err == nil && plainToken(name) {
			o.HELO = name
		}
	}
	return o
}

// validate returns one error for each invalid field.
func (o Options) validate() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if !plainToken(o.Host) {
		refuse("Host: want the name or address of an SMTP server")
	}
	if o.Port < 1 || o.Port > 65535 {
		refuse("Port: want 1..65535, got %d", o.Port)
	}
	if (o.User == "") != (o.Password == "") {
		refuse("User and Password: want both or neither")
	}
	if o.Password != "" && o.TLS == TLSNone && !o.ImplicitTLS && !loopback.Host(o.Host) {
		refuse("Password: would be sent unencrypted to another machine; set TLS to mandatory or opportunistic")
	}
	if o.TLS < TLSMandatory || o.TLS > TLSNone {
		refuse("TLS: unknown policy %d", int(o.TLS))
	}
	if from, err := parseAddress(o.From); err != nil || !ascii(from.Address) {
		refuse("From: want one e-mail address in ASCII, with or without a name")
	}
	if o.PublicURL != "" && !webAddress(o.PublicURL) {
		refuse("PublicURL: want http:// or https:// with a host, and neither user, query nor fragment")
	}
	if o.Timeout < 0 {
		refuse("Timeout: want more than 0s, got %s", o.Timeout)
	}
	if !plainToken(o.HELO) {
		refuse("HELO: want a host name")
	}
	return errors.Join(errs...)
}

// maxAddress is the length of an address that every server must accept, in bytes
// (RFC 5321 §4.5.3.1.3, without the angle brackets).
const maxAddress = 254

var errAddress = errors.New("not one e-mail address")

// parseAddress reads one address. It refuses control characters first: a line
// break in an address would end the header or the SMTP command that contains it.
func parseAddress(s string) (*mail.Address, error) {
	if strings.ContainsFunc(s, control) {
		return nil, errAddress
	}
	a, err := mail.ParseAddress(s)
	// An encoded word (RFC 2047) can contain a line break.
	if err != nil || len(a.Address) > maxAddress || strings.ContainsFunc(a.Name+a.Address, control) {
		return nil, errAddress
	}
	return a, nil
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7e })
}

// plainToken reports whether s can be one word of an SMTP command.
func plainToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > 0x7e })
}

func webAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") &&
		u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}
