//go:build unix

package chaos

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/jobs"
)

// The statement that the runbook says to run before a backup is restored.
var saved = regexp.MustCompile(`\\copy \((.*)\) TO erased\.csv CSV`)

func TestTheClientsSavedBeforeARestoreAreErasedAgainAfterIt(t *testing.T) {
	l := openTestLab(t, Options{Clients: 400, Workers: 1})
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	statement := saved.FindSubmatch(text)
	if statement == nil {
		t.Fatal("docs/operations.md has no such statement")
	}
	open := func() *round {
		r, err := l.openRound(t.Context(), seed, &Figures{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := r.close(); err != nil {
				t.Error(err)
			}
		})
		return r
	}
	r := open()
	o := r.erase(t, 10)
	held := r.feeder.take(1, 30) // guards protect some of them
	r.feeder.submit(t.Context(), &order{tenant: "1", keys: held}, apiclient.Erasure{Reason: jobs.SubjectRequest})
	r.settleAndCheck(t)
	rows, err := r.pool.Query(t.Context(), string(statement[1]))
	if err != nil {
		t.Fatal(err)
	}
	type line struct{ Tenant, Client string }
	lines, err := pgx.CollectRows(rows, pgx.RowToStructByPos[line])
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, l := range lines {
		keys = append(keys, l.Client)
	}
	slices.Sort(keys)
	asked := append(slices.Clone(o.keys), held...)
	gone := slices.DeleteFunc(asked, func(k string) bool {
		return r.count(t.Context(), "SELECT count(*) FROM clients WHERE id::text = $1", k) != 0
	})
	if slices.Sort(gone); !slices.Equal(keys, slices.Compact(gone)) || len(keys) < 10 {
		t.Errorf("saved are %v, gone are %v", keys, gone)
	}

	again := open() // a copy of the database as it was before
	again.feeder.submit(t.Context(), &order{tenant: "1", keys: slices.Clone(keys)}, apiclient.Erasure{Reason: jobs.SubjectRequest})
	again.settleAndCheck(t)
	if n := again.count(t.Context(), "SELECT count(*) FROM clients WHERE id::text = ANY($1)", keys); n != 0 {
		t.Errorf("%d of those who were erased are there again", n)
	}
	if len(r.violations)+len(again.violations) > 0 {
		t.Errorf("%v %v", r.violations, again.violations)
	}
}
