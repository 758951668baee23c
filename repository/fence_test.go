package repository_test

import (
	"testing"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// takenOver is a batch whose worker stopped renewing its lease after the first chunk,
// and which another worker has claimed since. It returns both claims.
func takenOver(t *testing.T, db *bookingdb.DB, s *repository.Store, keys []string) (job jobs.Job, former, current *jobs.Claim) {
	t.Helper()
	job = accept(t, s, "1", keys)
	former = claimFirst(t, s)
	mustErase(t, s, former, 5)
	expire(t, db)
	if n, err := s.Recover(t.Context()); n != 1 || err != nil {
		t.Fatalf("recover: %d, %v, want one task", n, err)
	}
	current = mustClaim(t, s, former.TaskID)
	if current.Position != 5 || current.Crashes != 1 {
		t.Fatalf("the next claim begins with %+v", current)
	}
	return job, former, current
}

func TestAWorkerWhoseTaskWasTakenOverChangesNothing(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	s := open(t, db)
	keys := db.Clients(t, 1, 20)
	j, former, current := takenOver(t, db, s, keys)
	before := db.Untouched(t, nil)
	task := db.Strings(t, "SELECT t::text FROM oubli.tasks AS t")

	_, err := s.EraseChunk(t.Context(), former, 5)
	fenced(t, "its chunk", err)
	fenced(t, "its failed client", s.FailClient(t.Context(), former, "x", ""))
	fenced(t, "its deferred client", s.DeferClient(t.Context(), former))
	fenced(t, "its finish", s.Finish(t.Context(), former))
	fenced(t, "its request for more time", s.Extend(t.Context(), former, 0))
	if err := s.Release(t.Context(), former, 0, true, "x"); err != nil {
		t.Error(err)
	}
	for i, d := range db.Untouched(t, nil) {
		if d != before[i] {
			t.Errorf("%+v became %+v", before[i], d)
		}
	}
	if now := db.Strings(t, "SELECT t::text FROM oubli.tasks AS t"); now[0] != task[0] {
		t.Errorf("the task\n%s\nbecame\n%s", task[0], now[0])
	}
	idle(t, db)

	for current.Left() > 0 {
		mustErase(t, s, current, 6)
		_, err := s.EraseChunk(t.Context(), former, 5)
		fenced(t, "its chunk between chunks of the current claim", err)
	}
	if err := s.Finish(t.Context(), current); err != nil {
		t.Fatal(err)
	}
	fenced(t, "its finish after the end of the batch", s.Finish(t.Context(), former))
	if got := job(t, s, j.ID); got.State != jobs.Completed || got.Counts.Done() != 20 || got.Counts.Exceptions() != 0 {
		t.Errorf("job: %+v", got)
	}
}

// Control: without the fence the same steps process clients twice, and the test sees it.
func TestWithoutTheFenceAWorkerWhoseTaskWasTakenOverErasesAgain(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	s := open(t, db)
	s.Unfence()
	keys := db.Clients(t, 1, 20)
	j, former, current := takenOver(t, db, s, keys)
	mustErase(t, s, former, 5)
	db.Exec(t, "DELETE FROM oubli.exceptions") // whose primary key would refuse the second outcome
	for current.Left() > 0 {
		mustErase(t, s, current, 6)
	}
	if err := s.Finish(t.Context(), current); err != nil {
		t.Fatal(err)
	}
	if got := job(t, s, j.ID); got.Counts.NotFound != 5 {
		t.Errorf("%+v: want the 5 clients of the former claim's chunk to show as not found", got.Counts)
	}
}

// Control: nothing but Recover gives back the task of a dead worker.
func TestWithoutRecoverATaskOfADeadWorkerIsNotGivenBack(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	s := open(t, db)
	j := accept(t, s, "1", db.Clients(t, 1, 20))
	mustErase(t, s, claimFirst(t, s), 5)
	expire(t, db)
	for range 5 {
		work(t, s, 10)
		if err := s.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Unblock(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := job(t, s, j.ID); got.State != jobs.Running || got.Counts.Pending != 15 {
		t.Errorf("job: %+v", got)
	}
	if _, err := s.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	work(t, s, 10)
	if got := job(t, s, j.ID); !got.State.Final() {
		t.Errorf("job after recover: %+v", got)
	}
}

// A chunk may take longer than its lease. The task is its own until its transaction ends.
func TestAChunkThatOutlastsItsLeaseKeepsItsTask(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	at := newPausePoint("chunk:decided")
	s := open(t, db, func(o *repository.Options) { o.Failpoint = at.pass })
	accept(t, s, "1", db.Clients(t, 1, 20))
	c := claimFirst(t, s)
	expire(t, db)
	done := make(chan error, 1)
	go func() {
		_, err := s.EraseChunk(t.Context(), c, 20)
		done <- err
	}()
	<-at.reached
	if n, err := s.Recover(t.Context()); n != 0 || err != nil {
		t.Errorf("recover: %d, %v", n, err)
	}
	if other, err := s.Claim(t.Context(), c.TaskID); other != nil || err != nil {
		t.Errorf("claim: %v, %v", other, err)
	}
	close(at.goOn)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n, err := s.Recover(t.Context()); n != 0 || err != nil {
		t.Errorf("recover after the chunk prolonged the lease: %d, %v", n, err)
	}
	if err := s.Finish(t.Context(), c); err != nil {
		t.Error(err)
	}
}

// pausePoint stops the first goroutine that reaches a failpoint.
type pausePoint struct {
	name          string
	reached, goOn chan struct{}
	passed        chan struct{}
}

func newPausePoint(name string) *pausePoint {
	s := &pausePoint{name: name, reached: make(chan struct{}), goOn: make(chan struct{}), passed: make(chan struct{}, 1)}
	s.passed <- struct{}{}
	return s
}

func (s *pausePoint) pass(name string) {
	if name != s.name {
		return
	}
	select {
	case <-s.passed:
		close(s.reached)
		<-s.goOn
	default:
	}
}
