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

// stage is the step at which an SMTP dialogue failed. A refusal up to the sender is
// a fault of the configuration, which can be corrected, so the mail is tried again.
// A refusal from the recipient on concerns this mail only and is final.
type stage int

const (
	atConnect stage = iota
	atTLS
	atLogin
	atSender
	atRecipient
	atMessage
	atAnswer // the whole message was sent; the server has not answered yet
)

// stageErrors are the texts of each stage: when the server refuses, and when the
// connection ends without an answer.
var stageErrors = [...]struct{ refused, broke, code string }{
	atConnect:   {"the mail server refuses the connection", "the mail server cannot be reached", "smtp_unreachable"},
	atTLS:       {"the mail server refuses TLS", "no TLS connection to the mail server", "smtp_tls"},
	atLogin:     {"the mail server refuses the login", "no login at the mail server", "smtp_login"},
	atSender:    {"the mail server refuses the sender", "the connection to the mail server was lost", "smtp_broken"},
	atRecipient: {"the mail server refuses the recipient", "the connection to the mail server was lost", "smtp_broken"},
	atMessage:   {"the mail server refuses the message", "the connection to the mail server was lost", "smtp_broken"},
	atAnswer: {"the mail server refuses the message",
		"the connection to the mail server was lost before it answered; it may have accepted the message", "smtp_in_doubt"},
}

var (
	errNoSTARTTLS = errors.New("the server does not offer STARTTLS")
	errNoLogin    = errors.New("the server offers no login method that oubli supports (SCRAM, PLAIN, LOGIN, CRAM-MD5)")

	errInternational = errors.New("the mail server does not accept non-ASCII addresses (RFC 6531)")
)

// sendError turns an error of the dialogue into a [jobs.Error]. It uses only the
// codes of a server's reply, because the text may quote an address.
func sendError(ctx context.Context, at stage, err error) *jobs.Error {
	if reply, ok := errors.AsType[*textproto.Error](err); ok && reply.Code >= 400 {
		kind := jobs.Unavailable
		if at >= atRecipient && reply.Code >= 500 && !asksForAccess(reply.Code) {
			kind = jobs.Invalid
		}
		return &jobs.Error{
			Kind: kind,
			Code: fmt.Sprintf("smtp_%d", reply.Code),
			Msg:  fmt.Sprintf("%s (%d%s)", stageErrors[at].refused, reply.Code, enhanced(reply.Msg)),
		}
	}
	if errors.Is(err, errInternational) {
		return refused("smtp_utf8", errInternational.Error())
	}
	e := &jobs.Error{Kind: jobs.Unavailable, Code: stageErrors[at].code, Msg: stageErrors[at].broke}
	switch {
	case ctx.Err() == nil:
		e.Err = safeCause(err)
	case at == atAnswer:
		e.Err = ctx.Err() // the code smtp_in_doubt matters more than the timeout
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		e.Code, e.Msg, e.Err = "smtp_timeout", "the mail server did not answer in time", ctx.Err()
	default:
		e.Code, e.Msg, e.Err = "smtp_cancelled", "sending was cancelled", ctx.Err()
	}
	return e
}

// refused returns an error that is final for this mail.
func refused(code, msg string) *jobs.Error {
	return &jobs.Error{Kind: jobs.Invalid, Code: code, Msg: msg}
}

// asksForAccess reports whether a reply code asks for a login or for TLS (RFC 4954
// §6, RFC 3207 §4). Some servers send such a reply only to RCPT TO, but it is a
// fault of the configuration.
func asksForAccess(code int) bool {
	return code == 530 || code == 534 || code == 535 || code == 538
}

var status = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`)

// enhanced returns the status code of RFC 3463 at the beginning of a reply's
// text, after a space; "" when there is none.
func enhanced(text string) string {
	if code := status.FindString(text); code != "" {
		return " " + code
	}
	return ""
}

// safeCause returns the cause if it cannot contain text of the server, else nil.
func safeCause(err error) error {
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
