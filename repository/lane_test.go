package repository_test

import (
	"testing"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
)

func TestAMailTakesNoLaneFromTheTenantsBatches(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	accept(t, s, "1", db.Clients(t, 1, 5), func(r *jobs.ErasureRequest) { r.Notify = []string{"a@studio.example", "b@studio.example"} })
	work(t, s, 5)
	for _, id := range db.Strings(t, "SELECT id::text FROM oubli.tasks WHERE kind = 'mail'") {
		c, err := s.Claim(t.Context(), id)
		if err != nil || c == nil || c.Lane != 0 {
			t.Fatalf("claimed mail: %+v, %v", c, err)
		}
	}
	accept(t, s, "1", db.Clients(t, 1, 5))
	if c := claimFirst(t, s); c.Lane != 1 {
		t.Errorf("beside two open mails the batch got lane %d, want 1", c.Lane)
	}
}

func TestViewsAreStaleAfterACancelledJobAndNotAfterADryRun(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	erasable(t, db)
	stale := func() int { return db.Int(t, "SELECT count(*) FROM oubli.stale_views") }
	accept(t, s, "1", db.Clients(t, 1, 5), func(r *jobs.ErasureRequest) { r.DryRun, r.Notify = true, nil })
	work(t, s, 5)
	if n := stale(); n != 0 {
		t.Errorf("a dry run left %d notes", n)
	}
	j := accept(t, s, "1", db.Clients(t, 1, 20))
	if _, err := s.EraseChunk(t.Context(), claimFirst(t, s), 5); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Cancel(t.Context(), jobs.Erasure, "1", j.ID); err != nil {
		t.Fatal(err)
	}
	if n := stale(); n != 1 {
		t.Errorf("a cancelled job that erased five left %d notes, want 1", n)
	}
}
