//go:build chaos && unix

package main

import (
	"bufio"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/chaos/wire"
	"github.com/oubli/oubli/repository"
	"github.com/oubli/oubli/worker"
)

// failpoints executes orders at failpoints.
type failpoints struct {
	t wire.Tuning

	mu      sync.Mutex
	armed   map[string]wire.Deed
	reports *json.Encoder
	awake   chan os.Signal // gets what ends a stop
}

func newFailpoints(t wire.Tuning, orders, reports *os.File) *failpoints {
	p := &failpoints{t: t, armed: map[string]wire.Deed{}, reports: json.NewEncoder(reports), awake: make(chan os.Signal, 1)}
	signal.Notify(p.awake, syscall.SIGCONT)
	go p.readOrders(orders)
	return p
}

// readOrders executes the orders of the driver. When the driver is gone, it ends this process.
func (p *failpoints) readOrders(orders *os.File) {
	for lines := bufio.NewScanner(orders); lines.Scan(); {
		var o wire.Order
		if json.Unmarshal(lines.Bytes(), &o) == nil {
			p.mu.Lock()
			p.armed[o.At] = o.Deed
			p.mu.Unlock()
		}
	}
	os.Exit(3)
}

// pass is the failpoint.
func (p *failpoints) pass(name string) {
	if p.t.Slow > 0 {
		time.Sleep(rand.N(p.t.Slow))
	}
	p.mu.Lock()
	deed := p.armed[name]
	delete(p.armed, name)
	p.mu.Unlock()
	if deed == wire.Nothing {
		return
	}
	p.report(wire.Report{At: name})
	p.act(deed)
}

func (p *failpoints) act(deed wire.Deed) {
	switch deed {
	case wire.Kill:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing may be done any more
	case wire.Stop:
		select {
		case <-p.awake: // left from an earlier stop
		default:
		}
		// Any thread may take the signal, and until one has, this one would run on,
		// into the next transaction.
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		<-p.awake
	}
}

func (p *failpoints) report(r wire.Report) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.reports.Encode(r)
}

func (p *failpoints) tuning() app.Tuning {
	return app.Tuning{
		Lease:     p.t.Lease,
		MailLease: p.t.MailLease,
		Failpoint: p.pass,
		Store: func(s *repository.Store) {
			if p.t.Unfenced {
				s.Unfence()
			}
		},
		Dispatcher: func(o *worker.DispatcherOptions) {
			o.Redis.AddHook(hintHook{p})
			if p.t.Unwatched {
				o.Recovery = nil
			}
		},
		Worker: func(o *worker.Options) {
			o.MailRetry, o.ChunkMax = p.t.MailRetry, p.t.ChunkMax
			o.Claims = claims{o.Claims, p}
			o.Eraser = eraser{o.Eraser, p}
			if p.t.Unmarked {
				o.Mails = unrecorded{o.Mails}
			}
		},
	}
}
