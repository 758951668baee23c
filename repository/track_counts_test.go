package repository_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/oubli/oubli/jobs"
)

const uncounted = `
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET track_counts = off', current_database()); END $$;`

// A brief proof compares PostgreSQL's counts of written rows, and a whole one looks in
// them for rows that triggers inserted elsewhere. Without counts neither is one.
func TestAJobIsBlockedWherePostgreSQLDoesNotCountWhatTriggersWrite(t *testing.T) {
	t.Parallel()
	s := newShape(t, visitsMap+acknowledged("stamp"), visitsSQL+stamp+"EXECUTE FUNCTION stamp();"+uncounted)
	accept(t, s.store, "1", []string{"1"})
	due, err := s.store.Dispatch(t.Context())
	if err != nil || len(due) != 1 {
		t.Fatalf("dispatch: %v, %v", due, err)
	}
	c := mustClaim(t, s.store, due[0].TaskID)
	_, err = s.store.EraseChunk(t.Context(), c, 10)
	if e, _ := errors.AsType[*jobs.Error](err); e == nil || e.Code != jobs.CodeOperator || !strings.Contains(e.Msg, "track_counts") {
		t.Errorf("got %v", err)
	}
	s.is(t, "SELECT count(*) FROM visits WHERE client_id = 1 AND note = 'note'", "3")
}

func TestWithoutTriggersNobodyNeedsCountsOfWrittenRows(t *testing.T) {
	t.Parallel()
	s := newShape(t, visitsMap, visitsSQL+uncounted)
	s.eraseAll(t, "1", "1")
	s.is(t, "SELECT count(*) FROM visits WHERE client_id = 1", "0")
}
