package repository_test

import (
	"testing"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// lost is a batch whose worker stopped renewing its lease after the first chunk, and which
// another has claimed since.
func lost(t *testing.T, db *bookingdb.DB, s *repository.Store, keys []string) (job jobs.Job, zombie, heir *jobs.Claim) {
	t.Helper()
	job = accept(t, s, "1", keys)
	zombie = claimFirst(t, s)
	mustErase(t, s, zombie, 5)
	expire(t, db)
	if n, err := s.Recover(t.Context()); n != 1 || err != nil {
		t.Fatalf("recover: %d, %v, want one task", n, err)
	}
	heir = mustClaim(t, s, zombie.TaskID)
	if heir.Position != 5 || heir.Crashes != 1 {
		t.Fatalf("the heir begins with %+v", heir)
	}
	return job, zombie, heir
}

func TestAZombieChangesNothing(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	s := open(t, db)
	keys := db.Clients(t, 1, 20)
	j, zombie, heir := lost(t, db, s, keys)
	before := db.Untouched(t, nil)
	task := db.Strings(t, "SELECT t::text FROM oubli.tasks AS t")

	_, err := s.EraseChunk(t.Context(), zombie, 5)
	fenced(t, "its chunk", err)
	fenced(t, "its failed client", s.FailClient(t.Context(), zombie, "x", ""))
	fenced(t, "its deferred client", s.DeferClient(t.Context(), zombie))
	fenced(t, "its finish", s.Finish(t.Context(), zombie))
	fenced(t, "its plea for time", s.Extend(t.Context(), zombie, 0))
	if err := s.Release(t.Context(), zombie, 0, true, "x"); err != nil {
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

	for heir.Left() > 0 {
		mustErase(t, s, heir, 6)
		_, err := s.EraseChunk(t.Context(), zombie, 5)
		fenced(t, "its chunk between the heir's", err)
	}
	if err := s.Finish(t.Context(), heir); err != nil {
		t.Fatal(err)
	}
	fenced(t, "its finish after the heir's", s.Finish(t.Context(), zombie))
	if got := job(t, s, j.ID); got.State != jobs.Completed || got.Counts.Done() != 20 || got.Counts.Exceptions() != 0 {
		t.Errorf("job: %+v", got)
	}
}

// Control: the same story without the fence goes wrong, and is seen to.
func TestWithoutTheFenceAZombieErasesAgain(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	s := open(t, db)
	s.Unfence()
	keys := db.Clients(t, 1, 20)
	j, zombie, heir := lost(t, db, s, keys)
	mustErase(t, s, zombie, 5)
	db.Exec(t, "DELETE FROM oubli.exceptions") // whose key would give it away at once
	for heir.Left() > 0 {
		mustErase(t, s, heir, 6)
	}
	if err := s.Finish(t.Context(), heir); err != nil {
		t.Fatal(err)
	}
	if got := job(t, s, j.ID); got.Counts.NotFound != 5 {
		t.Errorf("%+v: want the 5 clients of the zombie's chunk to show as not found", got.Counts)
	}
}

// Control: nothing but Recover gives a lost task back.
func TestWithoutRecoverALostTaskStaysStuck(t *testing.T) {
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

// A chunk may outlast its lease; while its transaction lives, the task is its.
func TestAChunkThatOutlastsItsLeaseKeepsItsTask(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	at := newStation("chunk:decided")
	s := open(t, db, func(o *repository.Options) { o.Failpoint = at.pass })
	accept(t, s, "1", db.Clients(t, 1, 20))
	c := claimFirst(t, s)
	expire(t, db)
	done := make(chan error, 1)
	go func() {
		_, err := s.EraseChunk(t.Context(), c, 20)
		done <- err
	}()
	<-at.here
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

// station stops whoever passes a failpoint for the first time.
type station struct {
	name       string
	here, goOn chan struct{}
	passed     chan struct{}
}

func newStation(name string) *station {
	s := &station{name: name, here: make(chan struct{}), goOn: make(chan struct{}), passed: make(chan struct{}, 1)}
	s.passed <- struct{}{}
	return s
}

func (s *station) pass(name string) {
	if name != s.name {
		return
	}
	select {
	case <-s.passed:
		close(s.here)
		<-s.goOn
	default:
	}
}
