package repository_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

func TestEachTransitionOfATaskIsOneStatementThatDoesThatAndNothingElse(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	open(t, db)
	if len(repository.TaskTransitionSQL) != len(jobs.TaskTransitions()) {
		t.Fatalf("%d statements, %d transitions", len(repository.TaskTransitionSQL), len(jobs.TaskTransitions()))
	}
	for _, step := range jobs.TaskTransitions() {
		sql, ok := repository.TaskTransitionSQL[step]
		if !ok {
			t.Errorf("transition %s has no statement", step)
			continue
		}
		for _, from := range jobs.TaskStates() {
			job, task := taskIn(t, db, from)
			const attempt = 7
			args := map[jobs.TaskTransition][]any{
				jobs.ClaimTask:   {task, time.Minute, 2, nil, time.Minute, true},
				jobs.ReleaseTask: {task, attempt, time.Minute, 0, "a test"},
				jobs.YieldTask:   {task, attempt, nil},
				jobs.RecoverTask: {},
				jobs.FinishTask:  {task, attempt},
				jobs.FinishMail:  {task, attempt},
				jobs.GiveUpMail:  {task, attempt, "a test"},
				jobs.CancelTask:  {job},
			}[step]
			db.Exec(t, sql, args...)
			want := from
			if slices.Contains(step.From(), from) {
				want = step.To()
			}
			if got := db.Strings(t, "SELECT state FROM oubli.tasks WHERE id = $1", task)[0]; got != string(want) {
				t.Errorf("%s makes %s of a task that is %s, want %s", step, got, from, want)
			}
			db.Exec(t, "DELETE FROM oubli.jobs")
		}
	}
}

// taskIn inserts a job with one task in this state, which has no clients and, if
// it runs, a lease that ran out; and another tenant's task that waits for a
// worker, so that a task may yield.
func taskIn(t *testing.T, db *bookingdb.DB, state jobs.TaskState) (job, task string) {
	t.Helper()
	job, tasks := plant(t, db, "1", jobs.Interactive, 1)
	db.Exec(t, `UPDATE oubli.tasks SET keys = '{}', attempt = 7, state = $2::text,
		lease_until = CASE WHEN $2::text = 'running' THEN now() - interval '1 second' END WHERE id = $1`, tasks[0], state)
	_, waiting := plant(t, db, uuid.NewString(), jobs.Interactive, 1)
	db.Exec(t, "UPDATE oubli.tasks SET dispatched_at = now() WHERE id = $1", waiting[0])
	return job, tasks[0]
}

// writesTaskState finds statements that set the state of a task, with or without
// an alias.
var writesTaskState = regexp.MustCompile(`(?is)UPDATE\s+oubli\.tasks\b[^` + "`" + `"]*?\bSET\b[^` + "`" + `"]*?\bstate\s*=`)

func TestNoOtherStatementChangesATasksState(t *testing.T) {
	t.Parallel()
	if !writesTaskState.MatchString("WITH x AS (SELECT 1)\nUPDATE oubli.tasks AS t\nSET lane = NULL, state = 'done'\nFROM x") {
		t.Error("the pattern does not find what it is for")
	}
	read := 0
	for _, dir := range []string{".", "../worker", "../jobs", "../mailer", "../internal", "../cmd"} {
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			read++
			for _, found := range writesTaskState.FindAllString(string(text), -1) {
				set := found[strings.LastIndex(strings.ToUpper(found), "SET"):]
				if path != "task_transitions.go" && !strings.Contains(strings.ToUpper(set), "WHERE") {
					t.Errorf("%s: %s…", path, found)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if read < 100 {
		t.Errorf("only %d files were read", read)
	}
}
