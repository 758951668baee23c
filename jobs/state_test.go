package jobs_test

import (
	"strings"
	"testing"

	"github.com/oubli/oubli/jobs"
)

// mayBecome repeats the state machine in another form: one line for each state,
// one column for each state in the order of jobs.States.
const mayBecome = `
scheduled                 . X X . X . . X
running                   . . X X X X X X
paused                    X X . . X X X X
blocked                   . X X . X X X X
completed                 . . . . . . . .
completed_with_exceptions . . . . . . . .
failed                    . . . . . . . .
cancelled                 . . . . . . . .`

func TestEveryPairOfStatesIsAllowedOrNot(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(mayBecome), "\n")
	if len(lines) != len(jobs.States()) {
		t.Fatalf("%d states, %d in the table", len(jobs.States()), len(lines))
	}
	for i, from := range jobs.States() {
		cells := strings.Fields(lines[i])
		if cells[0] != string(from) {
			t.Fatalf("line %d is about %s, want %s", i, cells[0], from)
		}
		var next []jobs.State
		for k, to := range jobs.States() {
			want := cells[k+1] == "X"
			if got := from.CanBecome(to); got != want {
				t.Errorf("%s → %s: allowed %v, want %v", from, to, got, want)
			}
			if want {
				next = append(next, to)
			}
		}
		if got := from.Next(); len(got) != len(next) {
			t.Errorf("%s.Next() = %v, want %v in any order", from, got, next)
		}
		if from.Final() != (len(next) == 0) || !from.Valid() {
			t.Errorf("%s: final %v, valid %v", from, from.Final(), from.Valid())
		}
	}
}

func TestAWordThatIsNoStateIsNeitherValidNorFinal(t *testing.T) {
	t.Parallel()
	for _, s := range []jobs.State{"", "done", "Running"} {
		if s.Valid() || s.Final() || len(s.Next()) > 0 || s.CanBecome(jobs.Running) || jobs.Running.CanBecome(s) {
			t.Errorf("%q passes for a state", s)
		}
	}
}

func TestNextCannotBeUsedToChangeTheMachine(t *testing.T) {
	t.Parallel()
	next := jobs.Running.Next()
	next[0] = jobs.Scheduled
	if jobs.Running.CanBecome(jobs.Scheduled) {
		t.Error("a caller changed the state machine")
	}
}

// A final state is reachable from every open state: otherwise a job could stay
// open for ever.
func TestEveryOpenStateLeadsToAnEnd(t *testing.T) {
	t.Parallel()
	for _, s := range jobs.States() {
		if s.Final() {
			continue
		}
		if !s.CanBecome(jobs.Cancelled) {
			t.Errorf("a job that is %s cannot be cancelled", s)
		}
	}
}

func TestAJobEndsAsItsCountsSay(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		counts jobs.Counts
		want   jobs.State
	}{
		"nobody asked for":                   {jobs.Counts{}, jobs.Completed},
		"all erased":                         {jobs.Counts{Erased: 3}, jobs.Completed},
		"erased, something retained":         {jobs.Counts{Erased: 3, ErasedRetained: 1}, jobs.Completed},
		"one skipped":                        {jobs.Counts{Erased: 3, Skipped: 1}, jobs.CompletedWithExceptions},
		"one not found":                      {jobs.Counts{Erased: 3, NotFound: 1}, jobs.CompletedWithExceptions},
		"one failed":                         {jobs.Counts{Erased: 3, Failed: 1}, jobs.CompletedWithExceptions},
		"one failed, others retained":        {jobs.Counts{ErasedRetained: 3, Failed: 1}, jobs.CompletedWithExceptions},
		"all skipped":                        {jobs.Counts{Skipped: 3}, jobs.CompletedWithExceptions},
		"all not found":                      {jobs.Counts{NotFound: 3}, jobs.CompletedWithExceptions},
		"all failed":                         {jobs.Counts{Failed: 3}, jobs.Failed},
		"one failed and nobody erased":       {jobs.Counts{Failed: 1, Skipped: 7, NotFound: 2}, jobs.Failed},
		"skipped and not found, none failed": {jobs.Counts{Skipped: 7, NotFound: 2}, jobs.CompletedWithExceptions},
	} {
		if got := jobs.EndState(test.counts); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
