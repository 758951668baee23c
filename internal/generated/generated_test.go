package generated_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/generated"
)

var (
	seeds = flag.Int("seeds", 0, "how many databases to make up; 0: 30, or 10 with -short")
	first = flag.Uint64("seed", 1, "the first seed; each further database has the next one")
	dump  = flag.String("dump", "", "directory for the SQL and the map of what goes wrong")
)

// knownFaults are the kinds that break a guarantee today.
var knownFaults []string

// The test generates databases and erases in them. Nothing may be left of what
// check calls covered and the job calls erased, and nothing else may have changed. A
// failure prints its seed, and the smallest database with the same finding.
func TestWhatIsErasedLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	d := open(t)
	n := *seeds
	switch {
	case n > 0:
	case testing.Short():
		n = 10
	default:
		n = 30
	}
	for seed := *first; seed < *first+uint64(n); seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			r, err := d.run(t, generated.Draw(seed, knownFaults))
			if err != nil {
				t.Fatalf("%v\n%s", err, text(r))
			}
			t.Log(r.Spec.Describe() + "\n" + r.describe())
			if len(r.findings) == 0 {
				return
			}
			t.Errorf("%s\n%s", r.Spec.Describe(), lines(r.findings))
			small := d.reduce(t, r, r.findings[0])
			t.Errorf("reduced: %s\n%s\n%s\n%s", small.Spec.Describe(), small.describe(), lines(small.findings), text(small))
			save(t, fmt.Sprintf("seed-%d", seed), small)
		})
	}
}

// Each kind is tried alone. The known faults must still be found: otherwise the list
// is outdated.
func TestEveryKindOfInterference(t *testing.T) {
	t.Parallel()
	d := open(t)
	for _, k := range generated.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			r, err := d.run(t, generated.Alone(k.Name))
			if err != nil {
				t.Fatalf("%v\n%s", err, text(r))
			}
			t.Log(r.describe())
			switch known := slices.Contains(knownFaults, k.Name); {
			case known && len(r.findings) == 0:
				t.Errorf("%q breaks no guarantee any more: remove it from knownFaults", k.Name)
			case known:
				t.Logf("known:\n%s", lines(r.findings))
			case len(r.findings) > 0:
				t.Errorf("%s\n%s", lines(r.findings), text(r))
			}
			if len(r.findings) > 0 {
				save(t, strings.NewReplacer(" ", "-", ",", "").Replace(k.Name), r)
			}
		})
	}
}

// The control: an erasure without a finding, and then a statement that breaks a
// guarantee.
func TestTheJudgeFindsWhatIsBroken(t *testing.T) {
	t.Parallel()
	d := open(t)
	other := "'%" + generated.Marker(2) + "%'" // a client who is not to be erased
	for what, sql := range map[string]string{
		"":                  "SELECT",
		"marker left":       "UPDATE services SET kind = 'for " + generated.Marker(3) + "' WHERE id = 1",
		"changed":           "UPDATE visits SET amount = amount + 1 WHERE body LIKE " + other,
		"row lost":          "DELETE FROM visits WHERE body LIKE " + other,
		"rows came":         "INSERT INTO visits (body) VALUES ('')",
		"not unlinked":      "UPDATE visits SET client_id = (SELECT id FROM clients WHERE name LIKE " + other + ") WHERE body IS NULL",
		"not as ruled":      "UPDATE visits SET body = 'x' WHERE body IS NULL",
		"reference left":    "UPDATE visits SET client_id = '" + generated.Alone("").Build().Keys()[0] + "' WHERE body IS NULL",
		"rows came or went": "DELETE FROM services",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r, err := d.runAnd(t, generated.Alone(""), sql)
			if err != nil {
				t.Fatal(err)
			}
			found := what == "" && len(r.findings) == 0 || slices.ContainsFunc(r.findings,
				func(f generated.Finding) bool { return f.What == what })
			if !found || len(r.outcome.Erased) != len(r.Asked) {
				t.Errorf("%s; found:\n%s", r.describe(), lines(r.findings))
			}
		})
	}
}

func TestASeedAlwaysMakesTheSameCase(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		a, b := generated.Draw(seed, nil).Build(), generated.Draw(seed, nil).Build()
		if a.SQL != b.SQL || a.Map != b.Map || !slices.Equal(a.Asked, b.Asked) {
			t.Errorf("seed %d makes two cases", seed)
		}
	}
}

func text(r *result) string { return "-- SQL\n" + r.SQL + "\n# map\n" + r.Map }

// save writes the case to the directory of -dump.
func save(t *testing.T, name string, r *result) {
	t.Helper()
	if *dump == "" {
		return
	}
	head := fmt.Sprintf("%s\n%s\n%s\nasked %v", r.Spec.Describe(), r.describe(), lines(r.findings), r.Keys())
	head = "-- " + strings.ReplaceAll(head, "\n", "\n-- ") + "\n"
	for ext, content := range map[string]string{".sql": head + r.SQL, ".yaml": r.Map} {
		if err := os.WriteFile(filepath.Join(*dump, name+ext), []byte(content), 0o644); err != nil {
			t.Error(err)
		}
	}
}
