package mailer

import (
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/oubli/oubli/jobs"
)

// connections counts the server's connections that a mail came by, and can let
// MAIL fail or close the connection on all but the first mail of each.
type connections struct {
	mu    sync.Mutex
	mails map[*smtp.Conn]int
}

func (c *connections) count(conn *smtp.Conn) (mails int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mails[conn]++
	return c.mails[conn]
}

func (c *connections) n() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.mails)
}

func sendThree(t *testing.T, s *server, m *Mailer) {
	t.Helper()
	for range 3 {
		if err := m.Send(t.Context(), sample("en", jobs.Completed)); err != nil {
			t.Fatal(err)
		}
		<-s.received
	}
}

func TestMailsThatFollowEachOtherShareAConnection(t *testing.T) {
	t.Parallel()
	for keep, want := range map[time.Duration]int{time.Minute: 1, 0: 3} {
		c := &connections{mails: map[*smtp.Conn]int{}}
		s := (&server{mail: func(conn *smtp.Conn) error { c.count(conn); return nil }}).start(t)
		m := s.mailer(t, func(o *Options) { o.Keep = keep })
		sendThree(t, s, m)
		m.Close()
		if c.n() != want {
			t.Errorf("kept for %s: three mails by %d connections, want %d", keep, c.n(), want)
		}
	}
}

func TestAKeptConnectionThatTheServerHasGivenUpLosesNoMail(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]func(*smtp.Conn) error{
		"closed": func(conn *smtp.Conn) error { return conn.Conn().Close() },
		"refused": func(*smtp.Conn) error {
			return &smtp.SMTPError{Code: 421, Message: "too many mails on this connection"}
		},
	} {
		c := &connections{mails: map[*smtp.Conn]int{}}
		s := (&server{mail: func(conn *smtp.Conn) error {
			if c.count(conn) > 1 {
				return refuse(conn)
			}
			return nil
		}}).start(t)
		m := s.mailer(t, func(o *Options) { o.Keep = time.Minute })
		sendThree(t, s, m)
		m.Close()
		if c.n() != 3 {
			t.Errorf("%s: three mails by %d connections, want 3", name, c.n())
		}
	}
}

func TestAKeptConnectionEndsByItself(t *testing.T) {
	t.Parallel()
	c := &connections{mails: map[*smtp.Conn]int{}}
	s := (&server{mail: func(conn *smtp.Conn) error { c.count(conn); return nil }}).start(t)
	m := s.mailer(t, func(o *Options) { o.Keep = time.Millisecond })
	if err := m.Send(t.Context(), sample("en", jobs.Completed)); err != nil {
		t.Fatal(err)
	}
	for range time.Tick(5 * time.Millisecond) { // the test's own timeout ends it
		if m.kept.n() == 0 {
			break
		}
	}
}
