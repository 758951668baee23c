package repository_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// measures are the functions that may ask this process's clock. All of them
// measure how long something takes, and a monotonic clock does that.
var measures = map[string]string{
	"repository/chunk.go EraseChunk":                     "how long the chunk took",
	"repository/chunk_record.go claimAfter":              "for how long clients have been put behind the others",
	"repository/claim.go claim":                          "for how long clients have been put behind the others",
	"repository/load.go CheckLoad":                       "how old the last look at the load is",
	"repository/mail.go Deliver":                         "how long the lease still is",
	"internal/mixing/mixer.go MixRows":                   "how long the round took",
	"repository/secondlook_erase.go eraseLateRows":       "for how long one transaction has searched for rows that are refused",
	"repository/unused_profiles.go removeUnusedProfiles": "how long ago it looked last",
	"worker/dispatcher.go every":                         "how long a round has taken",
	"worker/yield.go redisDown":                          "how long ago Redis did not answer",
}

// What is due, expired or over is decided by the database's clock. A process whose
// clock is years ahead would clear what the law keeps.
func TestOnlyTheDatabasesClockDecides(t *testing.T) {
	t.Parallel()
	unused := maps.Clone(measures)
	for _, dir := range []string{"repository", "worker", "internal/backlog", "internal/mixing"} {
		files, err := filepath.Glob("../" + dir + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("no files: %v", err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range parsed.Decls {
				ast.Inspect(d, func(n ast.Node) bool {
					call, ok := n.(*ast.SelectorExpr)
					if !ok || fmt.Sprint(call.X) != "time" || call.Sel.Name != "Now" {
						return true
					}
					where := dir + "/" + filepath.Base(file)
					if f, ok := d.(*ast.FuncDecl); ok {
						where += " " + f.Name.Name
					}
					if measures[where] == "" {
						t.Errorf("%s asks this process's clock: let the database's decide, or say in this test what it measures", where)
					}
					delete(unused, where)
					return true
				})
			}
		}
	}
	if len(unused) > 0 {
		t.Errorf("these do not ask the clock any more: %v", slices.Sorted(maps.Keys(unused)))
	}
}

func TestTheDatabaseSaysWhichDayItIs(t *testing.T) {
	t.Parallel()
	s := newShape(t, fmt.Sprintf(invoicesMap, ""), fmt.Sprintf(invoicesSQL, "NOT NULL REFERENCES clients")+`
UPDATE studios SET country = 'GB';
TRUNCATE invoices;
INSERT INTO invoices (client_id, issued_on, billing) VALUES
  (1, current_date - interval '6 years' + interval '3 days', 'Marie'),
  (2, current_date - interval '6 years' + interval '20 days', 'Paul');`)
	if j := s.eraseAll(t, "1", "1", "2"); j.Counts.ErasedRetained != 2 {
		t.Fatalf("%+v", j)
	}
	if n := s.sweep(t); n != 0 {
		t.Errorf("%d rows are cleared too early", n)
	}
	s.Exec(t, "UPDATE invoices SET issued_on = issued_on - 10")
	s.Exec(t, "TRUNCATE oubli.retention_sweeps, oubli.retained_rows")
	s.sweep(t)
	s.is(t, "SELECT client_id > 1000, billing FROM invoices ORDER BY issued_on", "t -", "t Paul")
	day := s.lines(t, "SELECT (now() AT TIME ZONE 'Etc/GMT+12')::date")[0]
	if got := retention(t, s.store, "1").Sweeps[0].Day.String(); got != day && got != dayOf(t, day).AddDate(0, 0, -1).Format(time.DateOnly) {
		t.Errorf("the sweep is of %s, in the database it is %s", got, day)
	}
}

func (s *shape) sweep(t *testing.T) int64 { return sweep(t, s.store) }
