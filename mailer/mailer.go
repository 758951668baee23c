package mailer

import (
	"fmt"
	"net/mail"
)

// Mailer renders mails and sends them through one SMTP server. It is safe for
// concurrent use; each mail has its own SMTP
// dialogue, on a connection that may have delivered another before.
type Mailer struct {
	opts Options
	from *mail.Address
	kept kept
}

// New checks the options and does no I/O. Its error names every invalid field and
// never contains the password.
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

// Format writes the name of the server, whatever the verb, and never the password.
func (m *Mailer) Format(s fmt.State, verb rune) { m.opts.Format(s, verb) }
