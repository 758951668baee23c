package repository_test

import (
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

func dispatch(t *testing.T, s *repository.Store) []jobs.Dispatch {
	t.Helper()
	due, err := s.Dispatch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return due
}

// owners counts dispatched tasks by tenant.
func owners(t *testing.T, db *bookingdb.DB, due []jobs.Dispatch) map[string]int {
	t.Helper()
	ids := make([]string, len(due))
	for i, d := range due {
		ids[i] = d.TaskID
	}
	n := map[string]int{}
	for _, tenant := range db.Strings(t, "SELECT tenant_id FROM oubli.tasks WHERE id = ANY($1::text[]::uuid[])", ids) {
		n[tenant]++
	}
	return n
}

func TestATenantWithAThousandBatchesGetsNoMoreThanItsTurns(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db, func(o *repository.Options) { o.Window = 8 })
	plant(t, db, "big", jobs.Bulk, 1000)
	for i := range 10 {
		plant(t, db, fmt.Sprint("small", i), jobs.Bulk, 1)
	}
	first := dispatch(t, s)
	if n := owners(t, db, first); len(first) != 8 || n["big"] > 2 || len(n) < 7 {
		t.Errorf("%d hints for %v, want 8, two of them at most for the big tenant", len(first), n)
	}
	if more := dispatch(t, s); len(more) != 0 {
		t.Errorf("%d hints more although the window is full", len(more))
	}
	// A hint that was claimed waits no longer, and its task still has its lane.
	for _, d := range first {
		mustClaim(t, s, d.TaskID)
	}
	rest := dispatch(t, s)
	if n := owners(t, db, rest); n["big"] > 0 || len(n) != 3 {
		t.Errorf("then hints for %v, want the rest of the small tenants", n)
	}
	if more := dispatch(t, s); len(more) != 0 {
		t.Errorf("%d hints more although those of others wait", len(more))
	}
	for _, d := range rest {
		mustClaim(t, s, d.TaskID)
	}
	if n := owners(t, db, dispatch(t, s)); n["big"] != 1 || len(n) != 1 {
		t.Errorf("at last hints for %v, want the big tenant's second lane", n)
	}
}

func TestNoTenantHasASecondBatchDispatchedWhileAnotherWaitsForItsFirst(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	_, big := plant(t, db, "big", jobs.Bulk, 3)
	mustClaim(t, s, big[0])
	_, small := plant(t, db, "small", jobs.Bulk, 1)
	for _, want := range []map[string]int{{"small": 1}, {}} {
		if n := owners(t, db, dispatch(t, s)); !maps.Equal(n, want) {
			t.Errorf("hints for %v, want %v", n, want)
		}
	}
	mustClaim(t, s, small[0])
	if n := owners(t, db, dispatch(t, s)); !maps.Equal(n, map[string]int{"big": 1}) {
		t.Errorf("hints for %v, want the big tenant's second lane", n)
	}
}

func TestASmallJobIsDispatchedAlthoughBulkHintsOfItsTenantWait(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	plant(t, db, "1", jobs.Bulk, 10)
	if n := len(dispatch(t, s)); n != 2 {
		t.Fatalf("%d bulk hints, want one for each lane", n)
	}
	plant(t, db, "1", jobs.Interactive, 3)
	due := dispatch(t, s)
	if len(due) != 2 || due[0].Queue != jobs.Interactive || due[1].Queue != jobs.Interactive {
		t.Fatalf("got %+v, want two interactive hints", due)
	}
	// They run; the bulk hints find no lane and are handed back without loss.
	for _, d := range due {
		mustClaim(t, s, d.TaskID)
	}
	for _, id := range db.Strings(t, "SELECT id::text FROM oubli.tasks WHERE dispatched_at IS NOT NULL AND state = 'pending'") {
		if c, err := s.Claim(t.Context(), id); c != nil || err != nil {
			t.Errorf("a third lane: %+v, %v", c, err)
		}
	}
	if due := dispatch(t, s); len(due) != 0 {
		t.Errorf("got %+v although both lanes are taken", due)
	}
	db.Exec(t, "UPDATE oubli.tasks SET state = 'done', lease_until = NULL, lane = NULL WHERE state = 'running'")
	if due := dispatch(t, s); len(due) != 2 || due[0].Queue == due[1].Queue {
		t.Errorf("got %+v, want the last small batch and a bulk one", due)
	}
}

func TestMailsAreDispatchedWhileAllLanesAreInUse(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	job, tasks := plant(t, db, "1", jobs.Bulk, 5)
	for range 2 {
		mustClaim(t, s, tasks[0])
		tasks = tasks[1:]
	}
	db.Exec(t, `INSERT INTO oubli.tasks (id, job_id, tenant_id, kind, queue, number, letter)
		SELECT gen_random_uuid(), $1, '1', 'mail', 'mail', n, '{}' FROM generate_series(1, 20) AS n`, job)
	due := dispatch(t, s)
	for _, d := range due {
		if d.Kind != jobs.MailTask || d.Queue != jobs.Mail {
			t.Errorf("got %+v", d)
		}
	}
	if len(due) != 20 {
		t.Errorf("%d hints, want one for each mail", len(due))
	}
}

func TestDispatchersSideBySideMarkNoTaskTwice(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	for i := range 60 {
		plant(t, db, fmt.Sprint(i), jobs.Bulk, 1)
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	seen := map[string]int{}
	start := make(chan struct{})
	for range 8 {
		all.Go(func() {
			<-start
			due, err := s.Dispatch(t.Context())
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, d := range due {
				seen[d.HintID()]++
			}
		})
	}
	close(start)
	all.Wait()
	for _, d := range dispatch(t, s) { // what all of them skipped because another was at it
		seen[d.HintID()]++
	}
	if len(seen) != 60 {
		t.Errorf("%d hints for 60 tasks", len(seen))
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s was dispatched %d times", id, n)
		}
	}
}

func TestTasksOfAPausedOrBlockedJobAreNotDispatched(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	job, _ := plant(t, db, "1", jobs.Interactive, 1)
	for _, state := range []string{"paused", "blocked"} {
		db.Exec(t, "UPDATE oubli.jobs SET state = $2 WHERE id = $1", job, state)
		if due := dispatch(t, s); len(due) != 0 {
			t.Errorf("%s: %+v", state, due)
		}
	}
	db.Exec(t, "UPDATE oubli.jobs SET state = 'running'")
	if due := dispatch(t, s); len(due) != 1 || due[0].No != 1 {
		t.Errorf("running: %+v", due)
	}
}

func TestOnlyTheLatestMarkIsRemovedAndOnlyOnce(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	plant(t, db, "1", jobs.Interactive, 1)
	first := dispatch(t, s)
	takeBack := func(lost []jobs.Dispatch) {
		t.Helper()
		if err := s.Undispatch(t.Context(), lost); err != nil {
			t.Fatal(err)
		}
	}
	takeBack(first)
	second := dispatch(t, s)
	if len(second) != 1 || second[0].No != 2 || second[0].HintID() == first[0].HintID() {
		t.Fatalf("second dispatch: %+v", second)
	}
	takeBack(first) // an old mark, found late
	takeBack(nil)
	if due := dispatch(t, s); len(due) != 0 {
		t.Errorf("the second mark was taken back with the first: %+v", due)
	}
	// A task that somebody is claiming just now keeps its mark, and nobody waits.
	tx, err := db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), "SELECT FROM oubli.tasks FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	takeBack(second)
}

func TestOverdueHintsAreThoseOfUnclaimedTasks(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	_, tasks := plant(t, db, "1", jobs.Interactive, 2)
	if n := len(dispatch(t, s)); n != 2 {
		t.Fatalf("%d hints", n)
	}
	mustClaim(t, s, tasks[0])
	if due, err := s.Overdue(t.Context(), time.Hour); len(due) != 0 || err != nil {
		t.Errorf("an hour old: %+v, %v", due, err)
	}
	due, err := s.Overdue(t.Context(), 0)
	if len(due) != 1 || err != nil || due[0].TaskID != tasks[1] || due[0].No != 1 || due[0].Age <= 0 {
		t.Errorf("of any age: %+v, %v, want the second task's", due, err)
	}
}
