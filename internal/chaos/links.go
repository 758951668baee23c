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

// link is the proxy between one process and one server.
type link struct{ *toxiproxy.Proxy }

func (l *lab) link(name, upstream string) (link, error) {
	var err error
	for range 5 { // another process may take the port before the proxy listens on it
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

// freeAddr returns an address on which nobody listens. Its port is below the range
// from which systems take the ports of outgoing connections: within it, a client
// that dials a cut link again and again could get the link's own port.
func freeAddr() (string, error) {
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 15000+rand.IntN(17000)))
		if err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", errors.New("no free port on 127.0.0.1")
}

// cut refuses new connections and closes the open ones.
func (l link) cut() { l.Stop() }

// restore forwards everything again.
func (l link) restore() error {
	l.Toxics.ResetToxics(context.Background())
	if err := l.Start(); err != nil && !errors.Is(err, toxiproxy.ErrProxyAlreadyStarted) {
		return fmt.Errorf("restore %s: %w", l.Name, err)
	}
	return nil
}

// silence keeps the connections open and forwards nothing.
func (l link) silence() error {
	for _, direction := range []string{"upstream", "downstream"} {
		if err := l.addToxic("timeout", direction, map[string]any{"timeout": 0}); err != nil {
			return err
		}
	}
	return nil
}

func (l link) addToxic(kind, direction string, attributes map[string]any) error {
	b, err := json.Marshal(map[string]any{"type": kind, "stream": direction, "attributes": attributes})
	if err != nil {
		return err
	}
	_, err = l.Toxics.AddToxicJson(bytes.NewReader(b))
	return err
}

// The texts at which a cutter closes a connection.
const (
	// committed is PostgreSQL's answer to a COMMIT: when it is lost, the
	// process cannot know whether its transaction was committed.
	committed = "COMMIT\x00"
	// acknowledged is in the script by which asynq removes a finished hint.
	acknowledged = ":processed:"
)

// cuts counts the connections that a cutter may still close, by name.
var cuts sync.Map

// cutAt closes the next connections on which the text appears, before forwarding
// it. left returns how many are still to be closed.
func (l link) cutAt(direction, text string, times int32) (left func() int32, err error) {
	n := new(atomic.Int32)
	n.Store(times)
	cuts.Store(l.Name+direction, n)
	return n.Load, l.addToxic("cutter", direction, map[string]any{"name": l.Name + direction, "text": text})
}

// Cutter is a toxic that closes a connection just before a text is forwarded.
type Cutter struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Pipe forwards everything up to the text.
func (s *Cutter) Pipe(stub *toxics.ToxicStub) {
	for {
		select {
		case <-stub.Interrupt:
			return
		case c := <-stub.Input:
			if c == nil {
				stub.Close()
				return
			}
			if s.cuts(c) {
				stub.Close()
				return
			}
			stub.Output <- c
		}
	}
}

func (s *Cutter) cuts(c *stream.StreamChunk) bool {
	left, ok := cuts.Load(s.Name)
	return ok && bytes.Contains(c.Data, []byte(s.Text)) && left.(*atomic.Int32).Add(-1) >= 0
}

var register = sync.OnceFunc(func() { toxics.Register("cutter", new(Cutter)) })
