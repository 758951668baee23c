//go:build unix

package chaos

import (
	"io"
	"time"
)

// Options are the settings of a run. The zero value of a field stands for the
// default in its comment.
type Options struct {
	// Seed decides the order of faults and requests. It does not decide how the
	// machine schedules the processes.
	Seed uint64
	// Duration is how long faults are injected, over all rounds; 0: until each
	// kind has happened once.
	Duration time.Duration
	// Only names the kinds of fault to inject; none: all.
	Only []string
	// Clients of one round's database; 6,000. Each round begins with a fresh one.
	Clients int
	Workers int           // processes; 3
	Round   time.Duration // how long faults are injected in one round; a minute
	Pause   time.Duration // the longest pause between faults; 500 ms
	// Outage is the longest time for which a server is unavailable; 2 s.
	Outage time.Duration
	// Overlap: one in so many faults begins before the system has recovered from
	// the last; 4.
	Overlap int
	// Patience bounds every wait for a condition; 3 minutes.
	Patience time.Duration
	// Lease is the lease of a batch, and MailLease that of a mail; 0: the
	// product's.
	Lease, MailLease time.Duration
	// Long makes outages longer than the product's timeouts: half a minute and
	// more, instead of a few seconds.
	Long bool
	// Disk puts the database on a small file system in memory, which can be filled.
	// It needs root, and stays mounted when the driver is killed.
	Disk bool
	// Log gets a line for everything that happens; nil: none.
	Log io.Writer
}

func (o Options) withDefaults() Options {
	if o.Clients == 0 {
		o.Clients = 6000
	}
	if o.Workers == 0 {
		o.Workers = 3
	}
	if o.Round == 0 {
		o.Round = time.Minute
	}
	if o.Pause == 0 {
		o.Pause = 500 * time.Millisecond
	}
	if o.Outage == 0 {
		o.Outage = 2 * time.Second
	}
	if o.Overlap == 0 {
		o.Overlap = 4
	}
	if o.Patience == 0 {
		o.Patience = 3 * time.Minute
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	return o
}
