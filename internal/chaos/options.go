//go:build unix

package chaos

import (
	"io"
	"time"
)

// Options says how much trouble there shall be. The zero value of a field
// stands for what its comment names.
type Options struct {
	// Seed decides which faults come in which order, and what is asked for. It
	// cannot decide what the scheduler of the machine does.
	Seed uint64
	// Duration is how long faults come, over all rounds; 0: until each kind
	// has come once.
	Duration time.Duration
	// Only names the kinds of fault to bring; none: all.
	Only []string
	// Clients of one round's database; 6,000. Each round begins with a fresh one.
	Clients int
	Workers int           // processes; 3
	Round   time.Duration // that faults come in one round; a minute
	Pause   time.Duration // at most so long is waited between faults; 500 ms
	// Outage is how long a server is away at most; 2 s.
	Outage time.Duration
	// Piles is of how many faults one comes before the last is got over; 4.
	Piles int
	// Patience bounds every wait for a condition; 3 minutes.
	Patience time.Duration
	// Lease is how long a silent worker keeps its batch, and MailLease its
	// mail; 0: the product's.
	Lease, MailLease time.Duration
	// Long lets outages last longer than the timeouts that they shall
	// outlast: half a minute and more, not a few seconds.
	Long bool
	// Disk puts the database on a small file system in memory, so that it can be
	// full. It takes root, and a driver that is killed leaves it mounted.
	Disk bool
	// Log is told what happens; nil: nobody.
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
	if o.Piles == 0 {
		o.Piles = 4
	}
	if o.Patience == 0 {
		o.Patience = 3 * time.Minute
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	return o
}
