//go:build unix && !linux

package chaos

import "errors"

// disk is not available on this system.
type disk struct{}

var errNoDisk = errors.New("only on Linux")

func openDisk() (*disk, error)            { return nil, errNoDisk }
func (*disk) within(f func() error) error { return f() }
func (*disk) fill() (func() error, error) { return nil, errNoDisk }
func (*disk) Close() error                { return nil }
