package mailer

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// mostKept is how many idle connections are kept.
const mostKept = 8

// kept are connections whose server has accepted a mail and can take the next one.
type kept struct {
	mu   sync.Mutex
	idle []*connection
}

// connection is one connection that has greeted, and logged in where that is asked for.
type connection struct {
	raw    net.Conn
	client *smtp.Client
	expire *time.Timer // while it is idle
}

// take removes the connection that was used last; nil without one.
func (k *kept) take() *connection {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.idle) == 0 {
		return nil
	}
	last := len(k.idle) - 1
	s := k.idle[last]
	k.idle = k.idle[:last]
	s.expire.Stop()
	return s
}

// put keeps a connection for this time, or ends it if there are enough.
func (k *kept) put(s *connection, d time.Duration) {
	k.mu.Lock()
	full := len(k.idle) == mostKept
	if !full {
		s.expire = time.AfterFunc(d, func() { k.end(s) })
		k.idle = append(k.idle, s)
	}
	k.mu.Unlock()
	if full {
		s.end()
	}
}

// n is how many connections are idle.
func (k *kept) n() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.idle)
}

// end ends a connection if it is still idle.
func (k *kept) end(s *connection) {
	k.mu.Lock()
	found := false
	for i := range k.idle {
		if k.idle[i] == s {
			k.idle, found = append(k.idle[:i], k.idle[i+1:]...), true
			break
		}
	}
	k.mu.Unlock()
	if found {
		s.end()
	}
}

func (s *connection) end() {
	quit(s.client)
	_ = s.raw.Close()
}

// Close ends the connections that are kept. The Mailer can still be used.
func (m *Mailer) Close() {
	for s := m.kept.take(); s != nil; s = m.kept.take() {
		s.end()
	}
}

// watch closes the connection when ctx ends: nothing else ends a read from a
// server that does not answer. stop reports whether that has not happened.
func (s *connection) watch(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = s.raw.Close() })
}
