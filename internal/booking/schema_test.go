package booking_test

import (
	"slices"
	"testing"

	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/testdb"
)

func TestEveryForeignKeyIsServedByAnIndexAndNoneCascades(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, many)
	if n := mustScan[int64](t, db, "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conparentid = 0"); n < 20 {
		t.Fatalf("only %d foreign keys", n)
	}
	const bare = `
		SELECT conrelid::regclass || ' ' || conname FROM pg_constraint c
		WHERE contype = 'f' AND (confdeltype <> 'a' OR NOT convalidated OR NOT EXISTS (
			SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indisvalid AND i.indpred IS NULL AND i.indkey[0] = c.conkey[1]))`
	for _, key := range mustColumn[string](t, db, bare) {
		t.Errorf("%s cascades, is not valid, or no index leads with its column", key)
	}
	// Control: the query above finds a missing index.
	mustExec(t, db, "DROP INDEX appointments_client_id_starts_at_idx")
	if found := mustColumn[string](t, db, bare); len(found) != 1 {
		t.Errorf("without an index on appointments.client_id: found %v", found)
	}
}

func TestALargeLoadCreatesAgainWhatItDropped(t *testing.T) {
	t.Parallel()
	const objects = `
		SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
		WHERE connamespace = 'public'::regnamespace AND conparentid = 0 AND conrelid NOT IN (SELECT inhrelid FROM pg_inherits)
		UNION ALL
		SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename !~ '^messages_'
		ORDER BY 1`
	installed := testdb.New(t)
	if err := booking.Install(t.Context(), installed); err != nil {
		t.Fatal(err)
	}
	want := mustColumn[string](t, installed, objects)
	got := mustColumn[string](t, testdb.New(t, many), objects)
	for _, o := range want {
		if !slices.Contains(got, o) {
			t.Errorf("not created again: %s", o)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d objects after the load, %d before", len(got), len(want))
	}
}
