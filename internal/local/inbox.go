package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// Mail is a message that the inbox accepted.
type Mail struct {
	From string   // envelope sender
	To   []string // envelope recipients
	Data []byte   // header and body, lines ending in CRLF
	At   time.Time
}

// Inbox is an SMTP server inside this process that accepts mail for everybody
// and keeps it in memory. It has neither TLS nor authentication.
//
// The end of an address's local part can ask for a failure:
//
//	anna+451@…      the recipient is refused with 451; so for every code
//	                from 400 to 599
//	anna+data451@…  the recipient is accepted, the message refused with 451
//	anna+drop@…     the message is accepted and kept, but the connection is
//	                cut before the answer, so that the sender cannot know
//
// A count limits how often it fails: anna+451x2@… is refused twice and then
// accepted.
type Inbox struct {
	addr string

	mu       sync.Mutex
	server   *smtp.Server
	listener net.Listener
	mails    []Mail
	arrived  chan struct{}  // closed and replaced when a mail arrives
	troubled map[string]int // how often an address has failed
}

// StartInbox starts an inbox on a free port of 127.0.0.1.
func StartInbox(ctx context.Context) (*Inbox, error) {
	in := &Inbox{arrived: make(chan struct{}), troubled: map[string]int{}}
	err := onFreePort(ctx, func(port int) error {
		in.addr = address(port)
		return in.Start(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("start inbox: %w", err)
	}
	return in, nil
}

// Start listens again on the same port after Stop. StartInbox has already
// started it once.
func (in *Inbox) Start(ctx context.Context) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.server != nil {
		return errors.New("already running")
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", in.addr)
	if err != nil {
		return err
	}
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{inbox: in, conn: c}, nil
	}))
	s.Domain = "inbox.localhost"
	s.MaxMessageBytes = 32 << 20
	s.ReadTimeout, s.WriteTimeout = time.Minute, time.Minute
	s.ErrorLog = log.New(io.Discard, "", 0)
	in.server, in.listener = s, l
	go func() { _ = s.Serve(l) }()
	return nil
}

// Stop closes the listener and all connections. It keeps the mails.
func (in *Inbox) Stop() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.server == nil {
		return
	}
	_ = in.server.Close()
	// The server knows its listener only once Serve has begun.
	_ = in.listener.Close()
	in.server = nil
}

// Close stops the inbox for good. It may be called more than once.
func (in *Inbox) Close() error {
	in.Stop()
	return nil
}

// Addr returns the inbox's host and port.
func (in *Inbox) Addr() string { return in.addr }

// URL returns a value for OUBLI_SMTP_URL.
func (in *Inbox) URL() string { return "smtp://" + in.addr + "?tls=none" }

// Mails returns the mails so far, the oldest first.
func (in *Inbox) Mails() []Mail {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]Mail(nil), in.mails...)
}

// Wait returns the mails so far as soon as there are at least n. When ctx ends
// first, it returns those that came and ctx's error.
func (in *Inbox) Wait(ctx context.Context, n int) ([]Mail, error) {
	for {
		in.mu.Lock()
		mails, arrived := append([]Mail(nil), in.mails...), in.arrived
		in.mu.Unlock()
		if len(mails) >= n {
			return mails, nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return mails, fmt.Errorf("wait for %d mails, got %d: %w", n, len(mails), ctx.Err())
		}
	}
}

func (in *Inbox) keep(m Mail) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.mails = append(in.mails, m)
	close(in.arrived)
	in.arrived = make(chan struct{})
}

// due reports whether this address must fail now, and counts it.
func (in *Inbox) due(to string, t trouble) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.troubled[to]++
	return t.times == 0 || in.troubled[to] <= t.times
}

// session is one SMTP dialogue.
type session struct {
	inbox *Inbox
	conn  *smtp.Conn
	mail  Mail
}

func (s *session) Reset()        { s.mail = Mail{} }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.mail = Mail{From: from}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if t, ok := troubleOf(to); ok && t.stage == atRecipient && s.inbox.due(to, t) {
		return t.reply()
	}
	s.mail.To = append(s.mail.To, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	var body bytes.Buffer
	if _, err := body.ReadFrom(r); err != nil {
		return err
	}
	drop := false
	for _, to := range s.mail.To {
		t, ok := troubleOf(to)
		if !ok || t.stage == atRecipient || !s.inbox.due(to, t) {
			continue
		}
		if t.stage == atData {
			return t.reply()
		}
		drop = true
	}
	m := s.mail
	m.Data, m.At = body.Bytes(), time.Now()
	s.inbox.keep(m)
	if drop {
		_ = s.conn.Conn().Close()
	}
	return nil
}
