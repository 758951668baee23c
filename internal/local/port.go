package local

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are below the range from which systems take the ports of outgoing
// connections. Within it, a client that dials a stopped server again and again
// may get the server's own port, and the server could not start on it again.
const (
	firstPort = 15000
	lastPort  = 31999
)

// freePort returns a port on which nobody was listening a moment ago.
func freePort() (int, error) {
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		l, err := net.Listen("tcp4", address(port))
		if err != nil {
			continue
		}
		_ = l.Close()
		return port, nil
	}
	return 0, errors.New("no free port on 127.0.0.1")
}

// onFreePort calls start with a free port, and with another one when it fails:
// another process may take a port before the server listens on it.
func onFreePort(ctx context.Context, start func(port int) error) error {
	var err error
	for range 5 {
		var port int
		if port, err = freePort(); err != nil {
			return err
		}
		if err = start(port); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

func address(port int) string {
	return fmt.Sprintf("127.0.0.1:%d", port)
}
