package mailer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"regexp"

	"github.com/wneessen/go-mail/smtp"

	"github.com/oubli/oubli/jobs"
)

// stage is how far a dialogue came. It decides what a final refusal is about:
// up to the sender it is this installation's configuration, which somebody can
// repair while the letter waits; from the recipient on it is this letter.
type stage int

const (
	atConnect stage = iota
	atTLS
	atLogin
	atSender
	atRecipient
	atMessage
	atAnswer // the whole message is out, its answer is not in
)

// words says what the server refused, and what broke off when it said nothing.
var words = [...]struct{ refused, broke, code string }{
	atConnect:   {"the mail server refuses the connection", "the mail server cannot be reached", "smtp_unreachable"},
	atTLS:       {"the mail server refuses TLS", "no TLS connection to the mail server", "smtp_tls"},
	atLogin:     {"the mail server refuses the login", "no login at the mail server", "smtp_login"},
	atSender:    {"the mail server refuses the sender", "the mail server broke off", "smtp_broken"},
	atRecipient: {"the mail server refuses the recipient", "the mail server broke off", "smtp_broken"},
	atMessage:   {"the mail server refuses the message", "the mail server broke off", "smtp_broken"},
	atAnswer:    {"the mail server refuses the message", "the mail server broke off before its answer to the message, which it may have accepted", "smtp_in_doubt"},
}

var (
	errNoSTARTTLS = errors.New("the server does not offer STARTTLS")
	errNoLogin    = errors.New("the server offers no login that oubli knows (SCRAM, PLAIN, LOGIN, CRAM-MD5)")

	errInternational = errors.New("the mail server does not take addresses beyond ASCII (RFC 6531)")
)

// trouble sorts what went wrong. A reply of the server is read by its codes
// alone; its text is dropped because it may quote an address.
func trouble(ctx context.Context, at stage, err error) *jobs.Error {
	if reply, ok := errors.AsType[*textproto.Error](err); ok && reply.Code >= 400 {
		kind := jobs.Unavailable
		if at >= atRecipient && reply.Code >= 500 && !aboutAccess(reply.Code) {
			kind = jobs.Invalid
		}
		return &jobs.Error{
			Kind: kind,
			Code: fmt.Sprintf("smtp_%d", reply.Code),
			Msg:  fmt.Sprintf("%s (%d%s)", words[at].refused, reply.Code, enhanced(reply.Msg)),
		}
	}
	if errors.Is(err, errInternational) {
		return refused("smtp_utf8", errInternational.Error())
	}
	e := &jobs.Error{Kind: jobs.Unavailable, Code: words[at].code, Msg: words[at].broke}
	switch {
	case ctx.Err() == nil:
		e.Err = harmless(err)
	case at == atAnswer:
		e.Err = ctx.Err() // the doubt says more than the timeout
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		e.Code, e.Msg, e.Err = "smtp_timeout", "the mail server did not answer in time", ctx.Err()
	default:
		e.Code, e.Msg, e.Err = "smtp_cancelled", "the dialogue with the mail server was cancelled", ctx.Err()
	}
	return e
}

// refused is final for this letter.
func refused(code, msg string) *jobs.Error {
	return &jobs.Error{Kind: jobs.Invalid, Code: code, Msg: msg}
}

// aboutAccess tells replies that ask for a login or for TLS (RFC 4954 §6,
// RFC 3207 §4). Some servers give them only once they see a recipient, but they
// concern the configuration.
func aboutAccess(code int) bool {
	return code == 530 || code == 534 || code == 535 || code == 538
}

var status = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`)

// enhanced is the status code of RFC 3463 that opens a reply's text, with a
// space before it, or nothing.
func enhanced(text string) string {
	if code := status.FindString(text); code != "" {
		return " " + code
	}
	return ""
}

// harmless is the cause, when it is known to hold nothing that the server said.
func harmless(err error) error {
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e
	}
	for _, known := range []error{errNoSTARTTLS, errNoLogin, smtp.ErrUnencrypted, net.ErrClosed} {
		if errors.Is(err, known) {
			return known
		}
	}
	return nil
}
