package cli

import (
	"context"
	"fmt"
	"io"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/scrub"
	"github.com/oubli/oubli/internal/terminal"
	"github.com/oubli/oubli/jobs"
)

// scrubFlags is the command line of `oubli scrub`.
type scrubFlags struct {
	rewrite              bool
	window               string
	maxLock, lockTimeout time.Duration
}

func (c *cli) scrub() *cobra.Command {
	var f scrubFlags
	cmd := &cobra.Command{
		Use:   "scrub",
		Short: "Shows which erased values are left on disk, and removes them",
		Long: fmt.Sprintf(`PostgreSQL leaves the bytes of deleted and overwritten rows in its files; even
VACUUM does. This command shows how far they are gone, in levels:

  0 logical     gone for every query; the planner's statistics may hold values
  0 mixed       nor do system columns tell which kept rows were of one client
                (workers see to it, once rows of %d former clients are there)
  1 statistics  the statistics are those of what is there now (workers see to it)
  2 rewritten   tables, indexes and the statistics' own catalogs are new files
  3 wal         the write-ahead log of before is overwritten or removed

No job says that it has reached a further level before it is mixed.

With --rewrite it goes on to level 3. Every table of the map from which something
was erased is rewritten by VACUUM FULL, which locks it against everybody while
it is copied. Outside of --window no table is locked. A table that another
transaction has locked is tried again later. A table whose old rows somebody can
still see (a long transaction, a replication slot) waits until that has ended.
A run that was stopped, or whose window closed, can be repeated: it goes on where
it was.

It connects to OUBLI_DATABASE_URL as the owner of the database or as a superuser,
and says which rights are missing for the rest. Replicas follow
by themselves; backups and archived write-ahead log are beyond its reach.

Exit codes: 0 done, 1 something is left to do after --rewrite, 2 usage.`, jobs.MixClients),
		Example: `  oubli scrub
  oubli scrub --rewrite --window 01:00-05:00
  oubli scrub --rewrite --window always --max-lock 10m`,
		GroupID: groupRun,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runScrub(cmd.Context(), f) },
	}
	fs := cmd.Flags()
	fs.BoolVar(&f.rewrite, "rewrite", false, "rewrite the tables and move the write-ahead log on")
	fs.StringVar(&f.window, "window", "", "with --rewrite: when tables may be locked, in local time, such as 01:00-05:00; or always")
	fs.DurationVar(&f.maxLock, "max-lock", 0, "with --rewrite: longest time that one table may be locked (default: until the window closes)")
	fs.DurationVar(&f.lockTimeout, "lock-timeout", 2*time.Second,
		"with --rewrite: longest time that a table's users queue behind the wait for its lock")
	return cmd
}

func (c *cli) runScrub(ctx context.Context, f scrubFlags) error {
	var w window
	switch {
	case !f.rewrite && (f.window != "" || f.maxLock != 0):
		return usage("--window and --max-lock want --rewrite")
	case f.rewrite && f.window == "":
		return usage("--rewrite locks tables: say when it may, with --window 01:00-05:00 or --window always")
	case f.maxLock < 0 || f.lockTimeout <= 0:
		return usage("want --max-lock and --lock-timeout above 0s")
	case f.rewrite:
		var err error
		if w, err = parseWindow(f.window); err != nil {
			return usage("--window: %s", err)
		}
	}
	s, err := app.OpenScrubber(ctx, c.env())
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	if !f.rewrite {
		l, err := s.Inspect(ctx)
		if err != nil {
			return err
		}
		return writeLeftovers(c.stdout, l)
	}
	p := &scrubProgress{w: c.stderr, draws: c.draws}
	done, err := s.Rewrite(ctx, scrub.Options{Window: w.open, MaxLock: f.maxLock, LockTimeout: f.lockTimeout, Progress: p.show})
	p.end()
	if err != nil {
		return err
	}
	return c.writeScrubbed(done)
}

func (c *cli) writeScrubbed(done scrub.Result) error {
	if done.Residues == 0 {
		fmt.Fprintln(c.stdout, "Nothing to scrub: all that was erased has reached level 3.")
		return writeUnmixed(c.stdout, done.Unmixed)
	}
	fmt.Fprintf(c.stdout, "%s, %s rewritten: %s\n",
		terminal.Count(done.Residues, "erasure"), terminal.Count(done.Rewritten, "table"), terminal.Residue(done.Level))
	if err := writeUnmixed(c.stdout, done.Unmixed); err != nil || len(done.Obstacles) == 0 {
		return err
	}
	fmt.Fprintln(c.stdout, "Left:")
	for _, o := range done.Obstacles {
		fmt.Fprintf(c.stdout, "  %s: %s\n", terminal.Printable(o.What), terminal.Printable(o.Why))
	}
	return exceptions()
}

// writeUnmixed says which jobs do not say what their files have reached.
func writeUnmixed(out io.Writer, all []scrub.UnmixedCount) error {
	for _, n := range all {
		why := n.Why
		if why == "" {
			why = fmt.Sprintf("they wait for rows of %d former clients", jobs.MixClients)
		}
		_, err := fmt.Fprintf(out, "%s at level logical, because the rows are not mixed with those of others: %s\n",
			terminal.Count(n.Jobs, "erasure"), terminal.Printable(why))
		if err != nil {
			return err
		}
	}
	return nil
}

// writeLeftovers tells people what is left.
func writeLeftovers(out io.Writer, l scrub.Leftovers) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "LEVEL\tERASURES\tTHE OLDEST OF\tMEANS")
	counts := map[string]scrub.LevelCount{}
	open := false
	for _, n := range l.Levels {
		name := n.Level.String()
		if n.Mixed {
			name = jobs.ResidueMixed
		}
		counts[name] = n
		open = open || n.Level < jobs.ResidueWAL
	}
	row := func(level jobs.ResidueLevel, name, means string) {
		since := "-"
		if at := counts[name].Since; at != nil {
			since = terminal.Stamp(*at)
		}
		fmt.Fprintf(t, "%d %s\t%s\t%s\t%s\n", level, name, terminal.Thousands(int64(counts[name].Jobs)), since, means)
	}
	for _, level := range jobs.ResidueLevels() {
		row(level, level.String(), terminal.ResidueMeaning(level))
		if level == jobs.ResidueLogical {
			row(level, jobs.ResidueMixed, terminal.Mixed)
		}
	}
	fmt.Fprintln(t, "\nTABLE WITH INDEXES\tSIZE\tREWRITTEN\t")
	due, denied := 0, 0
	for _, f := range l.Files {
		rewritten, note := "-", ""
		if f.Rewritten != nil {
			rewritten = terminal.Stamp(*f.Rewritten)
		}
		if f.Due {
			due++
			note = "holds what was erased"
			if !f.MayRewrite {
				denied++
				note += "; this role may not rewrite it"
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", terminal.Printable(f.Name), terminal.Bytes(f.Bytes), rewritten, note)
	}
	wal := "this role may not look: GRANT pg_monitor"
	if l.WAL != nil {
		wal = terminal.Bytes(l.WAL.Bytes) + " in " + terminal.Count(l.WAL.Segments, "segment")
	}
	fmt.Fprintf(t, "\nwrite-ahead log\t%s\t\t\n", wal)
	if err := t.Flush(); err != nil {
		return err
	}
	if due > 0 {
		for _, h := range l.OldSnapshots {
			fmt.Fprintf(out, "Old rows are still seen by a %s: %s\n", h.Kind, terminal.Printable(h.Name))
		}
	}
	if err := writeUnmixed(out, l.Unmixed); err != nil {
		return err
	}
	next := "Nothing is left in tables and indexes of this server. Backups, archives and replicas: docs/fine-print.md."
	if due > 0 || open {
		next = "To go on: oubli scrub --rewrite --window 01:00-05:00, or whenever " + terminal.Count(due, "table") + " may be locked."
	}
	if denied > 0 {
		next += " Do it as the owner of the tables and the database, or as a superuser."
	}
	_, err := fmt.Fprintln(out, next)
	return err
}

// scrubProgress writes a line for each step that ends and, where a line can be
// redrawn, one for the step under way.
type scrubProgress struct {
	w     io.Writer
	draws bool
	mu    sync.Mutex // steps come from several goroutines
	drawn bool
}

func (p *scrubProgress) show(s scrub.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	switch {
	case s.Ended && s.Note == "":
		fmt.Fprintf(p.w, "%s: %s, was %s, in %s\n",
			terminal.Printable(s.What), terminal.Bytes(s.After), terminal.Bytes(s.Before), terminal.Span(s.Took))
	case s.Ended:
		fmt.Fprintf(p.w, "%s: %s\n", terminal.Printable(s.What), terminal.Printable(s.Note))
	case p.draws && s.Total > 0:
		fmt.Fprintf(p.w, "%s: %d %%", terminal.Printable(s.What), 100*s.Done/s.Total)
		p.drawn = true
	case p.draws:
		fmt.Fprintf(p.w, "%s …", terminal.Printable(s.What))
		p.drawn = true
	}
}

func (p *scrubProgress) clear() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[2K")
		p.drawn = false
	}
}

func (p *scrubProgress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}
