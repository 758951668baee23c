package app

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// gate holds workers up at a failpoint until it opens, so that a test can act
// while they are in the middle of something.
type gate struct {
	entered chan struct{} // gets a signal whenever a worker arrives
	open    func()
	opened  chan struct{}
	names   []string
}

func newGate(t *testing.T, names ...string) *gate {
	g := &gate{entered: make(chan struct{}, 1000), opened: make(chan struct{}), names: names}
	g.open = sync.OnceFunc(func() { close(g.opened) })
	t.Cleanup(g.open) // before the service stops, which waits for its workers
	return g
}

// pass is the failpoint.
func (g *gate) pass(name string) {
	if !slices.Contains(g.names, name) {
		return
	}
	g.entered <- struct{}{}
	<-g.opened
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
