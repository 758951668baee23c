//go:build chaos && linux && amd64

package main

import (
	"errors"
	"time"
	_ "unsafe" // for go:linkname
)

// clockGettime is where the runtime calls the kernel's clock.
//
//go:linkname clockGettime runtime.vdsoClockgettimeSym
var clockGettime uintptr

// What the assembly works with.
var (
	realClock  uintptr //lint:ignore U1000 the assembly reads it
	skewBy     int64   // seconds
	skewedAddr uintptr
)

// skew sets this process's wall clock wrong; the monotonic one stays. It needs
// a build with -ldflags=-checklinkname=0.
func skew(by time.Duration) error {
	if clockGettime == 0 || skewedAddr == 0 {
		return errors.New("this kernel has no clock to set wrong")
	}
	before := time.Now().Unix()
	realClock, skewBy = clockGettime, int64(by/time.Second)
	clockGettime = skewedAddr
	if d := time.Now().Unix() - before - skewBy; d < 0 || d > 5 {
		return errors.New("the clock did not move")
	}
	return nil
}
