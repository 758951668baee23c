package interleaving_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/interleaving"
)

// everywhere runs one statement at every stop before the program's n-th commit, and
// returns what equals no serial order.
func (d *tried) everywhere(t *testing.T, sql string, held bool) []*finding {
	t.Helper()
	return d.everywhereAt(t, sql, held, "")
}

// everywhereAt is everywhere for a transaction of this isolation level, which has
// begun before the program.
func (d *tried) everywhereAt(t *testing.T, sql string, held bool, level string) []*finding {
	t.Helper()
	if !slices.Contains(d.statements, sql) {
		t.Fatalf("not among the statements: %s", sql)
	}
	var all []*finding
	end := slices.IndexFunc(d.stops, func(s interleaving.Stop) bool { return s.SQL == "commit" })
	for at := range end + 1 {
		tx := interleaving.Transaction{SQL: sql, At: at, Commit: at, Level: level}
		if held {
			tx.Commit = len(d.stops)
		}
		f, err := d.check(t.Context(), interleaving.Schedule{tx})
		if err != nil {
			t.Fatal(err)
		}
		if f != nil {
			all = append(all, f)
		}
	}
	return all
}

// TestTheDriverFindsWhatALockOrASecondJudgementPrevents is the control: each is
// taken away in turn, and the driver must find what then goes wrong.
func TestTheDriverFindsWhatALockOrASecondJudgementPrevents(t *testing.T) {
	t.Parallel()
	guards := func(sql string) bool { return strings.Contains(sql, "'open_invoice'") }
	for _, c := range []struct {
		name string
		sql  string
		held bool
		take func(p *interleaving.Proxy)
	}{
		{"the second judgement", "UPDATE \"vouchers\" SET \"unpaid\" = 'true' WHERE id = '1' AND \"client_id\" = '1'", false,
			func(p *interleaving.Proxy) { p.Repeats = guards }},
		{"the lock on parents", "UPDATE \"visits\" SET \"client_id\" = '3' WHERE id = '4'", true,
			func(p *interleaving.Proxy) {
				// A sweep's own lock goes on after these words and stays.
				p.Rewrite = func(sql string) string { return strings.TrimSuffix(sql, "FOR UPDATE OF \"t\"") }
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := scenarios[0]
			d := s.open(t, func(*interleaving.Proxy) {})
			if found := d.everywhere(t, c.sql, c.held); len(found) > 0 {
				t.Errorf("with it: %s", found[0].describe())
			}
			d = s.open(t, c.take)
			if found := d.everywhere(t, c.sql, c.held); len(found) == 0 {
				t.Error("without it nothing is found")
			} else {
				t.Logf("found %d, such as %s", len(found), found[0].describe())
			}
		})
	}
}

// TestARowThatIsAddedBelowAKeptRowStaysUnlessItsOwnerIsLocked shows what
// docs/fine-print.md says: the insertion waits for the chunk, and then the visit is
// still there, although it is nobody's by now.
func TestARowThatIsAddedBelowAKeptRowStaysUnlessItsOwnerIsLocked(t *testing.T) {
	t.Parallel()
	d := scenarios[0].open(t)
	for sql, stays := range map[string]bool{
		"INSERT INTO photos SELECT 77, 2, 'late' WHERE EXISTS (SELECT FROM visits WHERE id = 2 AND client_id = 2)":                     true,
		"INSERT INTO photos SELECT 77, 2, 'late' FROM visits WHERE id = 2 AND client_id = 2 FOR KEY SHARE":                             false,
		"INSERT INTO photos SELECT 77, 2, 'late' FROM clients WHERE id = 2 FOR KEY SHARE":                                              false,
		"INSERT INTO photos SELECT 77, 2, 'late' FROM visits AS v JOIN clients AS c ON c.id = client_id WHERE v.id = 2 FOR SHARE OF c": false,
	} {
		d.statements = append(d.statements, sql)
		found := d.everywhere(t, sql, false)
		if (len(found) > 0) != stays {
			t.Errorf("%s: %d times it equals no serial order, such as %v", sql, len(found), found)
		}
		for _, f := range found {
			if !slices.Equal(f.nearest, []string{"+ photos id=77 image=late visit_id=2"}) {
				t.Error(f.describe())
			}
		}
	}
}

// TestAGuardOverATableOutsideOfTheMapCanBeginToHoldBetweenTheSecondJudgementAndTheCommit
// shows what docs/fine-print.md says, and that it happens at no other moment. A lock
// on the rows of that table would not help: PostgreSQL does not read the client again
// when the statement has waited for it.
func TestAGuardOverATableOutsideOfTheMapCanBeginToHoldBetweenTheSecondJudgementAndTheCommit(t *testing.T) {
	t.Parallel()
	d := scenarios[0].open(t)
	for _, sql := range []string{
		"INSERT INTO deposits SELECT 77, 1, true FROM clients WHERE id = 1",
		"UPDATE deposits SET open = true WHERE id = 1 AND EXISTS (SELECT FROM clients WHERE id = 1)",
	} {
		d.statements = append(d.statements, sql)
		var at []string
		for _, f := range d.everywhere(t, sql, false) {
			at = append(at, f.result.Stops[f.schedule[0].At].String())
		}
		if len(at) != 2 || !strings.HasPrefix(at[0], "within SELECT \"c\".\"id\"::text, CASE") || at[1] != "before commit" {
			t.Errorf("%s: %q", sql, at)
		}
	}
}

// Whoever has read a client before the chunk began, and keeps that snapshot, adds a
// row to the client: with a foreign key the addition waits and is refused.
func TestARowThatIsAddedAtAnyIsolationLevelLeavesNoTrace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ level, deferred string }{
		{"serializable", ""}, {"repeatable read", " DEFERRABLE INITIALLY DEFERRED"},
	} {
		t.Run(c.level+c.deferred, func(t *testing.T) {
			t.Parallel()
			s := scenarios[0]
			s.replace = [2]string{"REFERENCES clients,\n  session", "REFERENCES clients" + c.deferred + ",\n  session"}
			d := s.open(t)
			sql := "INSERT INTO visits SELECT 77, 1, 7, '2020-01-01', 'trace'"
			d.statements = append(d.statements, sql)
			for _, f := range d.everywhereAt(t, sql, false, c.level) {
				t.Error(f.describe())
			}
		})
	}
}
