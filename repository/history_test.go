package repository_test

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// statements keeps each statement on the control tables once, with the parameters
// of its first use.
type statements struct {
	mu  sync.Mutex
	all map[string][]any
}

func (s *statements) add(sql string, args []any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.all[sql]; !known && strings.Contains(sql, "oubli.") {
		s.all[sql] = args
	}
}

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	s.add(d.SQL, d.Args)
	return ctx
}

func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	for _, q := range d.Batch.QueuedQueries {
		s.add(q.SQL, q.Arguments)
	}
	return ctx
}

func (*statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (*statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {
}
func (*statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// plantHistory fills the control tables with jobs that have ended.
func plantHistory(t *testing.T, db *bookingdb.DB, n int) {
	t.Helper()
	db.Exec(t, `
		INSERT INTO oubli.jobs (id, kind, tenant_id, state, reason, created_by, requested, created_at, started_at, finished_at)
		SELECT (lpad(to_hex(n), 8, '0') || '-0000-7000-8000-000000000000')::uuid, 'erasure', (1 + n % 50)::text,
		  'completed', 'subject_request', 'test', 1,
		  now() - interval '1 day', now() - interval '1 day', now() - interval '1 day'
		FROM generate_series(1, $1::int) AS n`, n)
	db.Exec(t, `
		INSERT INTO oubli.tasks (id, job_id, tenant_id, kind, queue, number, state, keys, position, erased_retained)
		SELECT gen_random_uuid(), id, tenant_id, 'batch', 'interactive', 1, 'done', '{1}', 1, 1 FROM oubli.jobs`)
	db.Exec(t, `
		INSERT INTO oubli.tasks (id, job_id, tenant_id, kind, queue, number, state, letter)
		SELECT gen_random_uuid(), id, tenant_id, 'mail', 'mail', 1, 'done', '{}' FROM oubli.jobs`)
	db.Exec(t, "INSERT INTO oubli.exceptions (job_id, client_id, outcome, code) SELECT id, '1', 'erased_retained', 'retained' FROM oubli.jobs")
	db.Exec(t, "INSERT INTO oubli.residues (job_id, level) SELECT id, 1 FROM oubli.jobs")
	db.Exec(t, "VACUUM ANALYZE oubli.jobs, oubli.tasks, oubli.exceptions, oubli.residues")
}

// big are the control tables that grow with the history.
var big = []string{"jobs", "tasks", "exceptions", "residues"}

// scanned lists the big tables that a plan reads from end to end.
func scanned(plan any) (tables []string) {
	switch p := plan.(type) {
	case []any:
		for _, part := range p {
			tables = append(tables, scanned(part)...)
		}
	case map[string]any:
		if p["Node Type"] == "Seq Scan" && p["Schema"] == "oubli" && slices.Contains(big, p["Relation Name"].(string)) {
			tables = append(tables, p["Relation Name"].(string))
		}
		for _, part := range p {
			tables = append(tables, scanned(part)...)
		}
	}
	return tables
}

// countsResidues is part of the one statement that may read a table of the history:
// /metrics counts the levels that jobs have reached. A level is no end, for it rises
// when oubli scrub runs, so that no trigger can count it once.
const countsResidues = "FROM oubli.residues WHERE job_id IS NOT NULL GROUP BY 1, 2"

var canExplain = regexp.MustCompile(`(?is)^\s*(SELECT|WITH|INSERT|UPDATE|DELETE)`)

func TestNoStatementReadsTheHistory(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	seen := &statements{all: map[string][]any{}}
	s := open(t, db, func(o *repository.Options) { o.Tracer, o.Pause = seen, time.Millisecond })
	plantHistory(t, db, 20_000)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	first := accept(t, s, "1", db.Clients(t, 1, 3))
	work(t, s, 10)
	for _, d := range dispatch(t, s) {
		c := mustClaim(t, s, d.TaskID)
		must(s.Deliver(ctx, c, func(context.Context) error { return nil }))
	}
	_, err := s.Retry(ctx, "1", first.ID, jobs.Caller{Subject: "test"})
	if err != nil && !strings.Contains(err.Error(), "no client") {
		t.Error(err)
	}
	held, tasks := plant(t, db, "2", jobs.Bulk, 3)
	c := mustClaim(t, s, tasks[0])
	must(s.Extend(ctx, c, 0))
	must(s.Hold(ctx, c, "a test"))
	_, err = s.Yield(ctx, c)
	must(err)
	must(s.Release(ctx, c, 0, false, "a test"))
	for _, down := range []bool{false, true} {
		c, err := s.ClaimNext(ctx, "2", down)
		must(err)
		if c != nil {
			must(s.Release(ctx, c, time.Hour, false, "a test"))
		}
	}
	must(s.Undispatch(ctx, dispatch(t, s)))
	_, err = s.Pause(ctx, jobs.Erasure, "2", held)
	must(err)
	dispatch(t, s) // parks
	_, err = s.Resume(ctx, jobs.Erasure, "2", held)
	must(err)
	must(s.Block(ctx, held, "a test", 0))
	_, err = s.Unblock(ctx)
	must(err)
	_, err = s.Cancel(ctx, jobs.Erasure, "2", held)
	must(err)
	_, err = s.Overdue(ctx, 0)
	must(err)
	_, err = s.Recover(ctx)
	must(err)
	must(s.Tidy(ctx))
	must(s.RefreshViews(ctx))
	_, err = s.RunSecondLooks(ctx)
	must(err)
	_, err = s.Stats(ctx)
	must(err)
	_, err = s.RetentionStats(ctx)
	must(err)
	_, err = s.Retention(ctx, "1")
	must(err)
	for _, tenant := range []string{"1", jobs.AnyTenant} {
		for _, state := range []jobs.State{"", jobs.Running, jobs.Failed} {
			_, err = s.Jobs(ctx, jobs.Filter{Kind: jobs.Erasure, TenantID: tenant, State: state, Page: jobs.Page{Limit: 20}})
			must(err)
		}
	}
	_, err = s.Exceptions(ctx, jobs.ExceptionFilter{Kind: jobs.Erasure, TenantID: jobs.AnyTenant, JobID: first.ID, Page: jobs.Page{Limit: 20}})
	must(err)
	seen.add("DELETE FROM oubli.jobs WHERE id = $1", []any{first.ID})

	if len(seen.all) < 40 {
		t.Errorf("only %d statements were seen", len(seen.all))
	}
	tx, err := db.Pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	db.Exec(t, "ANALYZE oubli.jobs, oubli.tasks, oubli.exceptions, oubli.residues")
	for _, sql := range slices.Sorted(maps.Keys(seen.all)) {
		if !canExplain.MatchString(sql) || strings.Contains(sql, countsResidues) {
			continue
		}
		var text string
		if err := tx.QueryRow(ctx, "EXPLAIN (VERBOSE, FORMAT json) "+sql, seen.all[sql]...).Scan(&text); err != nil {
			t.Fatalf("%v: %s", err, sql)
		}
		var plan any
		if err := json.Unmarshal([]byte(text), &plan); err != nil {
			t.Fatal(err)
		}
		if tables := scanned(plan); len(tables) > 0 {
			t.Errorf("reads all of %v: %s", tables, sql)
		}
	}
	// A control: the harness sees a scan.
	var text string
	if err := tx.QueryRow(ctx, "EXPLAIN (VERBOSE, FORMAT json) SELECT count(*) FROM oubli.jobs WHERE comment = ''").Scan(&text); err != nil {
		t.Fatal(err)
	}
	var plan any
	if err := json.Unmarshal([]byte(text), &plan); err != nil || len(scanned(plan)) != 1 {
		t.Errorf("a scan of all jobs is not seen: %v", err)
	}
}

func TestWhatHasEndedIsCountedWhenItEndsAndStaysCounted(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	s := open(t, db)
	accept(t, s, "1", db.Clients(t, 1, 3))
	work(t, s, 10)
	check := func(when string) {
		t.Helper()
		st, err := s.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		erased := st.Clients[jobs.Erased] + st.Clients[jobs.ErasedRetained]
		ended := st.Jobs[jobs.Completed] + st.Jobs[jobs.CompletedWithExceptions]
		if erased != 3 || ended != 1 || st.Tasks[jobs.BatchTask][jobs.TaskDone] != 1 {
			t.Errorf("%s: %+v", when, st)
		}
	}
	check("ended")
	for range 2 {
		if err := s.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		check("added up")
	}
	if n := db.Int(t, "SELECT count(*) FROM oubli.ended"); n != 0 {
		t.Errorf("%d rows were not added up", n)
	}
	db.Exec(t, "DELETE FROM oubli.jobs")
	check("deleted")
}
