package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/oubli/oubli/internal/bench/figures"
)

// report is what is printed and written as JSON. Units are in the names.
type report struct {
	started time.Time

	Machine      figures.Machine `json:"machine"`
	Clients      int             `json:"clients"` // of the one studio
	Appointments int             `json:"appointments"`
	Candidates   int             `json:"candidates"` // inactive for a year
	Selected     int             `json:"selected"`   // of them, those for whom no guard holds
	Accepted     int             `json:"accepted"`   // after unticking
	SeedSeconds  float64         `json:"seed_seconds"`

	Indexes  []indexFigures  `json:"indexes"`
	SelectMS figures.Figures `json:"select_ms"` // on the booking schema, during bookings

	Pages         []pageFigures   `json:"pages"`
	PagesUnticked []pageFigures   `json:"pages_unticked"`
	UntickMS      figures.Figures `json:"untick_ms"`
	AcceptMS      figures.Figures `json:"accept_ms"`

	BookingEvery       float64         `json:"booking_every_ms"`
	BookingIdleMS      figures.Figures `json:"booking_idle_ms"`
	BookingSelectingMS figures.Figures `json:"booking_selecting_ms"`

	// Memory of this process, load generator included; 0 where not measured.
	MemoryBeforeMiB   float64 `json:"memory_before_mib"`
	MemorySelectedMiB float64 `json:"memory_selected_peak_mib"`
	MemoryAcceptedMiB float64 `json:"memory_accepted_peak_mib"`
}

type indexFigures struct {
	Name     string          `json:"name"`
	MiB      float64         `json:"mib"` // of all indexes named, and (studio_id, starts_at)
	SelectMS figures.Figures `json:"select_ms"`
}

type pageFigures struct {
	Where string          `json:"where"`
	From  int             `json:"from"`
	MS    figures.Figures `json:"ms"`
}

func (r *report) print(out io.Writer) error {
	fmt.Fprintf(out, "%d clients of one studio, %d appointments; %d inactive for a year, %d of them selectable\n",
		r.Clients, r.Appointments, r.Candidates, r.Selected)
	fmt.Fprintf(out, "%s, %d CPUs, %s, %s; seeded in %.0f s\n\n",
		r.Machine.PostgreSQL, r.Machine.CPUs, r.Machine.System, r.Machine.Go, r.SeedSeconds)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(what string, f figures.Figures) {
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%d\t\n", what, f.Min, f.Median, f.P99, f.Max, f.N)
	}
	fmt.Fprintln(w, "milliseconds\tmin\tmedian\tp99\tmax\tn\t")
	for _, x := range r.Indexes {
		row(fmt.Sprintf("select, index %s", x.Name), x.SelectMS)
	}
	row("select beside bookings", r.SelectMS)
	for _, p := range r.Pages {
		row("page at the "+p.Where, p.MS)
	}
	for _, p := range r.PagesUnticked {
		row("page at the "+p.Where+", some unticked", p.MS)
	}
	row(fmt.Sprintf("untick %d", r.Selected-r.Accepted), r.UntickMS)
	row(fmt.Sprintf("confirm %d", r.Accepted), r.AcceptMS)
	row("booking, idle", r.BookingIdleMS)
	row("booking, while selecting", r.BookingSelectingMS)
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nindexes of appointments: ")
	for i, x := range r.Indexes {
		if i > 0 {
			fmt.Fprint(out, " · ")
		}
		fmt.Fprintf(out, "%s %.0f MiB", x.Name, x.MiB)
	}
	_, err := fmt.Fprintf(out, "\nmemory of this process, MiB: %.0f before, peak %.0f while selecting, %.0f while confirming\n",
		r.MemoryBeforeMiB, r.MemorySelectedMiB, r.MemoryAcceptedMiB)
	return err
}
