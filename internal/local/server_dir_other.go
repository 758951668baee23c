//go:build !unix

package local

import (
	"context"
	"errors"
	"syscall"
)

var errNotHere = errors.New("private servers need a Unix system")

// serverDir is not available: watchdog, accounts and signals are Unix's.
type serverDir struct{ root string }

type process struct {
	done chan struct{}
	err  error
}

func openServerDir(string, string) (*serverDir, error)            { return nil, errNotHere }
func (d *serverDir) path(...string) string                        { return d.root }
func (d *serverDir) write(string, string) error                   { return errNotHere }
func (d *serverDir) spawn(string, ...string) (*process, error)    { return nil, errNotHere }
func (d *serverDir) run(context.Context, string, ...string) error { return errNotHere }
func (d *serverDir) stop(syscall.Signal)                          {}
func (d *serverDir) close(syscall.Signal) error                   { return nil }
func (d *serverDir) logTail() string                              { return "" }
