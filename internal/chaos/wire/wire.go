// Package wire defines what the fault driver and its processes send each other.
package wire

import "time"

// TuningKey is the environment key under which a process finds its Tuning as
// JSON. It does not begin with OUBLI_, and no other program reads it.
const TuningKey = "CHAOS_TUNING"

// The file descriptors of a process on which orders come in, one JSON value a
// line, and reports go out.
const (
	OrdersFD  = 3
	ReportsFD = 4
)

// Tuning is what differs from production in a process.
type Tuning struct {
	Lease     time.Duration // 0: the product's
	MailLease time.Duration // 0: the product's
	MailRetry time.Duration // 0: the product's
	ChunkMax  int           // 0: the product's
	Slow      time.Duration // the longest wait at every failpoint, so that faults can happen there
	Killer    string        // a client at whom the process dies
	Skew      time.Duration // by how much its clock is wrong

	// For the controls: protections switched off, which the driver must notice.
	Unfenced  bool // a worker continues a task that another has claimed
	Unwatched bool // nothing looks for lost tasks and hints
	Unmarked  bool // no record that a mail was sent
}

// Order arms a failpoint, once; an order without a deed disarms it.
type Order struct {
	At   string
	Deed Deed
}

// Deed is what a process does to itself at a failpoint.
type Deed string

// The deeds.
const (
	Nothing Deed = ""
	Kill    Deed = "kill" // kill -9
	Stop    Deed = "stop" // SIGSTOP, until somebody sends SIGCONT
)

// Report tells of an armed failpoint that was reached, or of a task that was
// claimed.
type Report struct {
	At      string `json:",omitempty"`
	Task    string `json:",omitempty"`
	Attempt int    `json:",omitempty"`
}
