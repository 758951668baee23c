package repository_test

import (
	"slices"
	"testing"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/local"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// crashing is a server that writes what nobody waits for as late as it can, so
// that a crash loses it.
func crashing(t *testing.T) (db *bookingdb.DB, crash func()) {
	t.Helper()
	settings := map[string]string{"wal_writer_delay": "10s", "autovacuum": "off"}
	pg, err := local.StartPostgres(t.Context(), local.PostgresOptions{Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pg.Close() })
	db = bookingdb.On(t, pg.URL("postgres"), 300)
	return db, func() {
		t.Helper()
		pg.Kill()
		if err := pg.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		bookingdb.Wait(t, "the pool to notice", func() bool { return db.Pool.Ping(t.Context()) == nil })
	}
}

// eventuallyErase erases the next chunk, over connections of before the crash
// first.
func eventuallyErase(t *testing.T, s *repository.Store, c *jobs.Claim, n int) (chunk jobs.Chunk, err error) {
	t.Helper()
	bookingdb.Wait(t, "a connection that lives", func() bool {
		chunk, err = s.EraseChunk(t.Context(), c, n)
		return jobs.KindOf(err) != jobs.Unavailable
	})
	return chunk, err
}

func TestACrashOfTheServerLosesAChunkAndItsRecordTogether(t *testing.T) {
	t.Parallel()
	db, crash := crashing(t)
	erasable(t, db)
	s := open(t, db)
	keys := db.Clients(t, 1, 40)
	j := accept(t, s, "1", keys)
	c := claimFirst(t, s)
	mustErase(t, s, c, 4) // with profiles, whose making waits for the disk
	erased := 4
	// The server writes by itself every ten seconds. On a slow machine that can be now.
	for lost := false; !lost && erased < 36; erased += 4 {
		mustErase(t, s, c, 4)
		lost = db.Int(t, "SELECT (pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn())::int") == 1
	}
	crash()
	at := db.Int(t, "SELECT position FROM oubli.tasks WHERE kind = 'batch'")
	if gone := len(keys) - len(db.Existing(t, keys)); gone != at || at >= erased {
		t.Errorf("%d clients are gone and %d recorded; the last of %d should have been lost", gone, at, erased)
	}
	// The worker that still holds the old claim is stopped.
	_, err := eventuallyErase(t, s, c, 4)
	fenced(t, "the claim of before", err)
	expire(t, db)
	c = mustClaim(t, s, c.TaskID)
	for c.Left() > 0 {
		mustErase(t, s, c, 4)
	}
	if err := s.Finish(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	crash()
	if got := job(t, open(t, db), j.ID); got.State != jobs.Completed || len(db.Existing(t, keys)) != 0 {
		t.Errorf("what had ended is %s with %+v after a crash, and %v are there", got.State, got.Counts, db.Existing(t, keys))
	}
}

func TestAClaimIsFencedOffWhenACrashLostTheOrderOfItsClients(t *testing.T) {
	t.Parallel()
	db, crash := crashing(t)
	erasable(t, db)
	s := open(t, db)
	keys := db.Clients(t, 1, 12)
	accept(t, s, "1", keys)
	c := claimFirst(t, s)
	let := hold(t, db, holdClients, c.Keys[:4])
	if chunk := mustErase(t, s, c, 4); chunk.Deferred != 4 {
		t.Fatalf("held clients: %+v", chunk)
	}
	let()
	crash()
	if stored := db.Strings(t, "SELECT unnest(keys) FROM oubli.tasks WHERE kind = 'batch'"); slices.Equal(stored, c.Keys) {
		t.Fatal("nothing was lost")
	}
	_, err := eventuallyErase(t, s, c, 4)
	fenced(t, "a claim that believes in another order", err)
	expire(t, db)
	c = mustClaim(t, s, c.TaskID)
	for c.Left() > 0 {
		mustErase(t, s, c, 4)
	}
	if left := db.Existing(t, keys); len(left) > 0 {
		t.Errorf("%v are there, and were recorded as erased", left)
	}
}

func TestAnEndedJobSurvivesACrashAlthoughTheDatabaseCommitsAsynchronously(t *testing.T) {
	t.Parallel()
	db, crash := crashing(t)
	erasable(t, db)
	db.Exec(t, "ALTER DATABASE booking SET synchronous_commit = off")
	s := open(t, db)
	keys := db.Clients(t, 1, 3)
	j := accept(t, s, "1", keys)
	work(t, s, 3)
	crash()
	if got := job(t, open(t, db), j.ID); got.State != jobs.Completed || len(db.Existing(t, keys)) != 0 {
		t.Errorf("what had ended is %s with %+v after a crash, and %v are there", got.State, got.Counts, db.Existing(t, keys))
	}
}
