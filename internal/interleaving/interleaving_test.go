package interleaving_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/generated"
	"github.com/oubli/oubli/internal/interleaving"
	"github.com/oubli/oubli/jobs"
)

var (
	runs = flag.Int("interleavings", 0, "how many of each scenario to run; 0: 8, or 4 with -short")
	seed = flag.Uint64("seed", 1, "decides which")
)

// tried is a rig with what the program does when nobody interferes.
type tried struct {
	*rig
	statements []string
	stops      []interleaving.Stop
	known      map[string]interleaving.Content // of serial orders, by schedule
}

func (r *rig) try(t *testing.T, asked, others []string) *tried {
	t.Helper()
	d := &tried{rig: r, known: map[string]interleaving.Content{}}
	var err error
	if d.statements, err = r.Statements(t.Context(), r.m, asked, others); err != nil {
		t.Fatal(err)
	}
	for range 3 { // the first connect, and prepare statements
		res, err := r.Run(t.Context(), r.proxy, nil, r.op)
		if err != nil {
			t.Fatal(err)
		}
		d.stops = res.Stops
	}
	return d
}

// boundaries are the stops outside of the program's transactions, and the end. What
// the application does there comes before or after each of them.
func (d *tried) boundaries() []int {
	all := []int{len(d.stops)}
	for i, s := range d.stops {
		if s.Idle {
			all = append(all, i)
		}
	}
	return all
}

// serial lists the serial orders of the transactions of a schedule and the
// program's.
func (d *tried) serial(s interleaving.Schedule) []interleaving.Schedule {
	all := []interleaving.Schedule{{}}
	for _, tx := range s {
		var more []interleaving.Schedule
		for _, before := range all {
			for _, at := range d.boundaries() {
				for place := range len(before) + 1 {
					x := interleaving.Transaction{SQL: tx.SQL, At: at, Commit: at}
					inOrder := place == len(before) || before[place].At == at && (place == 0 || before[place-1].At <= at)
					if inOrder {
						more = append(more, slices.Insert(slices.Clone(before), place, x))
					}
				}
			}
		}
		all = more
	}
	return all
}

// content is what a serial order leads to.
func (d *tried) content(ctx context.Context, s interleaving.Schedule) (interleaving.Content, error) {
	name := s.String()
	if c, known := d.known[name]; known {
		return c, nil
	}
	res, err := d.Run(ctx, d.proxy, s, d.op)
	if err != nil {
		return nil, err
	}
	if len(s) < 2 {
		d.known[name] = res.Content
	}
	return res.Content, nil
}

// finding is an interleaving that equals no serial order.
type finding struct {
	schedule interleaving.Schedule
	result   *interleaving.Result
	nearest  []string // the differences from the serial order that is the most like it
}

func (f *finding) describe() string {
	var b strings.Builder
	for i, tx := range f.schedule {
		fmt.Fprintf(&b, "%s\n", tx.SQL)
		at := func(what string, n int) {
			if n < len(f.result.Stops) {
				fmt.Fprintf(&b, "  %s at %d: %s\n", what, n, f.result.Stops[n])
			}
		}
		if tx.Level != "" {
			at("begins, "+tx.Level+",", tx.Begins)
		}
		at("executes", tx.At)
		at("is to commit", tx.Commit)
		if err := f.result.Told[i]; err != nil {
			fmt.Fprintf(&b, "  was told: %v\n", err)
		}
	}
	return b.String() + "no serial order leads to this; compared with the nearest one:\n" + strings.Join(f.nearest, "\n")
}

// check runs a schedule. Its result must be that of some serial order.
func (d *tried) check(ctx context.Context, s interleaving.Schedule) (*finding, error) {
	res, err := d.Run(ctx, d.proxy, s, d.op)
	if err != nil {
		return nil, err
	}
	f := &finding{schedule: s, result: res}
	took := slices.Clone(s)
	for i := len(s) - 1; i >= 0; i-- {
		if interleaving.Refused(res.Told[i]) {
			took = slices.Delete(took, i, i+1)
		}
	}
	for _, o := range d.serial(took) {
		c, err := d.content(ctx, o)
		if err != nil {
			return nil, err
		}
		diff := res.Content.Differences(c)
		if len(diff) == 0 {
			return nil, nil
		}
		if f.nearest == nil || len(diff) < len(f.nearest) {
			f.nearest = diff
		}
	}
	return f, nil
}

// draw makes a schedule of one transaction, or of two.
func (d *tried) draw(r *rand.Rand, n int) interleaving.Schedule {
	var s interleaving.Schedule
	for range n {
		tx := interleaving.Transaction{SQL: d.statements[r.IntN(len(d.statements))], At: r.IntN(len(d.stops))}
		tx.Commit = tx.At
		if r.IntN(2) == 0 {
			tx.Commit += r.IntN(len(d.stops) - tx.At + 1)
		}
		if r.IntN(5) == 0 {
			tx.Level, tx.Begins = []string{"repeatable read", "serializable"}[r.IntN(2)], r.IntN(tx.At+1)
		}
		s = append(s, tx)
	}
	return s
}

func count() int {
	switch {
	case *runs > 0:
		return *runs
	case testing.Short():
		return 4
	}
	return 8
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// work is what the program does in a run.
type work = func(context.Context, *interleaving.Run) error

// scenario is a job on the rows of testdata/studio.sql.
type scenario struct {
	name    string
	sql     string            // after the schema
	replace [2]string         // a text of the schema, and another one
	change  map[string]string // texts of the map
	begin   func(t *testing.T, r *rig) work
}

var scenarios = []scenario{
	{name: "two clients in one chunk", begin: func(t *testing.T, r *rig) work {
		r.erased(t, "7", "8", "9")
		return r.erasing(r.erases(t, "1", "2"), 5)
	}},
	{name: "one client a chunk, and no profiles yet", begin: func(t *testing.T, r *rig) work {
		return r.erasing(r.erases(t, "1", "2"), 1)
	}},
	{name: "for inactivity", begin: func(t *testing.T, r *rig) work {
		r.erased(t, "7", "8", "9")
		c := r.erases(t, "1", "2")
		cutoff := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
		c.Terms.Cutoff = &cutoff
		return r.erasing(c, 5)
	}},
	{name: "a dry run", begin: func(t *testing.T, r *rig) work {
		r.erased(t, "7", "8", "9")
		return r.erasing(r.accepts(t, jobs.ErasureRequest{ClientIDs: []string{"1", "2"}, DryRun: true}), 5)
	}},
	{name: "triggers set a timestamp", sql: "touch.sql",
		change: map[string]string{"ignore:": "triggers:\n  - {name: touch, because: \"sets a timestamp\"}\nignore:"},
		begin: func(t *testing.T, r *rig) work {
			r.erased(t, "7", "8", "9")
			return r.erasing(r.erases(t, "1", "2"), 5)
		}},
	{name: "triggers write a history", sql: "history.sql",
		change: map[string]string{
			"ignore:": "triggers:\n  - {name: history, because: \"its rows are in the map\"}\nignore:",
			"tables:": "tables:\n  - {table: history, reference: client_id, erase: delete}",
		},
		begin: func(t *testing.T, r *rig) work {
			r.erased(t, "7", "8", "9")
			return r.erasing(r.erases(t, "1", "2"), 5)
		}},
	{name: "a merge into a client", begin: func(t *testing.T, r *rig) work {
		return r.erasing(r.merges(t, jobs.MergeRequest{SourceIDs: []string{"1", "2"}, Target: "3",
			DeleteSource: true, FillBlanks: true, Conflicts: jobs.KeepTarget}), 1)
	}},
	{name: "a merge into a client that keeps its source", begin: func(t *testing.T, r *rig) work {
		return r.erasing(r.merges(t, jobs.MergeRequest{SourceIDs: []string{"1"}, Target: "3",
			FillBlanks: true, Conflicts: jobs.FailOnConflict}), 1)
	}},
	{name: "a merge into the anonymous profile", begin: func(t *testing.T, r *rig) work {
		r.erased(t, "7", "8", "9")
		return r.erasing(r.merges(t, jobs.MergeRequest{SourceIDs: []string{"1", "2"},
			DeleteSource: true, Conflicts: jobs.FailOnConflict}), 1)
	}},
	{name: "clients who stay as stubs",
		change: map[string]string{
			"erase: delete, ": "erase: anonymize, columns: {name: {label: unknown_client}, address_id: null, referred_by: null}, ",
			"  - {table: addresses, owned_by: address_id, erase: delete}\n": "",
			"ignore:": "ignore:\n  - {table: addresses, because: \"of houses\"}",
		},
		begin: func(t *testing.T, r *rig) work {
			r.erased(t, "7", "8", "9")
			return r.erasing(r.erases(t, "1", "2"), 5)
		}},
	{name: "a sweep", begin: func(t *testing.T, r *rig) work {
		r.erased(t, "7", "8", "9", "2")
		r.later.Store(true)
		return func(ctx context.Context, run *interleaving.Run) error {
			for range 5 {
				if _, err := r.store.SweepRetained(ctx); err != nil {
					return err
				}
				run.Settle()
				again := "UPDATE oubli.retention_sweeps SET run_at = now() WHERE finished_at IS NULL"
				if _, err := r.owner.Pool.Exec(ctx, again); err != nil {
					return err
				}
			}
			return nil
		}
	}},
}

func (s scenario) open(t *testing.T, change ...func(*interleaving.Proxy)) *tried {
	t.Helper()
	sql, yaml := read(t, "studio.sql"), read(t, "studio.yaml")
	if s.replace[0] != "" && !strings.Contains(sql, s.replace[0]) {
		t.Fatalf("the schema has no %q", s.replace[0])
	}
	sql = strings.Replace(sql, s.replace[0], s.replace[1], 1)
	if s.sql != "" {
		sql += read(t, s.sql)
	}
	for old, change := range s.change {
		if !strings.Contains(yaml, old) {
			t.Fatalf("the map has no %q", old)
		}
		yaml = strings.Replace(yaml, old, change, 1)
	}
	r := newRig(t, sql, yaml, change...)
	r.keep(t, s.begin(t, r))
	return r.try(t, []string{"1", "2"}, []string{"3", "4"})
}

func TestEveryInterleavingEqualsASerialOrder(t *testing.T) {
	t.Parallel()
	for i, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			d := s.open(t)
			d.some(t, rand.New(rand.NewPCG(*seed, uint64(i))), count())
		})
	}
}

// TestInGeneratedDatabasesEveryInterleavingEqualsASerialOrder does the same in
// databases that no author has designed.
func TestInGeneratedDatabasesEveryInterleavingEqualsASerialOrder(t *testing.T) {
	t.Parallel()
	const each = 5
	for n := range uint64(max(2, count()/each)) {
		t.Run(fmt.Sprintf("from seed %d", *seed+n*refusals), func(t *testing.T) {
			t.Parallel()
			spec, c, r := covered(t, *seed+n*refusals)
			r.tenant = c.Tenant()
			r.keep(t, r.erasing(r.erases(t, c.Keys()...), spec.Chunk))
			var others []string
			for _, cl := range c.Clients {
				if !slices.Contains(c.Keys(), cl.Key) {
					others = append(others, cl.Key)
				}
			}
			d := r.try(t, c.Keys()[:min(2, len(c.Keys()))], others[max(0, len(others)-2):])
			t.Log(spec.Describe())
			d.some(t, rand.New(rand.NewPCG(*seed+n, 0)), each)
		})
	}
}

// refusals is how many generated databases in a row may be refused, by PostgreSQL or
// by check, before the test fails: many are made to be refused.
const refusals uint64 = 20

// covered is the first generated database from this seed on that is not refused.
func covered(t *testing.T, from uint64) (*generated.Spec, *generated.Case, *rig) {
	t.Helper()
	var err error
	for s := from; s < from+refusals; s++ {
		spec := generated.Draw(s, nil)
		spec.Merge, spec.DryRun, spec.Views = false, false, nil
		c := spec.Build()
		var r *rig
		if r, err = tryRig(t, c.SQL, c.Map); err == nil {
			return spec, c, r
		}
		t.Logf("seed %d: %v", s, err)
	}
	t.Fatalf("%d databases in a row are refused, the last: %v", refusals, err)
	return nil, nil, nil
}

// some runs some interleavings, one in eight with two transactions.
func (d *tried) some(t *testing.T, r *rand.Rand, n int) {
	t.Helper()
	t.Logf("%d statements, %d stops", len(d.statements), len(d.stops))
	for i := range n {
		f, err := d.check(t.Context(), d.draw(r, 1+i%8/7))
		if err != nil {
			t.Fatal(err)
		}
		if f != nil {
			t.Error(f.describe())
		}
	}
}
