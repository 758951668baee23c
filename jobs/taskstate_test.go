package jobs_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/oubli/oubli/jobs"
)

// taskSteps repeats the state machine of tasks in another form: one line for
// each state, one column for each state in the order of jobs.TaskStates, and in
// each cell the transitions that lead from the one to the other.
const taskSteps = `
pending   -                     claim -                  -            cancel
running   release,yield,recover claim finish,finish_mail give_up_mail cancel
done      -                     -     -                  -            -
failed    -                     -     -                  -            -
cancelled -                     -     -                  -            -`

func TestEveryPairOfTaskStatesHasItsTransitionsOrNone(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(taskSteps), "\n")
	if len(lines) != len(jobs.TaskStates()) {
		t.Fatalf("%d states, %d in the table", len(jobs.TaskStates()), len(lines))
	}
	met := map[string]bool{}
	for i, from := range jobs.TaskStates() {
		cells := strings.Fields(lines[i])
		if cells[0] != string(from) {
			t.Fatalf("line %d is about %s, want %s", i, cells[0], from)
		}
		for k, to := range jobs.TaskStates() {
			var got []string
			for _, step := range jobs.TaskTransitions() {
				if step.To() == to && slices.Contains(step.From(), from) {
					got = append(got, string(step))
					met[string(step)] = true
				}
			}
			want := strings.Trim(cells[k+1], "-")
			if strings.Join(got, ",") != want {
				t.Errorf("%s → %s by %v, want %s", from, to, got, want)
			}
			if from.CanBecome(to) != (want != "") || slices.Contains(from.Next(), to) != (want != "") {
				t.Errorf("%s → %s: allowed %v, Next() = %v, want %v", from, to, from.CanBecome(to), from.Next(), want != "")
			}
		}
		if from.Final() != (len(from.Next()) == 0) || !from.Valid() {
			t.Errorf("%s: final %v, valid %v", from, from.Final(), from.Valid())
		}
	}
	for _, step := range jobs.TaskTransitions() {
		if !met[string(step)] {
			t.Errorf("transition %s has no state after it", step)
		}
	}
}

func TestAWordThatIsNoTaskStateOrTransitionLeadsNowhere(t *testing.T) {
	t.Parallel()
	for _, s := range []jobs.TaskState{"", "paused", "Running"} {
		if s.Valid() || s.Final() || len(s.Next()) > 0 || s.CanBecome(jobs.TaskRunning) {
			t.Errorf("%q passes for a state", s)
		}
	}
	if step := jobs.TaskTransition("undo"); step.From() != nil || step.To() != "" {
		t.Errorf("%q leads from %v to %q", step, step.From(), step.To())
	}
}
