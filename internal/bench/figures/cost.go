package figures

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Cost is what erasing one client costs. The figures of docs/scaling.md are
// computed from it.
type Cost struct {
	PerSecond float64 // clients erased in one database, with two slots on two cores
	Rows      float64 // changed, for each client
	WAL       float64 // bytes, for each client
	WorkerCPU float64 // milliseconds of a worker's CPU, for each client
	Kept      float64 // bytes that stay in schema oubli, for each client
	Batch     float64 // clients of one task; at most one hint is sent for each task
}

// Load is a number of clients in a number of equal databases.
type Load struct{ Clients, Databases float64 }

// Needs is what a load needs when all databases are worked on at once.
type Needs struct {
	Each     float64       // clients of one database
	Time     time.Duration // until the last client is erased
	WALEach  float64       // bytes that each database logs
	KeptEach float64       // bytes that stay in each
	Slots    float64       // worker slots, of all workers together
	Cores    float64       // that the workers use
	Hints    float64       // a second, in all queues
}

// Of returns what a load needs.
func (c Cost) Of(l Load) Needs {
	each := l.Clients / l.Databases
	return Needs{
		Each: each, Time: time.Duration(each / c.PerSecond * float64(time.Second)),
		WALEach: each * c.WAL, KeptEach: each * c.Kept,
		Slots: 2 * l.Databases, Cores: l.Databases * c.PerSecond * c.WorkerCPU / 1000,
		Hints: l.Databases * c.PerSecond / c.Batch,
	}
}

// Table returns the needs of loads as a table in Markdown.
func (c Cost) Table(loads []Load) string {
	var b strings.Builder
	b.WriteString("| clients | databases | clients each | time | WAL each | kept each | worker slots | worker cores | hints/s " +
		"|\n|---|---|---|---|---|---|---|---|---|\n")
	for _, l := range loads {
		n := c.Of(l)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", count(l.Clients), count(l.Databases), count(n.Each),
			span(n.Time), size(n.WALEach), size(n.KeptEach), count(n.Slots), small(n.Cores), small(n.Hints))
	}
	return b.String()
}

// count groups digits in threes.
func count(n float64) string {
	s := fmt.Sprintf("%.0f", n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func small(n float64) string {
	if n < 10 {
		return fmt.Sprintf("%.1f", n)
	}
	return count(math.Ceil(n))
}

func span(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}

func size(n float64) string {
	switch {
	case n < 1<<30:
		return fmt.Sprintf("%.0f MiB", n/(1<<20))
	case n < 1<<40:
		return fmt.Sprintf("%.1f GiB", n/(1<<30))
	}
	return fmt.Sprintf("%.1f TiB", n/(1<<40))
}
