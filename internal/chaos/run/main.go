//go:build unix

// Run injects faults into oubli for a given time and prints the results. It exits
// with 1 when a guarantee was broken.
//
//	go run ./internal/chaos/run -duration 10m -seed 7
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/oubli/oubli/internal/chaos"
)

func main() {
	var o chaos.Options
	var only string
	flag.Uint64Var(&o.Seed, "seed", 0, "of the schedule; 0: a random one, which is printed")
	flag.DurationVar(&o.Duration, "duration", 0, "how long faults come; 0: until each kind has come once")
	flag.IntVar(&o.Clients, "clients", 6000, "in each round's database")
	flag.IntVar(&o.Workers, "workers", 3, "processes")
	flag.BoolVar(&o.Long, "long", false, "let some outages last longer than half a minute")
	flag.DurationVar(&o.Lease, "lease", 0, "of batches; 0: the product's")
	flag.DurationVar(&o.MailLease, "mail-lease", 10*time.Second,
		"of mails; 0: the product's, two minutes, for which a mail waits after its worker was killed")
	flag.BoolVar(&o.Disk, "disk", os.Geteuid() == 0, "let the database's disk be full; takes root")
	flag.StringVar(&only, "only", "", "kinds of fault, separated by commas; none: all")
	flag.Parse()
	if only != "" {
		o.Only = strings.Split(only, ",")
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64N(1_000_000)
	}
	if o.Duration == 0 {
		o.Round = 10 * time.Minute // long enough for one of each kind
	}
	o.Log = os.Stdout
	fmt.Printf("seed %d\n", o.Seed)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	f, err := chaos.Run(ctx, o)
	stop()
	fmt.Println()
	f.Write(os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
	}
	if err != nil || len(f.Violations) > 0 {
		os.Exit(1)
	}
}
