//go:build chaos && unix && !(linux && amd64)

package main

import (
	"errors"
	"time"
)

func skew(time.Duration) error { return errors.New("a wrong clock is arranged on linux/amd64 only") }
