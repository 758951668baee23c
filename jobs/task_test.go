package jobs_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/oubli/oubli/jobs"
)

var taskKinds = []jobs.TaskKind{jobs.BatchTask, jobs.MergeTask, jobs.MailTask}

// asynq's mux calls the handler with the longest pattern that is a prefix of the
// task's type.
func TestNoHintTypeIsAPrefixOfAnother(t *testing.T) {
	t.Parallel()
	for _, a := range taskKinds {
		for _, b := range taskKinds {
			if a != b && strings.HasPrefix(b.HintType(), a.HintType()) {
				t.Errorf("%s is a prefix of %s", a.HintType(), b.HintType())
			}
		}
		if strings.HasPrefix(jobs.TaskKind("other").HintType(), a.HintType()) {
			t.Errorf("a task of an unknown kind has the type %s", a.HintType())
		}
	}
}

func TestAHintCarriesAnIDAndNothingElse(t *testing.T) {
	t.Parallel()
	var fields map[string]string
	if err := json.Unmarshal(jobs.Hint{TaskID: "42"}.Payload(), &fields); err != nil {
		t.Fatal(err)
	}
	if len(fields) != 1 || fields["task_id"] != "42" {
		t.Errorf("payload %v, want the task id alone", fields)
	}
}

func TestEveryDispatchOfATaskHasAHintIDOfItsOwn(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, kind := range taskKinds {
		for _, task := range []string{"1", "11"} {
			for _, no := range []int{1, 2, 11} {
				id := jobs.Dispatch{TaskID: task, Kind: kind, No: no}.HintID()
				if seen[id] {
					t.Errorf("two hints would be %s", id)
				}
				seen[id] = true
			}
		}
	}
}

func TestSmallJobsAndMailsGoBeforeBigOnes(t *testing.T) {
	t.Parallel()
	q := jobs.Queues()
	if len(q) != 3 || q[jobs.Interactive] <= q[jobs.Mail] || q[jobs.Mail] <= q[jobs.Bulk] || q[jobs.Bulk] < 1 {
		t.Errorf("weights %v", q)
	}
}

func TestAClaimKnowsWhatIsLeft(t *testing.T) {
	t.Parallel()
	c := jobs.Claim{Keys: []string{"1", "2", "3"}, Position: 1}
	if c.Left() != 2 {
		t.Errorf("left %d, want 2", c.Left())
	}
}
