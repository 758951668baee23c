package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/oubli/oubli/internal/bench/figures"
)

// result is one contender in one run. Units are in the names.
type result struct {
	start   time.Time
	took    time.Duration
	stopped bool
	booked  bool // clients may have booked meanwhile, so that a guard holds for them

	Run        int     `json:"run"`
	Name       string  `json:"name"`
	ClientSet  string  `json:"client_set"`
	Clients    int     `json:"clients"`
	Sample     bool    `json:"sample"` // not all were erased; the rate is that of those who were
	Rows       int64   `json:"rows"`
	Seconds    float64 `json:"seconds"`
	PerSecond  float64 `json:"clients_per_second"`
	RowsPerSec float64 `json:"rows_per_second"`
	Ratio      float64 `json:"ratio"` // to the hand-written transaction of this run on the same clients
	WALBytes   int64   `json:"wal_bytes"`
	ServerCPU  float64 `json:"server_cpu_seconds"` // bookings included
	LongestMS  float64 `json:"longest_transaction_ms"`

	// For oubli only.
	ChunkMS      *figures.Figures `json:"chunk_ms,omitempty"`
	ChunkClients int              `json:"chunk_clients_median,omitempty"`
	AcceptMS     float64          `json:"longest_request_ms,omitempty"`
	PeakMiB      float64          `json:"worker_peak_mib,omitempty"`
	APIPeakMiB   float64          `json:"api_peak_mib,omitempty"`
	CPUSeconds   float64          `json:"worker_cpu_seconds,omitempty"`
	Retries      int              `json:"batches_given_back,omitempty"`

	Control *control `json:"control,omitempty"`
	Single  *single  `json:"single,omitempty"` // of erasures of one client each

	Effect string  `json:"effect,omitempty"` // compared with the hand-written transaction's
	Beside *beside `json:"beside,omitempty"`
}

func (r *result) restart() { r.start = time.Now() }

func (r *result) stop() {
	if !r.stopped {
		r.took, r.stopped = time.Since(r.start), true
	}
}

func (r *result) finish(asked int) {
	r.stop()
	r.Seconds = r.took.Seconds()
	r.PerSecond, r.RowsPerSec = float64(r.Clients)/r.Seconds, float64(r.Rows)/r.Seconds
	r.Sample = r.Clients < asked && !r.booked || r.Clients < asked/2
}

// report is what is printed and written as JSON.
type report struct {
	Machine     figures.Machine `json:"machine"`
	Started     time.Time       `json:"started"`
	Clients     int             `json:"clients"` // in the database
	Erased      int             `json:"erased"`  // by each contender
	Runs        int             `json:"runs"`
	SeedSeconds float64         `json:"seed_seconds"`
	Results     []*result       `json:"results"`
	Medians     []*result       `json:"medians"`
}

// add adds a result and computes the medians again.
func (r *report) add(x *result) {
	r.Results = append(r.Results, x)
	r.Medians = nil
	seen := map[string]bool{}
	for _, x := range r.Results {
		if key := x.Name + x.ClientSet; !seen[key] {
			seen[key] = true
			r.Medians = append(r.Medians, r.median(x))
		}
	}
}

// setRatios compares every result with the hand-written transaction of its run.
func (r *report) setRatios() {
	for _, x := range r.Results {
		for _, a := range r.Results {
			if a.Run == x.Run && a.ClientSet == x.ClientSet && a.Name == nameByHand && (a.Beside == nil) && x.Beside == nil {
				x.Ratio = x.PerSecond / a.PerSecond
			}
			if a.Run == x.Run && a.ClientSet == x.ClientSet && a.Name == nameByHand+besideBookings && a.Beside != nil && x.Beside != nil {
				x.Ratio = x.PerSecond / a.PerSecond
			}
		}
	}
}

// median returns the contender's run whose clients a second are the median: all
// its figures are from this one run. Only the ratio is a median of its own, because
// a ratio compares two contenders.
func (r *report) median(like *result) *result {
	r.setRatios()
	var same []*result
	for _, x := range r.Results {
		if x.Name == like.Name && x.ClientSet == like.ClientSet {
			same = append(same, x)
		}
	}
	middle := (len(same) - 1) / 2
	slices.SortFunc(same, func(a, b *result) int { return cmp.Compare(a.Ratio, b.Ratio) })
	ratio := same[middle].Ratio
	slices.SortFunc(same, func(a, b *result) int { return cmp.Compare(a.PerSecond, b.PerSecond) })
	x := *same[middle]
	x.Ratio = ratio
	return &x
}

func (r *report) print(out io.Writer) error {
	fmt.Fprintf(out, "\n%d clients, %d of them erased; %s, %d CPUs, %s, %s; %d run(s), the middle one of each\n\n",
		r.Clients, r.Erased, r.Machine.PostgreSQL, r.Machine.CPUs, r.Machine.System, r.Machine.Go, r.Runs)
	if slices.ContainsFunc(r.Results, func(x *result) bool { return x.Single != nil }) {
		return r.printSingle(out)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "contender\tclients/s\tratio\trows/s\tWAL, MiB\tCPU ms/client\tlongest, ms\tp50\tp99\taccept, "+
		"ms\tMiB\tbookings p99: idle\tbeside, ms\t/s\teffect\t")
	for _, x := range r.Medians {
		fmt.Fprintln(w, x.line())
	}
	return w.Flush()
}

func (x *result) line() string {
	opt := func(format string, show bool, v any) string {
		if !show {
			return ""
		}
		return fmt.Sprintf(format, v)
	}
	name := x.Name + ", " + x.ClientSet
	if x.Sample {
		name += fmt.Sprintf(" (%d)", x.Clients)
	}
	chunks, live := figures.Figures{}, beside{}
	if x.ChunkMS != nil {
		chunks = *x.ChunkMS
	}
	if x.Beside != nil {
		live = *x.Beside
	}
	return fmt.Sprintf("%s\t%.0f\t%s\t%.0f\t%.0f\t%.2f\t%.0f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t",
		name, x.PerSecond, opt("%.2f", x.Ratio > 0, x.Ratio),
		x.RowsPerSec, float64(x.WALBytes)/(1<<20), 1000*x.ServerCPU/float64(max(x.Clients, 1)), x.LongestMS,
		opt("%.0f", x.ChunkMS != nil, chunks.Median), opt("%.0f", x.ChunkMS != nil, chunks.P99),
		opt("%.0f", x.AcceptMS > 0, x.AcceptMS), opt("%.0f", x.PeakMiB > 0, x.PeakMiB),
		opt("%.1f", x.Beside != nil, live.IdleMS.P99), opt("%.1f", x.Beside != nil, live.DuringMS.P99),
		opt("%.0f", x.Beside != nil, live.Rate), x.Effect)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func sortedInts(n []int) []int { return slices.Sorted(slices.Values(n)) }
