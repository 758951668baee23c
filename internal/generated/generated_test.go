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

// awaitingProve are the kinds that break a promise today. An erasure does not yet
// look at what it has left behind: it must become empty.
var awaitingProve = []string{
	"history of a kept row, mapped through it",
	"history of a deleted row, mapped through it",
	"history at the end of the transaction, mapped by client",
	"history at the end of the transaction, mapped through its row",
	"history of a kept row, mapped by client and listed first",
	"history of a deleted row, mapped by client and listed first",
	"history of a row of two clients",
	"inheriting table with a column of its own",
	"history outside of the map",
	"history of the client, mapped by client",
	"history of the client, outside of the map",
	"delete suppressed, soft reference",
	"delete suppressed, foreign key",
	"delete suppressed on a partition",
	"delete suppressed on an inheriting table",
	"soft delete instead",
	"update suppressed",
	"column put back",
	"column of a kept row put back",
	"column of the client's kept row put back",
	"reference put back",
	"row inserted again",
	"row inserted again at the end of the transaction",
	"client inserted again",
	"copied into another mapped table",
	"copied into the kept parent's row at the end of the transaction",
	"discriminator is NULL",
	"discriminator is spelled otherwise",
	"condition is unknown for NULL",
	"condition leaves rows with a foreign key",
	"two references that must differ",
}

// TestWhatIsErasedLeavesNothingBehind makes up databases and erases in them. Of
// whatever check calls covered and the job calls erased nothing may be left, and
// nothing else may have changed. A failure prints its seed, and the smallest
// database in which the same goes wrong.
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
			r, err := d.run(t, generated.Draw(seed, awaitingProve))
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

// TestEveryKindOfInterference meets each kind by itself. Those that await the
// proof must still break their promise, or the list is not true any more.
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
			switch known := slices.Contains(awaitingProve, k.Name); {
			case known && len(r.findings) == 0:
				t.Errorf("%q holds now: take it off the list of what awaits the proof", k.Name)
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
