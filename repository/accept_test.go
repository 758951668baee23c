package repository_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

func TestARepeatedRequestGivesTheFirstAnswer(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	s := open(t, db)
	req := jobs.ErasureRequest{TenantID: "1", ClientIDs: db.Clients(t, 1, 5), Reason: jobs.SubjectRequest, CreatedBy: "test"}
	key := jobs.IdempotencyKey{Key: "k", Caller: "c", Hash: [32]byte{1}}
	first, replayed, err := s.AcceptErasure(t.Context(), req, key)
	if err != nil || replayed {
		t.Fatalf("first: %v, %v", replayed, err)
	}
	work(t, s, 10)
	again, replayed, err := s.AcceptErasure(t.Context(), req, key)
	if err != nil || !replayed || again.ID != first.ID || again.State != jobs.Scheduled {
		t.Errorf("again: %+v, %v, %v, want the first answer", again, replayed, err)
	}
	other := key
	other.Hash[0]++
	if _, _, err := s.AcceptErasure(t.Context(), req, other); jobs.KindOf(err) != jobs.Invalid {
		t.Errorf("another request under the same key: %v", err)
	}
	other = key
	other.Caller = "d"
	if theirs, replayed, err := s.AcceptErasure(t.Context(), req, other); err != nil || replayed || theirs.ID == first.ID {
		t.Errorf("another caller's key: %v, %v", replayed, err)
	}
}

func TestARequestThatIsSentManyTimesAtOnceMakesOneJob(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	s := open(t, db)
	req := jobs.ErasureRequest{TenantID: "1", ClientIDs: db.Clients(t, 1, 5), Reason: jobs.SubjectRequest, CreatedBy: "test"}
	var all sync.WaitGroup
	start := make(chan struct{})
	for range 20 {
		all.Go(func() {
			<-start
			_, _, err := s.AcceptErasure(t.Context(), req, jobs.IdempotencyKey{Key: "k", Caller: "c"})
			if err != nil && jobs.KindOf(err) != jobs.Conflict {
				t.Error(err)
			}
		})
	}
	close(start)
	all.Wait()
	if n := db.Int(t, "SELECT count(*) FROM oubli.jobs"); n != 1 {
		t.Errorf("%d jobs", n)
	}
}

func TestKeysAreCutIntoBatchesOnceEach(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	s := open(t, db, func(o *repository.Options) { o.BatchClients = 10 })
	keys := db.Clients(t, 1, 25)
	small := accept(t, s, "1", keys[:10])
	big := accept(t, s, "1", append(append(slices.Clone(keys), keys...), "0"+keys[0], "70000000"))
	if small.Requested != 10 || big.Requested != 26 {
		t.Errorf("requested %d and %d, want 10 and 26", small.Requested, big.Requested)
	}
	got := db.Strings(t, "SELECT queue || ' ' || number || ' ' || cardinality(keys) FROM oubli.tasks ORDER BY job_id, number")
	if want := []string{"interactive 1 10", "bulk 1 10", "bulk 2 10", "bulk 3 6"}; !slices.Equal(got, want) {
		t.Errorf("tasks %q, want %q", got, want)
	}
}

func TestARefusedRequestStoresNothingAndQuotesNothing(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	s := open(t, db)
	for name, change := range map[string]func(*jobs.ErasureRequest){
		"key of another type": func(r *jobs.ErasureRequest) { r.ClientIDs = append(r.ClientIDs, "vezbaba@private.example") },
		"unknown tenant":      func(r *jobs.ErasureRequest) { r.TenantID = "vezbaba" },
		"guard that must stay": func(r *jobs.ErasureRequest) {
			r.Override = []string{"legal_hold"}
		},
		"unknown guard": func(r *jobs.ErasureRequest) { r.Override = []string{"vezbaba"} },
	} {
		req := jobs.ErasureRequest{TenantID: "1", ClientIDs: db.Clients(t, 1, 5), Reason: jobs.SubjectRequest, CreatedBy: "test"}
		change(&req)
		_, _, err := s.AcceptErasure(t.Context(), req, jobs.IdempotencyKey{Key: name, Caller: "c"})
		if jobs.KindOf(err) != jobs.Invalid || strings.Contains(err.Error(), "vezbaba") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := db.Int(t, `SELECT (SELECT count(*) FROM oubli.jobs)
		+ (SELECT count(*) FROM oubli.tasks)
		+ (SELECT count(*) FROM oubli.idempotency_keys)`); n != 0 {
		t.Errorf("%d rows were stored", n)
	}
}

func TestAJobWaitsForItsStartTime(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	s := open(t, db)
	j := accept(t, s, "1", db.Clients(t, 1, 5), func(r *jobs.ErasureRequest) { r.NotBefore = time.Now().Add(time.Hour) })
	if due := dispatch(t, s); len(due) != 0 || j.NotBefore == nil {
		t.Errorf("dispatched %+v of %+v", due, j)
	}
	late := open(t, db, func(o *repository.Options) { o.Grace = time.Hour })
	accept(t, late, "1", db.Clients(t, 1, 5))
	if due := dispatch(t, s); len(due) != 0 {
		t.Errorf("dispatched %+v within the grace", due)
	}
}
