package mailer

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"github.com/oubli/oubli/jobs"
)

// farewell bounds the wait for the answer to QUIT. The letter has been accepted
// by then; a caller that holds a transaction open must not wait for manners.
const farewell = 2 * time.Second

// Send renders the letter and delivers it in one SMTP dialogue of at most
// Options.Timeout. It returns nil exactly when the server has accepted the
// message, whatever comes after.
//
// Every error is a [jobs.Error]. Unavailable: the server cannot be reached, is
// misconfigured, asks to come back later, or broke off; the same letter may
// succeed later. Invalid: the server refuses this recipient or this message for
// good, or the letter cannot be written. The code is "smtp_" and the server's
// reply code where there is one. With code "smtp_in_doubt" the message may have
// been accepted (RFC 1047); a repeat has the same Message-ID.
func (m *Mailer) Send(ctx context.Context, l jobs.ReportMail) error {
	msg, err := m.Render(l)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, m.opts.Timeout)
	defer cancel()
	return m.deliver(ctx, msg)
}

func (m *Mailer) deliver(ctx context.Context, msg *Message) error {
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", m.opts.address())
	if err != nil {
		return trouble(ctx, atConnect, err)
	}
	defer raw.Close()
	// Closing the connection is the one way to end a read that waits for a
	// silent server, for cancellation and timeout alike.
	defer context.AfterFunc(ctx, func() { raw.Close() })()

	client, reached, err := m.open(ctx, raw)
	if err != nil {
		return trouble(ctx, reached, err)
	}
	body, at, err := m.address(client, msg)
	if err != nil {
		quit(client)
		return trouble(ctx, at, err)
	}
	if _, err := body.Write(msg.raw); err != nil {
		// Close, and QUIT too, would send the final dot and have half a message
		// accepted.
		return trouble(ctx, atMessage, err)
	}
	if err := body.Close(); err != nil {
		return trouble(ctx, atAnswer, err)
	}
	quit(client)
	return nil
}

// quit takes leave. Its result means nothing for the letter.
func quit(client *smtp.Client) {
	if client.UpdateDeadline(farewell) == nil {
		_ = client.Quit()
	}
}

// address says who writes to whom and asks for the message. On error it says
// at which stage.
func (m *Mailer) address(client *smtp.Client, msg *Message) (io.WriteCloser, stage, error) {
	if offered, _ := client.Extension("SMTPUTF8"); msg.international && !offered {
		return nil, atRecipient, errInternational
	}
	// Announcing SMTPUTF8 without need makes relays bounce that lack it.
	client.SkipSMTPUTF8(!msg.international)
	if err := client.Mail(msg.sender); err != nil {
		return nil, atSender, err
	}
	if err := client.Rcpt(msg.recipient); err != nil {
		return nil, atRecipient, err
	}
	body, err := client.Data()
	return body, atMessage, err
}

// open greets the server, turns on TLS and logs in. On error it says at which
// stage.
func (m *Mailer) open(ctx context.Context, conn net.Conn) (*smtp.Client, stage, error) {
	config := &tls.Config{ServerName: m.opts.Host, RootCAs: m.opts.RootCAs, MinVersion: tls.VersionTLS12}
	if m.opts.ImplicitTLS {
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, atTLS, err
		}
		conn = secure
	}
	client, err := smtp.NewClient(conn, m.opts.Host)
	if err != nil {
		return nil, atConnect, err
	}
	if err := client.Hello(m.opts.HELO); err != nil {
		return nil, atConnect, err
	}
	if !m.opts.ImplicitTLS && m.opts.TLS != TLSNone {
		switch offered, _ := client.Extension("STARTTLS"); {
		case offered:
			if err := client.StartTLS(config); err != nil {
				return nil, atTLS, err
			}
		case m.opts.TLS == TLSMandatory:
			return nil, atTLS, errNoSTARTTLS
		}
	}
	if m.opts.User == "" {
		return client, 0, nil
	}
	auth, err := m.login(client)
	if err != nil {
		return nil, atLogin, err
	}
	if err := client.Auth(auth); err != nil {
		return nil, atLogin, err
	}
	return client, 0, nil
}

// login picks the best mechanism that the server offers. PLAIN and LOGIN refuse
// by themselves to show the password to another machine without TLS.
func (m *Mailer) login(client *smtp.Client) (smtp.Auth, error) {
	_, line := client.Extension("AUTH")
	offered := strings.Fields(line)
	o := m.opts
	for _, mechanism := range []struct {
		name string
		auth smtp.Auth
	}{
		{"SCRAM-SHA-256", smtp.ScramSHA256Auth(o.User, o.Password)},
		{"SCRAM-SHA-1", smtp.ScramSHA1Auth(o.User, o.Password)},
		{"PLAIN", smtp.PlainAuth("", o.User, o.Password, o.Host, false)},
		{"LOGIN", smtp.LoginAuth(o.User, o.Password, o.Host, false)},
		{"CRAM-MD5", smtp.CRAMMD5Auth(o.User, o.Password)},
	} {
		if slices.Contains(offered, mechanism.name) {
			return mechanism.auth, nil
		}
	}
	return nil, errNoLogin
}
