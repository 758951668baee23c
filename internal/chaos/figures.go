//go:build unix

package chaos

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// Figures are the results of a run.
type Figures struct {
	Seed       uint64
	Rounds     int
	Jobs       int // merges among them
	Merges     int
	Clients    int // that were asked for
	Erased     int
	Mails      int            // that were accepted
	Refused    int            // mails that the server refused for good
	InDoubt    map[string]int // mails sent twice because their acceptance was not known, by reason
	Lost       int            // clients, jobs and mails without a result
	Doubled    int            // clients and mails processed twice
	Violations []string

	mu    sync.Mutex
	kinds map[string]*tally
}

// tally counts a kind of fault, and how soon the system recovered.
type tally struct {
	times int
	took  []time.Duration
}

// count counts a fault, with the time to recover if measured.
func (f *Figures) count(kind string, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kinds == nil {
		f.kinds = map[string]*tally{}
	}
	t := f.kinds[kind]
	if t == nil {
		t = &tally{}
		f.kinds[kind] = t
	}
	t.times++
	if took > 0 {
		t.took = append(t.took, took)
	}
}

// doubted counts a mail that was sent again, by reason.
func (f *Figures) doubted(cause string) {
	if f.InDoubt == nil {
		f.InDoubt = map[string]int{}
	}
	f.InDoubt[cause]++
}

// Faults returns the number of faults.
func (f *Figures) Faults() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.kinds {
		n += t.times
	}
	return n
}

// Write prints the closing table.
func (f *Figures) Write(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "fault\ttimes\trecovery: median\tworst\t")
	for _, kind := range Kinds() {
		f.mu.Lock()
		k := f.kinds[kind]
		f.mu.Unlock()
		if k == nil {
			continue
		}
		median, worst := "", ""
		if slices.Sort(k.took); len(k.took) > 0 {
			median, worst = seconds(k.took[len(k.took)/2]), seconds(k.took[len(k.took)-1])
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t\n", kind, k.times, median, worst)
	}
	_ = t.Flush()
	fmt.Fprintf(w, "\nseed %d, %d rounds: %d faults, %d jobs, %d of them merges, %d clients asked for, %d gone, %d mails\n",
		f.Seed, f.Rounds, f.Faults(), f.Jobs, f.Merges, f.Clients, f.Erased, f.Mails)
	fmt.Fprintf(w, "lost %d, doubled %d, mails refused for good %d, mails in doubt and repeated %v\n", f.Lost, f.Doubled, f.Refused, f.InDoubt)
	if len(f.Violations) > 0 {
		fmt.Fprintf(w, "BROKEN PROMISES:\n  %s\n", strings.Join(f.Violations, "\n  "))
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
