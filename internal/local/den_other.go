//go:build !unix

package local

import (
	"context"
	"errors"
	"syscall"
)

var errNotHere = errors.New("private servers need a Unix system")

// den is not available: janitor, accounts and signals are Unix's.
type den struct{ dir string }

type process struct {
	done chan struct{}
	err  error
}

func openDen(string, string) (*den, error)                  { return nil, errNotHere }
func (d *den) path(...string) string                        { return d.dir }
func (d *den) write(string, string) error                   { return errNotHere }
func (d *den) spawn(string, ...string) (*process, error)    { return nil, errNotHere }
func (d *den) run(context.Context, string, ...string) error { return errNotHere }
func (d *den) stop(syscall.Signal)                          {}
func (d *den) close(syscall.Signal) error                   { return nil }
func (d *den) logTail() string                              { return "" }
