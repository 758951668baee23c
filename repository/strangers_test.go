package repository_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/mapinit"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// I15. A role that may only create in schema public makes copies of all of
// PostgreSQL's functions and operators there, and the roles of oubli search public
// first. All operations of the store run, and none of the copies.
func TestNoStatementRunsCodeOfAStranger(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	under := db.Stranger(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	owner := bookingdb.StrangersFirst(t, db.Pool.Config().ConnString())
	p, gaps, _, err := schema.Check(t.Context(), owner, bookingdb.Map(t))
	must(err)
	if len(gaps) > 0 {
		t.Fatal(gaps)
	}
	_, _, err = schema.Survey(t.Context(), owner, mapinit.Options{ClientTable: erasuremap.Name{Relation: "clients"}})
	must(err)
	_, _, err = repository.Migrate(t.Context(), owner)
	must(err)
	_, err = bookingdb.Connect(t, owner).Pool.Exec(t.Context(), p.GrantScript("oubli_test_api", "oubli_test_worker"))
	must(err)

	useAPI(t, open(t, &bookingdb.DB{Pool: db.Pool, URL: under.APIURL}), db)
	useWorker(t, open(t, under, func(o *repository.Options) { o.MixClients = 1 }), under)
	later := time.Now().AddDate(30, 0, 0)
	s := open(t, under, func(o *repository.Options) { o.Today = func() time.Time { return later } })
	_, err = s.SweepRetained(t.Context())
	must(err)

	if db.Int(t, "SELECT count(*) FROM public.caught WHERE is_called") > 0 {
		t.Error("a stranger's code has run")
	}
	// The control: a connection of anybody else finds the copies.
	plain := bookingdb.Connect(t, under.URL).Pool
	for _, sql := range []string{"SELECT lower('A')", "SELECT 1::bigint = 2::bigint", "SELECT 'a'::varchar = 'b'::varchar"} {
		if _, err := plain.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "a stranger's code runs") {
			t.Errorf("%s: the stranger's copy is not found: %v", sql, err)
		}
	}
}

// useAPI does what the API does.
func useAPI(t *testing.T, s *repository.Store, db *bookingdb.DB) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	must(s.Ping(ctx))
	must(s.Cover(ctx))
	must(s.Covered(ctx))
	keys := db.Clients(t, 1, 12)
	sel, err := s.Select(ctx, jobs.SelectionRequest{TenantID: "1", Period: "P1Y", CreatedBy: "test"})
	must(err)
	_, err = s.Selection(ctx, "1", sel.ID)
	must(err)
	list, err := s.Candidates(ctx, jobs.CandidateFilter{TenantID: "1", SelectionID: sel.ID, Page: jobs.Page{Limit: 5}})
	must(err)
	if len(list.Items) > 0 {
		_, err = s.Tick(ctx, "1", sel.ID, jobs.Ticks{Exclude: []string{list.Items[0].ClientID}})
		must(err)
		sel, err = s.Selection(ctx, "1", sel.ID)
		must(err)
	}
	_, _, err = s.AcceptErasure(ctx, jobs.ErasureRequest{TenantID: "1", SelectionID: sel.ID, ExpectedCount: sel.Total,
		Reason: jobs.Inactivity, CreatedBy: "test"}, jobs.IdempotencyKey{Key: "selection", Caller: "test"})
	must(err)
	merge := mergeRequest("1", keys[0], keys[1:3], keepTarget)
	_, _, err = s.AcceptMerge(ctx, merge, jobs.IdempotencyKey{Key: uuid.NewString(), Caller: "test"})
	must(err)
	j := accept(t, s, "1", keys[3:10])
	_, err = s.Job(ctx, jobs.Erasure, "1", j.ID)
	must(err)
	_, err = s.Jobs(ctx, jobs.Filter{TenantID: "1", Kind: jobs.Erasure, Page: jobs.Page{Limit: 5}})
	must(err)
	_, err = s.Exceptions(ctx, jobs.ExceptionFilter{TenantID: "1", JobID: j.ID, Kind: jobs.Erasure, Page: jobs.Page{Limit: 5}})
	must(err)
	over := accept(t, s, "1", keys[10:11])
	_, err = s.Cancel(ctx, jobs.Erasure, "1", over.ID)
	must(err)
	_, err = s.Retention(ctx, "1")
	must(err)
	_, err = s.RetentionStats(ctx)
	must(err)
	_, err = s.Stats(ctx)
	must(err)
	must(s.Tidy(ctx))
	must(s.Block(ctx, j.ID, "a test", 0))
	_, err = s.Unblock(ctx)
	must(err)
	if s.PoolStat().TotalConns() == 0 {
		t.Error("no connection")
	}
}

// useWorker does what a worker does.
func useWorker(t *testing.T, s *repository.Store, db *bookingdb.DB) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	must(s.Covered(ctx))
	accept(t, s, "1", db.Clients(t, 1, 30)[20:], func(r *jobs.ErasureRequest) { r.DryRun, r.Notify = true, nil })
	due, err := s.Dispatch(ctx)
	must(err)
	must(s.Undispatch(ctx, due))
	_, err = s.Next(ctx, "1")
	must(err)
	_, err = s.NextWithoutRedis(ctx, "1")
	must(err)
	_, err = s.Overdue(ctx, 0)
	must(err)
	_, err = s.Recover(ctx)
	must(err)
	_, err = s.CheckLoad(ctx)
	must(err)
	gaveUp := false
	for range 40 {
		if due, err = s.Dispatch(ctx); err != nil || len(due) == 0 {
			break
		}
		for _, d := range due {
			c, err := s.Claim(ctx, d.TaskID)
			must(err)
			if c == nil {
				continue
			}
			if d.Kind == jobs.MailTask && !gaveUp {
				gaveUp = true
				must(s.GiveUp(ctx, c, "a test"))
				continue
			}
			if d.Kind == jobs.MailTask {
				must(s.Deliver(ctx, c, func(context.Context) error { return nil }))
				continue
			}
			useClaim(t, s, c)
		}
	}
	must(err)
	_, err = s.RunSecondLooks(ctx)
	must(err)
	must(s.MixRows(ctx))
	must(s.RefreshStatistics(ctx))
	must(s.RefreshViews(ctx))
	_, err = s.SweepRetained(ctx)
	must(err)
	for _, id := range db.Strings(t, "SELECT id::text FROM oubli.jobs WHERE state = 'completed_with_exceptions' AND kind = 'erasure'") {
		_, err = s.Retry(ctx, "1", id, jobs.Caller{Subject: "test"})
		must(err)
	}
	must(s.Tidy(ctx))
}

func useClaim(t *testing.T, s *repository.Store, c *jobs.Claim) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	must(s.Extend(ctx, c, time.Minute))
	if c.Kind == jobs.BatchTask && c.Left() > 3 {
		_, err := s.Pause(ctx, jobs.Erasure, "1", c.JobID)
		must(err)
		_, err = s.Resume(ctx, jobs.Erasure, "1", c.JobID)
		must(err)
		must(s.DeferClient(ctx, c))
		must(s.FailClient(ctx, c, "test", ""))
	}
	for c.Left() > 0 {
		_, err := s.EraseChunk(ctx, c, 4)
		must(err)
	}
	must(s.Finish(ctx, c))
	next, err := s.ClaimNext(ctx, c.TenantID, false)
	must(err)
	if next == nil {
		return
	}
	yielded, err := s.Yield(ctx, next)
	must(err)
	if !yielded {
		must(s.Hold(ctx, next, "a test"))
		must(s.Release(ctx, next, 0, false, "a test"))
	}
}

// A right that is granted while the store runs takes effect with the next look at the
// schema, which workers take before each batch.
func TestASchemaThatBecomesOpenIsLeftOutFromTheNextBatchOn(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	s := open(t, db)
	accept(t, s, "1", db.Clients(t, 1, 2))
	c := claimOnly(t, s)
	db.Stranger(t)
	if err := s.Covered(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.EraseChunk(t.Context(), c, 2); err != nil {
		t.Fatal(err)
	}
	if db.Int(t, "SELECT count(*) FROM public.caught WHERE is_called") > 0 {
		t.Error("a stranger's code has run")
	}
}
