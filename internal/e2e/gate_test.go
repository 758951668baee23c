package e2e

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// gate stops workers at a failpoint until it opens, so that a test can act while
// they are at that point.
type gate struct {
	entered chan struct{} // gets a signal whenever a worker arrives
	open    func()
	opened  chan struct{}
	over    <-chan struct{} // the test is
	names   []string
}

func newGate(t *testing.T, names ...string) *gate {
	g := &gate{entered: make(chan struct{}, 1000), opened: make(chan struct{}), over: t.Context().Done(), names: names}
	g.open = sync.OnceFunc(func() { close(g.opened) })
	return g
}

// pass is the failpoint.
func (g *gate) pass(name string) {
	if !slices.Contains(g.names, name) {
		return
	}
	g.entered <- struct{}{}
	select {
	case <-g.opened:
	case <-g.over: // the service stops next, and waits for its workers
	}
}

// await waits for a worker to arrive at the gate.
func (g *gate) await(t *testing.T) {
	t.Helper()
	select {
	case <-g.entered:
	case <-time.After(time.Minute):
		t.Fatalf("no worker came to %v", g.names)
	}
}
