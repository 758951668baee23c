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

// quitTimeout bounds the wait for the answer to QUIT. It is short, because the
// server has accepted the mail already and the caller keeps a transaction open.
const quitTimeout = 2 * time.Second

// Send renders the mail and delivers it in one SMTP dialogue of at most
// Options.Timeout. It returns nil if and only if the server has accepted the
// message; an error after that is ignored.
//
// Every error is a [jobs.Error]. Unavailable: the server cannot be reached, is
// misconfigured, asks to try later, or closed the connection; the same mail may
// succeed later. Invalid: the server refuses this recipient or this message for
// ever, or the mail cannot be rendered. The code is "smtp_" with the server's
// reply code, if there is one. With the code "smtp_in_doubt" the server may have
// accepted the message (RFC 1047); a repeat has the same Message-ID.
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
	if s := m.kept.take(); s != nil {
		if usable, err := m.deliverBy(ctx, s, msg); usable {
			return err
		}
		// The server has closed the connection meanwhile, or takes no more mails on it.
	}
	s := &connection{}
	var err error
	if s.raw, err = (&net.Dialer{}).DialContext(ctx, "tcp", m.opts.address()); err != nil {
		return sendError(ctx, atConnect, err)
	}
	stop := s.watch(ctx)
	client, reached, err := m.connect(ctx, s.raw)
	stop()
	if err != nil {
		_ = s.raw.Close()
		return sendError(ctx, reached, err)
	}
	s.client = client
	_, err = m.deliverBy(ctx, s, msg)
	return err
}

// deliverBy delivers a mail by a connection, and then keeps or ends it. usable is
// false if the server did not take the sender: on a connection that was kept, that
// says nothing of the mail.
func (m *Mailer) deliverBy(ctx context.Context, s *connection, msg *Message) (usable bool, err error) {
	stop := s.watch(ctx)
	defer stop()
	body, at, err := m.startMessage(s.client, msg)
	if err != nil {
		s.end()
		return at != atSender, sendError(ctx, at, err)
	}
	if _, err := body.Write(msg.raw); err != nil {
		// Do not call Close or Quit: both would send the final dot, and the server
		// would accept an incomplete message.
		_ = s.raw.Close()
		return true, sendError(ctx, atMessage, err)
	}
	if err := body.Close(); err != nil {
		_ = s.raw.Close()
		return true, sendError(ctx, atAnswer, err)
	}
	if m.opts.Keep > 0 && stop() {
		m.kept.put(s, m.opts.Keep)
	} else {
		s.end()
	}
	return true, nil
}

// quit ends the dialogue. Its result does not matter, because the server has
// already accepted or refused the mail.
func quit(client *smtp.Client) {
	if client.UpdateDeadline(quitTimeout) == nil {
		_ = client.Quit()
	}
}

// startMessage sends MAIL FROM, RCPT TO and DATA. On an error it returns the stage
// that failed.
func (m *Mailer) startMessage(client *smtp.Client, msg *Message) (io.WriteCloser, stage, error) {
	if offered, _ := client.Extension("SMTPUTF8"); msg.international && !offered {
		return nil, atRecipient, errInternational
	}
	// A relay without SMTPUTF8 rejects a message that announces it without need.
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

// connect greets the server, starts TLS and logs in. On an error it returns the
// stage that failed.
func (m *Mailer) connect(ctx context.Context, conn net.Conn) (*smtp.Client, stage, error) {
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
	auth, err := m.chooseLogin(client)
	if err != nil {
		return nil, atLogin, err
	}
	if err := client.Auth(auth); err != nil {
		return nil, atLogin, err
	}
	return client, 0, nil
}

// chooseLogin returns the best login method that the server offers. Without TLS,
// PLAIN and LOGIN refuse by themselves to send the password to another machine.
func (m *Mailer) chooseLogin(client *smtp.Client) (smtp.Auth, error) {
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
