package repository_test

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// Merges beside merges, and beside erasures of the same clients.

func TestMergesThatCrossEndClearly(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	a, b := pair(t, db)
	separateClasses(t, db, a, b)
	s := open(t, db)
	there, back := acceptMerge(t, s, mergeRequest("1", b, []string{a})), acceptMerge(t, s, mergeRequest("1", a, []string{b}))
	both := map[string]int{}
	for what, n := range belongings(t, db, a) {
		both[what] += n
	}
	for what, n := range belongings(t, db, b) {
		both[what] += n
	}
	var wg sync.WaitGroup
	ended := make([]jobs.Job, 2)
	for i, id := range []string{there.ID, back.ID} {
		wg.Go(func() { ended[i] = insist(t, s, db, id) })
	}
	wg.Wait()
	left := db.Existing(t, []string{a, b})
	if len(left) != 1 {
		t.Fatalf("%d of the two clients are left", len(left))
	}
	won, lost := 0, 0
	for _, j := range ended {
		switch {
		case j.State == jobs.Completed:
			won++
		case j.State == jobs.Failed && j.Exceptions[jobs.CodeTargetNotFound] == 1, j.Counts.NotFound == 1:
			lost++
		}
	}
	if won != 1 || lost != 1 {
		t.Errorf("ended as %+v", ended)
	}
	delete(both, "consents")
	got := belongings(t, db, left[0])
	delete(got, "consents")
	if !maps.Equal(got, both) {
		t.Errorf("the one that is left has %v, want %v", got, both)
	}
}

// insist does the work of a job as a worker would that loses races for locks.
func insist(t *testing.T, s *repository.Store, db *bookingdb.DB, id string) jobs.Job {
	for _, task := range db.Strings(t, "SELECT id::text FROM oubli.tasks WHERE job_id = $1 AND kind <> 'mail' ORDER BY number", id) {
		c, err := s.Claim(t.Context(), task)
		if err != nil || c == nil {
			t.Errorf("claim: %v, %v", c, err)
			return jobs.Job{}
		}
		for c.Left() > 0 {
			_, err := s.EraseChunk(t.Context(), c, 5)
			if e, ok := errors.AsType[*jobs.Error](err); err != nil && !(ok && e.Code == jobs.CodeContention) {
				t.Errorf("chunk: %v", err)
				return jobs.Job{}
			}
		}
		if err := s.Finish(t.Context(), c); err != nil {
			t.Errorf("finish: %v", err)
		}
	}
	kind := jobs.Merge
	if db.Int(t, "SELECT count(*) FROM oubli.jobs WHERE id = $1 AND kind = 'erasure'", id) == 1 {
		kind = jobs.Erasure
	}
	j, err := s.Job(t.Context(), kind, jobs.AnyTenant, id)
	if err != nil {
		t.Error(err)
	}
	return j
}

func TestMergesAndErasuresOfTheSameClientsSideBySideLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	erasable(t, db)
	s := open(t, db, func(o *repository.Options) { o.BatchClients, o.Lanes = 15, 2 })
	all := db.Clients(t, 1, 60)
	separateClasses(t, db, all...)
	recount(t, db)
	untouched := db.Untouched(t, all)
	var ids []string
	for i := range 10 { // chains and circles among them, and people who are erased meanwhile
		sources := []string{all[(i*11)%20], all[20+i], all[(i*13+5)%20+40]}[i%2:]
		ids = append(ids, acceptMerge(t, s, mergeRequest("1", all[(i*7+3)%20], sources)).ID)
	}
	ids = append(ids, acceptMerge(t, s, mergeRequest("1", "", all[30:40])).ID, accept(t, s, "1", all[10:50]).ID)
	var wg sync.WaitGroup
	ended := make([]jobs.Job, len(ids))
	for i, id := range ids {
		wg.Go(func() { ended[i] = insist(t, s, db, id) })
	}
	wg.Wait()
	for _, j := range ended {
		if !j.State.Final() || j.Counts.Total() != j.Requested || j.Counts.Pending != 0 {
			t.Errorf("job: %+v", j)
		}
	}
	db.SameTotals(t)
	if got := db.Untouched(t, all); fmt.Sprint(got) != fmt.Sprint(untouched) {
		t.Errorf("others were touched:\nbefore %v\nafter  %v", untouched, got)
	}
}

func TestATargetThatIsErasedInTheMiddleLeavesTheRestAsItIs(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	all := db.Clients(t, 1, 4)
	separateClasses(t, db, all...)
	s := open(t, db)
	j := acceptMerge(t, s, mergeRequest("1", all[3], all[:3]))
	c := mustClaim(t, s, db.Strings(t, "SELECT id::text FROM oubli.tasks WHERE job_id = $1 AND kind = 'merge'", j.ID)[0])
	mustErase(t, s, c, 1)
	accept(t, s, "1", all[3:])
	work(t, s, 10)
	left := belongings(t, db, all[1])
	for c.Left() > 0 {
		mustErase(t, s, c, 1)
	}
	if err := s.Finish(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	j = mergeJob(t, s, j.ID)
	if j.State != jobs.CompletedWithExceptions || j.Counts.Erased != 1 || j.Exceptions[jobs.CodeTargetNotFound] != 2 {
		t.Errorf("job: %+v", j)
	}
	if got := belongings(t, db, all[1]); !maps.Equal(got, left) {
		t.Errorf("a source that was not merged has %v, had %v", got, left)
	}
}
