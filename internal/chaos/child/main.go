//go:build chaos && unix

// Child is oubli as the fault driver runs it: the same program, which can be told
// to die at a failpoint or to run without a protection. It exists under the build
// tag chaos only.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/oubli/oubli/internal/chaos/wire"
	"github.com/oubli/oubli/internal/cli"
)

func main() {
	var t wire.Tuning
	if err := json.Unmarshal([]byte(os.Getenv(wire.TuningKey)), &t); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", wire.TuningKey, err)
		os.Exit(2)
	}
	if t.Skew != 0 {
		if err := skew(t.Skew); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	environ := slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, wire.TuningKey+"=") })
	p := newFailpoints(t, os.NewFile(wire.OrdersFD, "orders"), os.NewFile(wire.ReportsFD, "reports"))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.RunTuned(ctx, os.Args[1:], environ, os.Stdin, os.Stdout, os.Stderr, p.tuning())
	stop()
	os.Exit(code)
}
