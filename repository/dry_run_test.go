package repository_test

import (
	"fmt"
	"testing"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
)

func TestADryRunSaysWhatAnErasureThenDoesAndChangesNothing(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 1000)
	s := open(t, db)
	keys := db.Clients(t, 1, 200)
	everything := db.Untouched(t, nil)

	dry := accept(t, s, "1", keys, func(r *jobs.ErasureRequest) { r.DryRun, r.Notify = true, nil })
	work(t, s, 50)
	dry = job(t, s, dry.ID)
	if !dry.DryRun || dry.Counts.Pending != 0 || dry.Counts.Erased+dry.Counts.ErasedRetained == 0 {
		t.Fatalf("dry run: %+v", dry)
	}
	if n := len(db.Existing(t, keys)); n != len(keys) {
		t.Errorf("%d of %d clients are left after a dry run", n, len(keys))
	}
	if n := db.Int(t, "SELECT count(*) FROM clients WHERE is_anonymous"); n != 0 {
		t.Errorf("a dry run left %d anonymous profiles", n)
	}
	for i, now := range db.Untouched(t, nil) {
		if now != everything[i] {
			t.Errorf("a dry run changed rows: %+v, before %+v", now, everything[i])
		}
	}

	wet := accept(t, s, "1", keys)
	work(t, s, 50)
	wet = job(t, s, wet.ID)
	if dry.Counts != wet.Counts {
		t.Errorf("dry run %+v, erasure %+v", dry.Counts, wet.Counts)
	}
	// What two of the clients share, a recommendation or an address, goes with
	// the second of them in an erasure and with neither in a dry run when they
	// are in different chunks.
	for _, shared := range []string{"clients", "addresses"} {
		delete(dry.Rows, shared)
		delete(wet.Rows, shared)
	}
	if fmt.Sprint(dry.Rows) != fmt.Sprint(wet.Rows) {
		t.Errorf("rows of the dry run %v\nof the erasure %v", dry.Rows, wet.Rows)
	}
}
