package generated_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/generated"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/internal/testdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// result is the result of one case.
type result struct {
	*generated.Case
	refused  string // by check, or by a worker before anything began: the reason
	outcome  generated.Outcome
	findings []generated.Finding
}

func (r *result) describe() string {
	switch {
	case r.refused != "":
		return "refused: " + r.refused
	case r.outcome.Blocked != "":
		return fmt.Sprintf("blocked after %d: %s", len(r.outcome.Erased), r.outcome.Blocked)
	}
	return fmt.Sprintf("erased %d of %d, failed or skipped %v", len(r.outcome.Erased), len(r.Asked), r.outcome.Failed)
}

// databases are used by one case after another: to empty one is much faster than to
// create one.
type databases chan *pgxpool.Pool

// open creates as many databases as cases may run at once. They are dropped at the
// end of t, not of the case.
func open(t *testing.T) databases {
	t.Helper()
	all := make(databases, runtime.GOMAXPROCS(0))
	for range cap(all) {
		pool := testdb.New(t)
		if _, _, err := repository.Migrate(t.Context(), testdb.URL(t, pool)); err != nil {
			t.Fatal(err)
		}
		// What migrations have written must stay for the next case.
		if _, err := pool.Exec(t.Context(), `CREATE TABLE oubli.written_by_migrate AS
			SELECT oid::regclass::text AS name FROM pg_class WHERE relnamespace = 'oubli'::regnamespace AND relkind = 'r'
			AND (xpath('/row/n/text()',
				query_to_xml('SELECT count(*) AS n FROM ' || oid::regclass, false, true, '')))[1]::text <> '0'`); err != nil {
			t.Fatal(err)
		}
		all <- pool
	}
	return all
}

// emptySQL removes everything but the control schema as migrations have made it.
const emptySQL = `
DROP SCHEMA public CASCADE;
CREATE SCHEMA public;
GRANT USAGE ON SCHEMA public TO PUBLIC;
DO $$ BEGIN EXECUTE (SELECT 'TRUNCATE ' || string_agg(oid::regclass::text, ', ') FROM pg_class
	WHERE relnamespace = 'oubli'::regnamespace AND relkind = 'r' AND oid::regclass::text <> 'oubli.written_by_migrate'
	AND oid::regclass::text NOT IN (SELECT name FROM oubli.written_by_migrate)); END $$`

// run builds the case's database, erases, and judges. An error means that there is
// nothing to judge: PostgreSQL refuses the case's SQL, the loader refuses its map, or
// the store fails where no case may make it fail.
func (d databases) run(t *testing.T, s *generated.Spec) (*result, error) {
	t.Helper()
	return d.runAnd(t, s, "")
}

// runAnd is run with SQL that the tables' owner executes after the job.
func (d databases) runAnd(t *testing.T, s *generated.Spec, then string) (*result, error) {
	t.Helper()
	r := &result{Case: s.Build()}
	pool := <-d
	defer func() { d <- pool }()
	if _, err := pool.Exec(t.Context(), emptySQL); err != nil {
		return r, fmt.Errorf("empty the database: %w", err)
	}
	if _, err := pool.Exec(t.Context(), r.SQL); err != nil {
		return r, fmt.Errorf("SQL: %w", err)
	}
	m, err := erasuremap.Parse("generated.yaml", []byte(r.Map))
	if err != nil {
		return r, fmt.Errorf("map: %w", err)
	}
	p, gaps, _, err := schema.Check(t.Context(), testdb.URL(t, pool), m)
	switch {
	case err != nil:
		return r, fmt.Errorf("check: %w", err)
	case len(gaps) > 0:
		r.refused = gaps.Error()
		return r, nil
	}
	db := bookingdb.GrantPlan(t, pool, p)
	before, err := snapshot(t.Context(), pool)
	if err != nil {
		return r, err
	}
	store, err := repository.Open(t.Context(), repository.Options{URL: db.URL, Map: m, Pause: time.Millisecond})
	if err != nil {
		return r, fmt.Errorf("open: %w", err)
	}
	defer store.Close()
	if err := store.Cover(t.Context()); err != nil {
		r.refused = "as the workers: " + err.Error()
		return r, nil
	}
	var announced generated.Outcome
	afterDryRun := before
	if r.Spec.DryRun {
		if announced, err = r.job(t.Context(), store, true); err != nil {
			return r, fmt.Errorf("dry run: %w", err)
		}
		if afterDryRun, err = snapshot(t.Context(), pool); err != nil {
			return r, err
		}
	}
	if r.outcome, err = r.job(t.Context(), store, false); err != nil {
		return r, err
	}
	if p.KeepsValues {
		forget(t, pool, store)
	}
	if _, err := pool.Exec(t.Context(), then); err != nil {
		return r, fmt.Errorf("afterwards: %w", err)
	}
	after, err := snapshot(t.Context(), pool)
	if err != nil {
		return r, err
	}
	r.findings = r.Judge(before, after, r.outcome)
	if r.Spec.DryRun {
		r.findings = append(r.findings, r.JudgeDryRun(before, afterDryRun, announced, r.outcome)...)
	}
	return r, nil
}

// forget looks for late rows until what the clients had is not needed any more.
func forget(t *testing.T, pool *pgxpool.Pool, s *repository.Store) {
	t.Helper()
	bookingdb.Wait(t, "the looks after the job", func() bool {
		if _, err := s.RunSecondLooks(t.Context()); err != nil {
			t.Fatalf("second look: %v", err)
		}
		var n int
		if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM oubli.former_values").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n == 0
	})
}

// job does what a worker does, without asynq: claim, chunks, finish.
func (r *result) job(ctx context.Context, s *repository.Store, dry bool) (generated.Outcome, error) {
	j := &job{result: r, s: s, o: generated.Outcome{Failed: map[string]string{}}}
	if err := j.accept(ctx, dry); err != nil {
		return j.o, fmt.Errorf("accept: %w", err)
	}
	due, err := s.Dispatch(ctx)
	if err != nil || len(due) != 1 {
		return j.o, fmt.Errorf("dispatch: %d tasks, %w", len(due), err)
	}
	j.c, err = s.Claim(ctx, due[0].TaskID)
	if err != nil || j.c == nil {
		return j.o, fmt.Errorf("claim: %v, %w", j.c, err)
	}
	if err := j.chunks(ctx); err != nil {
		return j.o, err
	}
	if j.o.Blocked != "" { // the next job must find no other job of the tenant
		if _, err := s.Cancel(ctx, j.kind, jobs.AnyTenant, j.id); err != nil {
			return j.o, fmt.Errorf("cancel: %w", err)
		}
	} else if err := s.Finish(ctx, j.c); err != nil {
		return j.o, fmt.Errorf("finish: %w", err)
	}
	if err := s.RefreshViews(ctx); err != nil {
		return j.o, fmt.Errorf("refresh: %w", err)
	}
	return j.o, j.read(ctx)
}

// job is a job of a case while it runs.
type job struct {
	*result
	s    *repository.Store
	c    *jobs.Claim
	kind jobs.Kind
	id   string
	o    generated.Outcome
}

func (j *job) accept(ctx context.Context, dry bool) error {
	key := jobs.IdempotencyKey{Key: fmt.Sprintf("dry run %t", dry), Caller: "test"}
	var accepted jobs.Job
	var err error
	if j.kind = jobs.Erasure; j.Spec.Merge {
		j.kind = jobs.Merge
		accepted, _, err = j.s.AcceptMerge(ctx, jobs.MergeRequest{
			TenantID: j.Tenant(), SourceIDs: j.Keys(), DeleteSource: true, Conflicts: jobs.FailOnConflict, DryRun: dry, CreatedBy: "test",
		}, key)
	} else {
		accepted, _, err = j.s.AcceptErasure(ctx, jobs.ErasureRequest{
			TenantID: j.Tenant(), ClientIDs: j.Keys(), Reason: jobs.SubjectRequest, DryRun: dry, CreatedBy: "test",
		}, key)
	}
	j.id = accepted.ID
	return err
}

// tries is how often one chunk may be started again.
const tries = 50

// chunks erases as a worker does: a chunk that is refused is halved until it has one
// client, who is tried three times and then failed.
func (j *job) chunks(ctx context.Context) error {
	c := j.c
	n, stubborn, left := j.Spec.Chunk, 0, tries
	for c.Left() > 0 {
		position, size := c.Position, min(n, c.Left())
		_, err := j.s.EraseChunk(ctx, c, size)
		if c.Position > position {
			n, stubborn, left = j.Spec.Chunk, 0, tries
		}
		if left--; left == 0 {
			return fmt.Errorf("too many tries: %w", err)
		}
		e, _ := errors.AsType[*jobs.Error](err)
		switch {
		case err == nil:
		case e != nil && (e.Code == jobs.CodeSchema || e.Code == jobs.CodeOperator):
			j.o.Blocked = err.Error()
			return nil
		case e != nil && e.Code == jobs.CodeContention, jobs.KindOf(err) == jobs.Unavailable:
			time.Sleep(20 * time.Millisecond) // another test's clone or analyze; bounded by tries
		case size > 1:
			n = size / 2
		case stubborn < 2:
			stubborn++
		default:
			code := "internal"
			if e != nil && e.Code != "" {
				code = e.Code
			}
			if err := j.s.FailClient(ctx, c, code, ""); err != nil {
				return fmt.Errorf("fail client: %w", err)
			}
			n, stubborn, left = j.Spec.Chunk, 0, tries
		}
	}
	return nil
}

// read reads what became of the clients: those before the task's position who are in
// no exception were erased.
func (j *job) read(ctx context.Context) error {
	list, err := j.s.Exceptions(ctx, jobs.ExceptionFilter{Kind: j.kind, TenantID: jobs.AnyTenant, JobID: j.id, Page: jobs.Page{Limit: 1000}})
	if err != nil {
		return fmt.Errorf("exceptions: %w", err)
	}
	for _, e := range list.Items {
		if e.Outcome != jobs.ErasedRetained {
			j.o.Failed[e.ClientID] = e.Code
		}
	}
	for _, key := range j.c.Keys[:j.c.Position] {
		if _, failed := j.o.Failed[key]; !failed {
			j.o.Erased = append(j.o.Erased, key)
		}
	}
	job, err := j.s.Job(ctx, j.kind, jobs.AnyTenant, j.id)
	if err != nil {
		return fmt.Errorf("job: %w", err)
	}
	if n := job.Counts.Erased + job.Counts.ErasedRetained; n != len(j.o.Erased) || job.Counts.Total() != len(j.Asked) {
		return fmt.Errorf("the job counts %+v, its lists say %d erased of %d", job.Counts, len(j.o.Erased), len(j.Asked))
	}
	if !job.State.Final() {
		return fmt.Errorf("the job is %s after its last batch", job.State)
	}
	return nil
}

// snapshot reads everything.
func snapshot(ctx context.Context, pool *pgxpool.Pool) (generated.Snapshot, error) {
	var sql string
	err := pool.QueryRow(ctx, `
		SELECT string_agg(format('SELECT %L, to_jsonb(t)::text FROM %s%I.%I AS t',
			CASE nspname WHEN 'public' THEN relname ELSE nspname || '.' || relname END,
			CASE relkind WHEN 'r' THEN 'ONLY ' ELSE '' END, nspname, relname), ' UNION ALL ')
		FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
		WHERE relkind IN ('r', 'p', 'm') AND NOT relispartition AND nspname IN ('public', 'oubli')`).Scan(&sql)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	all := generated.Snapshot{}
	var table, text string
	_, err = pgx.ForEachRow(rows, []any{&table, &text}, func() error {
		var values map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &values); err != nil {
			return err
		}
		row := generated.Row{}
		for column, raw := range values {
			var s string
			switch {
			case string(raw) == "null":
				continue
			case json.Unmarshal(raw, &s) != nil:
				s = string(raw)
			}
			row[column] = s
		}
		all[table] = append(all[table], row)
		return nil
	})
	return all, err
}

// reduce removes elements from a spec as long as it still has a finding of the same
// kind and place.
func (d databases) reduce(t *testing.T, r *result, want generated.Finding) *result {
	t.Helper()
	left := 120
	for again := true; again && left > 0; {
		again = false
		for _, s := range r.Spec.Smaller() {
			if left--; left < 0 {
				break
			}
			smaller, err := d.run(t, s)
			if err == nil && slices.ContainsFunc(smaller.findings, want.Same) {
				r, again = smaller, true
				break
			}
		}
	}
	return r
}

func lines(findings []generated.Finding) string {
	all := make([]string, len(findings))
	for i, f := range findings {
		all[i] = f.String()
	}
	return strings.Join(all, "\n")
}
