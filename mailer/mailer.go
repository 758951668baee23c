package mailer

import (
	"fmt"
	"net/mail"
)

// Mailer renders letters and hands them to one SMTP server. It is safe for use
// by many goroutines; each letter is a dialogue of its own.
type Mailer struct {
	opts Options
	from *mail.Address
}

// New checks the options and does no I/O. Its error names every field that is
// wrong and never holds the password.
func New(o Options) (*Mailer, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	from, err := parseAddress(o.From)
	if err != nil {
		return nil, err
	}
	return &Mailer{opts: o, from: from}, nil
}

// Format names the server, under every verb, and never the password.
func (m *Mailer) Format(s fmt.State, verb rune) { m.opts.Format(s, verb) }
