//go:build chaos

package app

import (
	"context"
	"io"
	"time"

	"github.com/oubli/oubli/repository"
	"github.com/oubli/oubli/worker"
)

// Tuning is what a process of the fault driver changes in itself. A program
// that is built without the tag chaos has no way to it, whatever its
// environment says.
type Tuning struct {
	Lease      time.Duration           // see repository.Options
	Failpoint  func(name string)       // see repository.Options
	Store      func(*repository.Store) // called once it is open
	Dispatcher func(*worker.DispatcherOptions)
	Worker     func(*worker.Options)
}

// RunTuned is Run of a program that is to meet trouble.
func RunTuned(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer, t Tuning) int {
	c := newCLI(environ, stdin, stdout, stderr)
	c.tune = tuning{lease: t.Lease, failpoint: t.Failpoint, onStore: t.Store, onDispatcher: t.Dispatcher, onWorker: t.Worker}
	return c.run(ctx, args)
}
