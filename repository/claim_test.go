package repository_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

func TestAHintThatNamesNothingClaimsNothing(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	for _, id := range []string{"", "7", "not a uuid", "'; DROP TABLE clients; --", "\x00", "00000000-0000-0000-0000-000000000000"} {
		if c, err := s.Claim(t.Context(), id); c != nil || err != nil {
			t.Errorf("hint %q: %v, %v, want nothing and no error", id, c, err)
		}
	}
}

func TestATaskIsClaimedOnceHoweverManyHintsCome(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	_, tasks := plant(t, db, "1", jobs.Interactive, 1)
	claims := together(t, 20, func(int) (*jobs.Claim, error) { return s.Claim(t.Context(), tasks[0]) })
	if len(claims) != 1 || claims[0].Attempt != 1 {
		t.Errorf("%d workers hold the task", len(claims))
	}
	mustErase(t, s, claims[0], 1)
	if err := s.Finish(t.Context(), claims[0]); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Claim(t.Context(), tasks[0]); c != nil || err != nil {
		t.Errorf("a late hint: %v, %v", c, err)
	}
}

func TestBatchesOfOneTenantNeverShareALane(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	const lanes, tasks = 4, 12
	s := open(t, db, func(o *repository.Options) { o.Lanes, o.MaxConns = lanes, tasks })
	_, ids := plant(t, db, "1", jobs.Bulk, tasks)
	db.Exec(t, "UPDATE oubli.tasks SET dispatched_at = now(), dispatch_no = 1")
	for round := range 10 {
		claims := together(t, tasks, func(i int) (*jobs.Claim, error) { return s.Claim(t.Context(), ids[i]) })
		var taken []int
		for _, c := range claims {
			taken = append(taken, c.Lane)
		}
		slices.Sort(taken)
		if !slices.Equal(taken, []int{1, 2, 3, 4}) {
			t.Fatalf("round %d: lanes %v are taken", round, taken)
		}
		if n := db.Int(t, "SELECT count(*) FROM oubli.tasks WHERE state = 'pending' AND dispatched_at IS NULL"); n != tasks-lanes {
			t.Fatalf("round %d: %d tasks that found no lane can be dispatched again, want %d", round, n, tasks-lanes)
		}
		db.Exec(t, "UPDATE oubli.tasks SET state = 'pending', lease_until = NULL, lane = NULL, dispatched_at = now()")
	}
	// Another tenant's lanes are its own.
	_, others := plant(t, db, "2", jobs.Bulk, 1)
	mustClaim(t, s, ids[0])
	if c := mustClaim(t, s, others[0]); c.Lane != 1 {
		t.Errorf("another tenant got lane %d, want its own first", c.Lane)
	}
}

// together calls f n times at the same moment and returns the claims made.
func together(t *testing.T, n int, f func(i int) (*jobs.Claim, error)) []*jobs.Claim {
	t.Helper()
	var mu sync.Mutex
	var claims []*jobs.Claim
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			c, err := f(i)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("claim %d: %v", i, err)
			}
			if c != nil {
				claims = append(claims, c)
			}
		})
	}
	close(start)
	all.Wait()
	return claims
}

func TestATaskIsClaimedOnlyWhenItIsDueAndItsJobMayRun(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	job, tasks := plant(t, db, "1", jobs.Interactive, 1)
	for _, refused := range []string{
		"UPDATE oubli.tasks SET run_at = now() + interval '1 hour' WHERE job_id = $1",
		"UPDATE oubli.jobs SET state = 'paused' WHERE id = $1",
		"UPDATE oubli.jobs SET state = 'blocked' WHERE id = $1",
		"UPDATE oubli.tasks SET state = 'cancelled' WHERE job_id = $1",
		"UPDATE oubli.tasks SET state = 'done' WHERE job_id = $1",
	} {
		db.Exec(t, refused, job)
		if c, err := s.Claim(t.Context(), tasks[0]); c != nil || err != nil {
			t.Errorf("after %s: %v, %v", refused, c, err)
		}
		db.Exec(t, "UPDATE oubli.tasks SET state = 'pending', run_at = now()")
		db.Exec(t, "UPDATE oubli.jobs SET state = 'running'")
	}
	mustClaim(t, s, tasks[0])
}

func TestALeaseThatRanOutIsTakenOverAndCountsAsACrash(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	_, tasks := plant(t, db, "1", jobs.Interactive, 1)
	first := mustClaim(t, s, tasks[0])
	expire(t, db)
	second := mustClaim(t, s, tasks[0])
	if second.Attempt != first.Attempt+1 || second.Crashes != 1 || second.Failures != 0 {
		t.Errorf("second claim: %+v", second)
	}
	fenced(t, "extending the first", s.Extend(t.Context(), first, time.Minute))
	if err := s.Extend(t.Context(), second, 0); err != nil {
		t.Error(err)
	}
	// A release by the first is none.
	if err := s.Release(t.Context(), first, 0, true, "late"); err != nil {
		t.Fatal(err)
	}
	if n := db.Int(t, "SELECT count(*) FROM oubli.tasks WHERE state = 'running' AND failures = 0 AND last_error = ''"); n != 1 {
		t.Error("the first holder released the second's task")
	}
}

func TestAClaimDoesNotWaitForALockedRow(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	_, tasks := plant(t, db, "1", jobs.Interactive, 1)
	mustClaim(t, s, tasks[0])
	expire(t, db)
	tx, err := db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), "SELECT FROM oubli.tasks FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	// Either would hang here if it waited.
	if c, err := s.Claim(t.Context(), tasks[0]); c != nil || err != nil {
		t.Errorf("claim: %v, %v", c, err)
	}
	if n, err := s.Recover(t.Context()); n != 0 || err != nil {
		t.Errorf("recover: %d, %v: the row is locked, so somebody works on it", n, err)
	}
}

func TestTheNextBatchIsOfTheSameTenantAndTheSmallJobsFirst(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db, func(o *repository.Options) { o.Lanes = 3 })
	next := func(tenant string) *jobs.Claim {
		t.Helper()
		c, err := s.ClaimNext(t.Context(), tenant, false)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	bulk, _ := plant(t, db, "1", jobs.Bulk, 5)
	small, _ := plant(t, db, "1", jobs.Interactive, 1)
	paused, _ := plant(t, db, "1", jobs.Interactive, 1)
	db.Exec(t, "UPDATE oubli.jobs SET state = 'paused' WHERE id = $1", paused)
	if c := next("2"); c != nil {
		t.Errorf("tenant 2 was given %+v", c)
	}
	if c := next("1"); c == nil || c.JobID != small {
		t.Errorf("got %+v, want the small job's", c)
	}
	if c := next("1"); c == nil || c.JobID != bulk || c.Lane != 2 {
		t.Errorf("got %+v, want the big job's on lane 2", c)
	}
	// Somebody's hint waits for a worker: its turn.
	_, others := plant(t, db, "2", jobs.Bulk, 1)
	db.Exec(t, "UPDATE oubli.tasks SET dispatched_at = now() WHERE id = $1", others[0])
	if c := next("1"); c != nil {
		t.Errorf("got %+v although a hint of tenant 2 waits", c)
	}
	mustClaim(t, s, others[0])
	if next("1") == nil {
		t.Error("the third lane stays idle")
	}
	if c := next("1"); c != nil {
		t.Errorf("got %+v although all lanes are taken", c)
	}
	// Without Redis, a worker takes tasks whose hints cannot arrive.
	_, unheard := plant(t, db, "3", jobs.Bulk, 1)
	db.Exec(t, "UPDATE oubli.tasks SET dispatched_at = now() WHERE id = $1", unheard[0])
	if c, err := s.ClaimNext(t.Context(), "2", true); err != nil || c == nil || c.TaskID != unheard[0] {
		t.Errorf("cut off, got %+v, %v, want tenant 3's", c, err)
	}
	_, merge := plant(t, db, "2", jobs.Interactive, 1)
	db.Exec(t, "UPDATE oubli.tasks SET kind = 'merge', dispatched_at = now() WHERE id = $1", merge[0])
	if c, err := s.ClaimNext(t.Context(), "2", true); err != nil || c == nil || c.TaskID != merge[0] {
		t.Errorf("cut off, got %+v, %v, want the merge", c, err)
	}
}

func TestATaskIsGivenBackOnlyWhenTheHintOfAnotherTenantOrQueueWaits(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	_, tasks := plant(t, db, "1", jobs.Bulk, 2)
	c := mustClaim(t, s, tasks[0])
	yields := func(c *jobs.Claim, want bool, when string) {
		t.Helper()
		if given, err := s.Yield(t.Context(), c); given != want || err != nil {
			t.Errorf("given back %t, %v, when %s", given, err, when)
		}
	}
	hinted := func(task string) {
		t.Helper()
		db.Exec(t, "UPDATE oubli.tasks SET dispatched_at = now() WHERE id = $1", task)
	}
	yields(c, false, "nobody waits")
	_, others := plant(t, db, "2", jobs.Bulk, 1)
	yields(c, false, "nobody's hint waits")
	hinted(tasks[1])
	yields(c, false, "the job's own next batch waits")
	hinted(others[0])
	place := db.Strings(t, "SELECT run_at::text FROM oubli.tasks WHERE id = $1", tasks[0])[0]
	yields(c, true, "tenant 2 waits")
	yields(c, false, "it is no longer the caller's")
	if n := db.Int(t, `SELECT count(*) FROM oubli.tasks
		WHERE id = $1 AND state = 'pending' AND dispatched_at IS NULL AND lane IS NULL
		  AND run_at::text = $2 AND failures + crashes = 0`, tasks[0], place); n != 1 {
		t.Error("it is not pending where it was")
	}
	mustClaim(t, s, others[0])
	_, small := plant(t, db, "1", jobs.Interactive, 2)
	yields(mustClaim(t, s, tasks[0]), true, "the tenant's own small job waits for a lane")
	hinted(small[1])
	yields(mustClaim(t, s, tasks[0]), true, "it waits for a worker")
	c = mustClaim(t, s, small[0])
	yields(c, false, "a big job's waits, and the next of its own")
	_, theirs := plant(t, db, "2", jobs.Interactive, 1)
	hinted(theirs[0])
	yields(c, true, "tenant 2's small job waits")
}

func TestAMergeThatWaitsForALaneComesBeforeTheNextBatch(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	plant(t, db, "1", jobs.Bulk, 2)
	merge, tasks := plant(t, db, "1", jobs.Interactive, 1)
	db.Exec(t, "UPDATE oubli.tasks SET kind = 'merge' WHERE id = $1", tasks[0])
	for _, state := range []string{"running", "paused"} {
		db.Exec(t, "UPDATE oubli.jobs SET state = $2 WHERE id = $1", merge, state)
		if c, err := s.ClaimNext(t.Context(), "1", false); err != nil || (c != nil) != (state == "paused") {
			t.Errorf("%+v, %v while the merge's job is %s", c, err, state)
		}
	}
}

func TestOnlyErrorsOfTheTaskItselfCountAsFailures(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	_, tasks := plant(t, db, "1", jobs.Interactive, 1)
	for _, failure := range []bool{false, true, false} {
		if err := s.Release(t.Context(), mustClaim(t, s, tasks[0]), 0, failure, "why"); err != nil {
			t.Fatal(err)
		}
	}
	if c := mustClaim(t, s, tasks[0]); c.Failures != 1 || c.Crashes != 0 || c.Attempt != 4 {
		t.Errorf("got %+v", c)
	}
}
