package repository_test

import (
	"fmt"
	"testing"

	"github.com/oubli/oubli/jobs"
)

// A merge that leaves rows behind leaves them on nobody, in the transaction that moved
// the other rows to the target. Whoever reads xmin would know whose they were.
func TestRowsThatAMergeLeavesBehindAreMixed(t *testing.T) {
	t.Parallel()
	const tables = `tables:
  - {table: visits, reference: client_id, erase: reassign, columns: {note: null}}
  - {table: letters, reference: client_id, erase: %s, merge: keep, columns: {body: null}}
`
	const letters = `
CREATE TABLE letters (id int PRIMARY KEY, client_id bigint REFERENCES clients, body text);
INSERT INTO letters SELECT n, n, 'letter' FROM generate_series(1, 20) AS n;`
	for _, erase := range []string{"unlink", "reassign"} {
		t.Run(erase, func(t *testing.T) {
			t.Parallel()
			s := newShape(t, noTenant+fmt.Sprintf(tables, erase), visitsSQL+letters, impatient)
			var all []jobs.Job
			for n := range jobs.MixClients {
				source, target := fmt.Sprint(n+1), fmt.Sprint(n+21)
				all = append(all, merge(t, s.store, s.DB, mergeRequest("1", target, []string{source})))
			}
			const shared = `SELECT count(*) FROM letters AS l WHERE (SELECT count(*) FROM letters AS o WHERE o.xmin = l.xmin) > 1`
			s.is(t, "SELECT count(*) FROM letters AS l JOIN visits AS v ON v.xmin = l.xmin", "60") // the control
			s.is(t, shared, "0")
			if r := mergeJob(t, s.store, all[0].ID).Residue; r == nil || r.Name != "logical" {
				t.Errorf("before mixing: %+v", r)
			}
			mixes(t, s.DB, s.store)
			s.is(t, "SELECT count(*) FROM letters WHERE body IS NULL AND coalesce(client_id, 1001) > 1000", "20")
			s.is(t, "SELECT count(DISTINCT xmin::text) FROM letters", "1")
			s.is(t, "SELECT count(*) FROM visits WHERE client_id BETWEEN 21 AND 40 AND note = 'note'", "120")
			for _, j := range all {
				if r := mergeJob(t, s.store, j.ID).Residue; r == nil || r.Name != jobs.ResidueMixed || r.WaitingFor != "" {
					t.Errorf("after mixing: %+v", r)
				}
			}
		})
	}
}

// All rows of such a merge are the target's, who is known: there is nothing to hide.
func TestAMergeThatMovesEverythingWaitsForNoMixing(t *testing.T) {
	t.Parallel()
	s := newShape(t, visitsMap, visitsSQL, impatient)
	j := merge(t, s.store, s.DB, mergeRequest("1", "2", []string{"1"}))
	if r := mergeJob(t, s.store, j.ID).Residue; r == nil || r.WaitingFor != "" {
		t.Errorf("%+v", r)
	}
	s.is(t, "SELECT count(*) FROM oubli.residues WHERE mix IS NOT NULL", "0")
}
