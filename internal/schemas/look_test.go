package schemas_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// look is every row of every table as text, the control schema's too.
type look map[string][]string

func (f *foreign) look(t *testing.T) look {
	t.Helper()
	names := query(t, f, `
		SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition
			AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
		ORDER BY 1`)
	all := look{}
	for _, name := range names {
		all[name] = query(t, f, "SELECT t::text FROM "+name+" AS t ORDER BY 1")
	}
	return all
}

func query(t *testing.T, f *foreign, sql string, args ...any) []string {
	t.Helper()
	rows, err := f.pool.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// marker is in every text about the client with this number.
func marker(n int) string { return fmt.Sprintf("Zq%05dx", n) }

func mentions(row string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(strings.ToLower(row), strings.ToLower(w)) })
}

// request is whom a test erases.
type request struct {
	tenant  string
	keys    []string // of the clients
	markers []string
	// spoken are words that only rows about the clients contain; a row with one
	// of them may change. Keys are among them, unless another tenant has the
	// same keys.
	spoken []string
}

// erase runs the erasure and compares the database before and after.
func (f *foreign) erase(t *testing.T, m *erasuremap.Map, r request) {
	t.Helper()
	for _, finding := range f.findings(t, m, r) {
		t.Error(finding)
	}
}

// findings runs the erasure and lists everything that is wrong afterwards.
func (f *foreign) findings(t *testing.T, m *erasuremap.Map, r request) (all []string) {
	t.Helper()
	before := f.look(t)
	for _, w := range r.markers {
		if !slices.ContainsFunc(before["public."+ident(m.Client.Table.Relation)], func(row string) bool { return mentions(row, []string{w}) }) {
			t.Fatalf("marker %s was not planted", w)
		}
	}
	job := f.run(t, m, r)
	if job.State != jobs.Completed || job.Counts.Erased+job.Counts.ErasedRetained != len(r.keys) {
		t.Fatalf("job: %+v", job)
	}
	after := f.look(t)
	for table, rows := range after {
		for _, row := range rows {
			if mentions(row, r.markers) {
				all = append(all, fmt.Sprintf("a trace in %s: %s", table, row))
			}
			if !strings.HasPrefix(table, "oubli.") && mentions(row, r.spoken) {
				all = append(all, fmt.Sprintf("a key in %s: %s", table, row))
			}
		}
	}
	all = append(all, untouched(before, after, append(slices.Clone(r.markers), r.spoken...))...)
	return append(all, counted(m, before, after, len(r.keys))...)
}

func ident(name string) string {
	if strings.ToLower(name) == name {
		return name
	}
	return pgx.Identifier{name}.Sanitize()
}

// untouched compares the rows of all other clients before and after.
func untouched(before, after look, words []string) (all []string) {
	for table, rows := range before {
		if strings.HasPrefix(table, "oubli.") {
			continue
		}
		left := map[string]int{}
		for _, row := range after[table] {
			left[row]++
		}
		for _, row := range rows {
			if mentions(row, words) {
				continue
			}
			if left[row]--; left[row] < 0 {
				all = append(all, fmt.Sprintf("somebody else's row of %s changed: %s", table, row))
			}
		}
	}
	return all
}

// counted compares the row counts of the kept tables before and after.
func counted(m *erasuremap.Map, before, after look, erased int) (all []string) {
	deleted := map[string]bool{}
	for _, e := range m.Tables {
		if e.Erase == erasuremap.Delete {
			deleted[e.Table.Relation] = true
		}
	}
	client := "public." + ident(m.Client.Table.Relation)
	for table := range before {
		name := strings.Trim(strings.TrimPrefix(table, "public."), `"`)
		copied := slices.ContainsFunc(m.Refresh, func(v erasuremap.Refresh) bool { return v.View.Relation == name })
		if strings.HasPrefix(table, "oubli.") || deleted[name] || table == client || copied {
			continue
		}
		if len(before[table]) != len(after[table]) {
			all = append(all, fmt.Sprintf("%s had %d rows and has %d", table, len(before[table]), len(after[table])))
		}
	}
	if want := len(before[client]) - erased + len(after["oubli.anonymous_profiles"]); len(after[client]) != want {
		all = append(all, fmt.Sprintf("%s has %d rows, want %d", client, len(after[client]), want))
	}
	for table := range deleted {
		if name := "public." + ident(table); len(before[name]) == len(after[name]) {
			all = append(all, "nothing was deleted from "+name)
		}
	}
	return all
}

func (f *foreign) store(t *testing.T, m *erasuremap.Map) *repository.Store {
	t.Helper()
	s, err := repository.Open(t.Context(), repository.Options{URL: bookingdb.Grant(t, f.pool, m).URL, Map: m})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// claim accepts a job and takes its one batch.
func (f *foreign) claim(t *testing.T, s *repository.Store, r request) *jobs.Claim {
	t.Helper()
	req := jobs.ErasureRequest{
		TenantID:  r.tenant,
		ClientIDs: r.keys,
		Reason:    jobs.SubjectRequest,
		Notify:    []string{"admin@studio.example"},
		CreatedBy: "test",
	}
	if _, _, err := s.AcceptErasure(t.Context(), req, jobs.IdempotencyKey{Key: t.Name(), Caller: "test"}); err != nil {
		t.Fatal(err)
	}
	due, err := s.Dispatch(t.Context())
	if err != nil || len(due) != 1 {
		t.Fatalf("dispatch: %d tasks, %v", len(due), err)
	}
	c, err := s.Claim(t.Context(), due[0].TaskID)
	if err != nil || c == nil {
		t.Fatalf("claim: %v, %v", c, err)
	}
	return c
}

// run does what a worker does, without asynq: claim, chunks, finish.
func (f *foreign) run(t *testing.T, m *erasuremap.Map, r request) jobs.Job {
	t.Helper()
	s := f.store(t, m)
	c := f.claim(t, s, r)
	for c.Left() > 0 {
		if _, err := s.EraseChunk(t.Context(), c, 7); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Finish(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := s.RefreshViews(t.Context()); err != nil {
		t.Fatal(err)
	}
	job, err := s.Job(t.Context(), jobs.Erasure, jobs.AnyTenant, c.JobID)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// compiles fails the test unless the map covers the schema.
func (f *foreign) compiles(t *testing.T, m *erasuremap.Map) {
	t.Helper()
	if _, err := plan.Compile(m, f.cat); err != nil {
		t.Fatalf("the answered map does not cover the schema:\n%v", err)
	}
	for _, w := range plan.Warnings(m, f.cat) {
		t.Logf("warning: %s", w)
	}
}
