package repository_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// impatient looks again at once.
func impatient(o *repository.Options) { o.Pause = time.Millisecond }

const writeOf = "INSERT INTO audit_log (subject_type, subject_id, action, data) SELECT $1, unnest($2::text[])::bigint, 'late', '{}'"

func looksAgain(t *testing.T, s *repository.Store, want map[string]int64) {
	t.Helper()
	if rows, err := s.LookAgain(t.Context()); err != nil || !maps.Equal(rows, want) {
		t.Errorf("the second look finds %v, %v, want %v", rows, err, want)
	}
}

func written(t *testing.T, db *bookingdb.DB) int {
	t.Helper()
	return db.Int(t, "SELECT count(*) FROM audit_log WHERE action = 'late'")
}

func TestWhatIsWrittenOfClientsWhileTheyAreErasedIsErasedToo(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	s := open(t, db, impatient, func(o *repository.Options) { o.BatchClients = 2 })
	keys, others := db.Clients(t, 1, 5), db.Clients(t, 2, 2)
	db.Exec(t, "UPDATE clients SET legal_hold = true WHERE id::text = $1", keys[4])
	accept(t, s, "1", keys)
	db.Exec(t, writeOf, "Invoice", keys)

	// Of everybody, by somebody who has not committed yet.
	tx, err := db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), writeOf, "Client", append(others, keys...)); err != nil {
		t.Fatal(err)
	}
	work(t, s, 2)
	looksAgain(t, s, map[string]int64{})
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	bookingdb.Wait(t, "all transactions of before to end", func() bool {
		return db.Int(t, "SELECT count(*) FROM oubli.second_looks WHERE xid >= pg_snapshot_xmin(pg_current_snapshot())") == 0
	})
	looksAgain(t, s, map[string]int64{"audit_log": 4})
	if n := db.Int(t, "SELECT count(*) FROM audit_log WHERE subject_type = 'Client' AND subject_id::text = ANY($1)", keys[:4]); n != 0 {
		t.Errorf("%d rows tell of the erased", n)
	}
	if n := written(t, db); n != 2+1+5 { // others', the held one's, of invoices with the same numbers
		t.Errorf("%d late rows are left, want 8", n)
	}
	db.NoTraces(t, keys[:4])

	// Once is enough.
	db.Exec(t, writeOf, "Client", keys)
	looksAgain(t, s, map[string]int64{})
	if n := db.Int(t, "SELECT count(*) FROM oubli.second_looks"); n != 0 || written(t, db) != 13 {
		t.Errorf("%d jobs are still to be looked at, %d late rows", n, written(t, db))
	}
}

func TestAKeyThatIsSomebodysAgainIsLeftAlone(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	s := open(t, db, impatient)
	keys := db.Clients(t, 1, 3)
	accept(t, s, "1", keys)
	work(t, s, 3)
	db.Exec(t, "INSERT INTO clients (id, studio_id, first_name) VALUES ($1::text::bigint, 2, 'Nova')", keys[1])
	db.Exec(t, writeOf, "Client", keys)
	bookingdb.Wait(t, "the second look", func() bool {
		rows, err := s.LookAgain(t.Context())
		return err == nil && rows["audit_log"] == 2
	})
	if n := db.Int(t, "SELECT count(*) FROM audit_log WHERE subject_type = 'Client' AND subject_id::text = $1", keys[1]); n != 1 {
		t.Errorf("the newcomer has %d rows", n)
	}
}

func TestRehearsalsAndJobsThatErasedNobodyAreNotLookedAtAgain(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	s := open(t, db, impatient)
	keys := db.Clients(t, 1, 3)
	accept(t, s, "1", keys, func(r *jobs.ErasureRequest) { r.DryRun, r.Notify = true, nil })
	accept(t, s, "1", []string{"999999"})
	work(t, s, 3)
	if n := db.Int(t, "SELECT count(*) FROM oubli.second_looks"); n != 0 {
		t.Errorf("%d jobs are to be looked at again", n)
	}
}

func TestASecondLookWaitsForAMapThatFits(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	s := open(t, db, impatient)
	keys := db.Clients(t, 1, 3)
	accept(t, s, "1", keys)
	work(t, s, 3)
	db.Exec(t, writeOf, "Client", keys)
	db.Exec(t, "ALTER TABLE participations ADD nickname text")
	bookingdb.Wait(t, "the look to be refused", func() bool {
		_, err := s.LookAgain(t.Context())
		return err != nil && strings.Contains(err.Error(), "public.participations.nickname")
	})
	if n := written(t, db); n != 3 {
		t.Errorf("%d late rows are left", n)
	}
	db.Exec(t, "ALTER TABLE participations DROP nickname")
	bookingdb.Wait(t, "the second look", func() bool {
		_, err := s.LookAgain(t.Context())
		return err == nil && written(t, db) == 0
	})
}
