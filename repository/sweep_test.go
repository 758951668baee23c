package repository_test

import (
	"testing"
	"time"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/repository"
)

// on opens a store for which it is always the same day.
func on(t *testing.T, db *bookingdb.DB, day string) *repository.Store {
	t.Helper()
	date, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, db, func(o *repository.Options) { o.Today = func() time.Time { return date } })
}

func sweep(t *testing.T, s *repository.Store) int64 {
	t.Helper()
	swept, err := s.SweepRetained(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	for _, table := range swept {
		n += table.Rows
	}
	return n
}

func TestRetainedColumnsAreClearedOnTheDayAfterTheirPeriodAndNotBefore(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	keys := db.Clients(t, 1, 20)
	// Studio 1 is French: ten years from the end of the year of issue.
	db.Exec(t, "UPDATE invoices SET status = 'paid', issued_on = '2024-02-29' WHERE client_id = ANY($1::text[]::bigint[])", keys)
	db.Exec(t, "UPDATE clients SET legal_hold = false, balance_cents = 0 WHERE id = ANY($1::text[]::bigint[])", keys)
	db.Exec(t, "UPDATE appointments SET status = 'completed' WHERE status = 'booked' AND client_id = ANY($1::text[]::bigint[])", keys)
	named := func() int {
		return db.Int(t, `SELECT count(*) FROM invoices WHERE issued_on = '2024-02-29' AND billing_name <> 'Client inconnu'
			AND billing_email IS NOT NULL AND client_id IN (SELECT client_key::bigint FROM oubli.anonymous_profiles)`)
	}
	s := on(t, db, "2026-11-22")
	j := accept(t, s, "1", keys)
	work(t, s, 10)
	j = job(t, s, j.ID)
	if j.RetainedUntil == nil || j.RetainedUntil.String() != "2034-12-31" || j.Counts.ErasedRetained == 0 {
		t.Fatalf("job: %+v", j)
	}
	kept := named()
	if kept == 0 {
		t.Fatal("no invoice keeps its billing address")
	}
	if n := sweep(t, on(t, db, "2034-12-31")); n != 0 || named() != kept {
		t.Errorf("on the last day %d rows were cleared and %d of %d are left", n, named(), kept)
	}
	after := on(t, db, "2035-01-01")
	if n := sweep(t, after); int(n) < kept || named() != 0 {
		t.Errorf("on the day after %d rows were cleared, %d of %d are left", n, named(), kept)
	}
	if n := sweep(t, after); n != 0 {
		t.Errorf("a second sweep of the day cleared %d rows", n)
	}
	db.NoTracesAtAll(t, keys)
}

func TestASweepClearsWhatAMissedDayLeft(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	keys := db.Clients(t, 1, 10)
	s := on(t, db, "2026-11-22")
	accept(t, s, "1", keys)
	work(t, s, 10)
	if n := sweep(t, on(t, db, "2060-06-01")); n == 0 {
		t.Error("nothing was due after decades")
	}
	if n := db.Int(t, "SELECT count(*) FROM oubli.retention_sweeps WHERE finished_at IS NOT NULL AND rows > 0"); n != 1 {
		t.Errorf("%d finished sweeps are recorded, want 1", n)
	}
}
