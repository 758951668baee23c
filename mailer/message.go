package mailer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/mail"
	"regexp"
	"strings"

	gomail "github.com/wneessen/go-mail"
	"golang.org/x/net/idna"

	"github.com/oubli/oubli/jobs"
)

// Message is a mail that is ready to be sent.
type Message struct {
	ID       string // the Message-ID, with its angle brackets
	From, To string
	Subject  string
	Language string // BCP 47
	Text     string
	HTML     string

	raw               []byte
	sender, recipient string // as in MAIL FROM and RCPT TO
	international     bool   // the recipient's address needs SMTPUTF8
}

// Bytes returns the whole message as it is sent, before dot-stuffing.
func (m *Message) Bytes() []byte { return bytes.Clone(m.raw) }

// Render returns the message. The same mail always gives the same bytes. An error
// of kind Invalid means a mail without an id, an invalid address or a job that has
// not ended; any other error is a bug in this package.
func (m *Mailer) Render(l jobs.ReportMail) (*Message, error) {
	if l.ID == "" {
		return nil, refused("mail_id", "the mail has no id, so that a repeat could not be recognised")
	}
	if !l.State.Final() {
		return nil, refused("mail_state", "the job of this mail has not ended")
	}
	to, err := parseAddress(l.To)
	if err != nil {
		return nil, refused("mail_address", "the recipient is not one e-mail address")
	}
	address := asciiDomain(to.Address)
	text, html, v, err := m.write(l.Report)
	if err != nil {
		return nil, &jobs.Error{Msg: "render mail", Err: err}
	}
	msg := &Message{
		ID:       "<" + messageIDLeft(l.ID) + "@" + domain(m.from) + ">",
		From:     m.from.String(),
		To:       to.Address,
		Subject:  v.Subject,
		Language: v.Words.Language,
		Text:     text,
		HTML:     html,

		international: !ascii(address),
	}
	if err := msg.compose(l, m.from, &mail.Address{Name: to.Name, Address: address}); err != nil {
		return nil, err
	}
	return msg, nil
}

func (m *Message) compose(l jobs.ReportMail, from, to *mail.Address) error {
	// Make the boundary from the id. With a random one, a repeat would not have
	// the same bytes.
	digest := sha256.Sum256([]byte(l.ID))
	g := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithBoundary("oubli-"+hex.EncodeToString(digest[:12])))
	g.FromMailAddress(from)
	g.ToMailAddress(&mail.Address{Address: to.Address})
	g.Subject(m.Subject)
	g.SetDateWithValue(l.FinishedAt.UTC())
	g.SetMessageIDWithValue(strings.Trim(m.ID, "<>"))
	g.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834
	g.SetGenHeader("X-Auto-Response-Suppress", "All")
	g.SetGenHeader("Content-Language", m.Language)
	g.SetBodyString(gomail.TypeTextPlain, m.Text)
	g.AddAlternativeString(gomail.TypeTextHTML, m.HTML)

	var err error
	if m.sender, err = g.GetSender(false); err != nil {
		return &jobs.Error{Msg: "sender of mail", Err: err}
	}
	recipients, err := g.GetRecipients()
	if err != nil {
		return &jobs.Error{Msg: "recipient of mail", Err: err}
	}
	m.recipient = recipients[0]

	var raw bytes.Buffer
	if _, err := g.WriteTo(&raw); err != nil {
		return &jobs.Error{Msg: "write message", Err: err}
	}
	m.raw = raw.Bytes()
	return nil
}

// asciiDomain writes the domain of an address in the ASCII form (xn--…) that all
// relays accept. Only a local part that is not ASCII needs SMTPUTF8 (RFC 6531). A
// domain without such a form stays as it is.
func asciiDomain(address string) string {
	at := strings.LastIndexByte(address, '@')
	if domain, err := idna.Lookup.ToASCII(address[at+1:]); err == nil && !ascii(address[at+1:]) {
		return address[:at+1] + domain
	}
	return address
}

var dotAtom = regexp.MustCompile(`^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$`)

// messageIDLeft returns the left side of the Message-ID: the mail's id, or its
// digest if the id contains characters that a Message-ID must not (RFC 5322 §3.6.4).
func messageIDLeft(id string) string {
	if len(id) <= 64 && dotAtom.MatchString(id) {
		return id
	}
	digest := sha256.Sum256([]byte(id))
	return hex.EncodeToString(digest[:16])
}

func domain(a *mail.Address) string {
	return a.Address[strings.LastIndexByte(a.Address, '@')+1:]
}
