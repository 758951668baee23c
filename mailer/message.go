package mailer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/mail"
	"regexp"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"github.com/oubli/oubli/jobs"
)

// Message is a letter ready to be sent.
type Message struct {
	ID       string // the Message-ID, with its angle brackets
	From, To string
	Subject  string
	Language string // BCP 47
	Text     string
	HTML     string

	raw               []byte
	sender, recipient string // as SMTP commands take them
	international     bool   // the recipient's address goes beyond ASCII
}

// Bytes is the whole message as it goes over the wire, before dot-stuffing.
func (m *Message) Bytes() []byte { return bytes.Clone(m.raw) }

// Render writes the letter. The same letter gives the same bytes. Errors of
// the kind Invalid are a letter without an id, an address that is none and a
// job that has not ended; any other is a fault of this package.
func (m *Mailer) Render(l jobs.ReportMail) (*Message, error) {
	if l.ID == "" {
		return nil, refused("mail_id", "a letter without an id, whose repeats nobody could recognise")
	}
	if !l.State.Final() {
		return nil, refused("mail_state", "a letter about a job that has not ended")
	}
	to, err := parseAddress(l.To)
	if err != nil {
		return nil, refused("mail_address", "the recipient is not one e-mail address")
	}
	text, html, v, err := m.write(l.Report)
	if err != nil {
		return nil, &jobs.Error{Msg: "write letter", Err: err}
	}
	msg := &Message{
		ID:       "<" + identity(l.ID) + "@" + domain(m.from) + ">",
		From:     m.from.String(),
		To:       to.Address,
		Subject:  v.Subject,
		Language: v.Words.Language,
		Text:     text,
		HTML:     html,

		international: !ascii(to.Address),
	}
	if err := msg.compose(l, m.from, to); err != nil {
		return nil, err
	}
	return msg, nil
}

func (m *Message) compose(l jobs.ReportMail, from, to *mail.Address) error {
	// The random boundary of a library would make every repeat another message.
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
		return &jobs.Error{Msg: "sender of letter", Err: err}
	}
	recipients, err := g.GetRecipients()
	if err != nil {
		return &jobs.Error{Msg: "recipient of letter", Err: err}
	}
	m.recipient = recipients[0]

	var raw bytes.Buffer
	if _, err := g.WriteTo(&raw); err != nil {
		return &jobs.Error{Msg: "write message", Err: err}
	}
	m.raw = raw.Bytes()
	return nil
}

var dotAtom = regexp.MustCompile(`^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$`)

// identity is the left side of the Message-ID: the letter's id, or its digest
// when it holds anything that a Message-ID may not (RFC 5322 §3.6.4).
func identity(id string) string {
	if len(id) <= 64 && dotAtom.MatchString(id) {
		return id
	}
	digest := sha256.Sum256([]byte(id))
	return hex.EncodeToString(digest[:16])
}

func domain(a *mail.Address) string {
	return a.Address[strings.LastIndexByte(a.Address, '@')+1:]
}
