//go:build unix

package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// link is the way from one process to one server.
type link struct{ *toxiproxy.Proxy }

func (l *lab) link(name, upstream string) (link, error) {
	var err error
	for range 5 { // somebody may take the port between the look and the start
		var addr string
		if addr, err = freeAddr(); err != nil {
			return link{}, err
		}
		p := toxiproxy.NewProxy(l.proxies, name, addr, upstream)
		if err = p.Start(); err == nil {
			return link{p}, nil
		}
	}
	return link{}, err
}

// freeAddr is where nobody listens. It is below the range from which systems
// take the ports of outgoing connections: inside it, a caller that keeps
// dialling a cut link could be given the link's own port.
func freeAddr() (string, error) {
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 15000+rand.IntN(17000)))
		if err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", errors.New("no free port on 127.0.0.1")
}

// cut refuses connections and drops those that are open.
func (l link) cut() { l.Stop() }

// mend lets everything through again.
func (l link) mend() error {
	l.Toxics.ResetToxics(context.Background())
	if err := l.Start(); err != nil && !errors.Is(err, toxiproxy.ErrProxyAlreadyStarted) {
		return fmt.Errorf("mend %s: %w", l.Name, err)
	}
	return nil
}

// silence keeps the connections open and lets nothing through.
func (l link) silence() error {
	for _, direction := range []string{"upstream", "downstream"} {
		if err := l.poison("timeout", direction, map[string]any{"timeout": 0}); err != nil {
			return err
		}
	}
	return nil
}

func (l link) poison(kind, direction string, attributes map[string]any) error {
	b, err := json.Marshal(map[string]any{"type": kind, "stream": direction, "attributes": attributes})
	if err != nil {
		return err
	}
	_, err = l.Toxics.AddToxicJson(bytes.NewReader(b))
	return err
}

// What scissors wait for on the wire.
const (
	// committed is PostgreSQL's answer to a COMMIT: when it is lost, the
	// process cannot know whether its transaction came to be.
	committed = "COMMIT\x00"
	// acknowledged is in the script by which asynq takes a finished hint away.
	acknowledged = ":processed:"
)

// cuts counts the connections that scissors may still cut, by name.
var cuts sync.Map

// snip cuts the next connections on which the text comes by, before it has
// passed. It returns how many are left to be cut.
func (l link) snip(direction, text string, times int32) (left func() int32, err error) {
	n := new(atomic.Int32)
	n.Store(times)
	cuts.Store(l.Name+direction, n)
	return n.Load, l.poison("scissors", direction, map[string]any{"name": l.Name + direction, "text": text})
}

// Scissors is a toxic that cuts a connection just before a text passes.
type Scissors struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Pipe lets everything through up to the text.
func (s *Scissors) Pipe(stub *toxics.ToxicStub) {
	for {
		select {
		case <-stub.Interrupt:
			return
		case c := <-stub.Input:
			if c == nil {
				stub.Close()
				return
			}
			if s.bites(c) {
				stub.Close()
				return
			}
			stub.Output <- c
		}
	}
}

func (s *Scissors) bites(c *stream.StreamChunk) bool {
	left, ok := cuts.Load(s.Name)
	return ok && bytes.Contains(c.Data, []byte(s.Text)) && left.(*atomic.Int32).Add(-1) >= 0
}

var register = sync.OnceFunc(func() { toxics.Register("scissors", new(Scissors)) })
