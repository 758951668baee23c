package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/oubli/oubli/jobs"
)

func TestStatusShowsAJobAndItsOutcome(t *testing.T) {
	t.Parallel()
	(&desk{steps: goes()[1:]}).open(t).run(t, "status", jobID).expect(t, ExitDone, "Erasure "+jobID+": running", "pending")
	(&desk{steps: goes()[2:]}).open(t).run(t, "status", jobID).expect(t, ExitDone, ": completed\n")
	(&desk{steps: withExceptions()}).open(t).run(t, "status", jobID).expect(t, ExitExceptions, "legal_hold")
	cancelled := goes()[1]
	cancelled.State = jobs.Cancelled
	(&desk{steps: []jobs.Job{cancelled}}).open(t).run(t, "status", jobID).expect(t, ExitExceptions, ": cancelled\n")
	(&desk{}).open(t).run(t, "status", jobID).expect(t, ExitExceptions, "oubli: There is no such erasure. (not_found)\n")
}

func TestStatusWatchesUntilTheEnd(t *testing.T) {
	t.Parallel()
	s := (&desk{steps: goes()}).open(t)
	s.run(t, "status", jobID, "--watch").expect(t, ExitDone, "scheduled: 0/3 clients", "completed: 3/3 clients", ": completed\n")
}

func TestStatusAsJSONIsTheResource(t *testing.T) {
	t.Parallel()
	c := (&desk{steps: withExceptions()}).open(t).run(t, "status", jobID, "--json")
	c.expect(t, ExitExceptions)
	var j jobs.Job
	if err := json.Unmarshal([]byte(c.out), &j); err != nil || j.Counts.Skipped != 1 || j.Rows["appointments"] != 1234 {
		t.Errorf("got %+v, %v", j, err)
	}
}

func TestStatusListsTheClientsThatAreNotPlainlyErased(t *testing.T) {
	t.Parallel()
	until := jobs.Date{Time: time.Date(2035, 12, 31, 0, 0, 0, 0, time.UTC)}
	d := &desk{steps: withExceptions(), exceptions: []jobs.Exception{
		{ClientID: "4711", Outcome: jobs.Skipped, Code: "legal_hold"},
		{ClientID: "4712", Outcome: jobs.ErasedRetained, Code: jobs.CodeRetained, RetainedUntil: &until},
	}}
	d.open(t).run(t, "status", jobID, "--clients").
		expect(t, ExitExceptions,
			"4711                      skipped           legal_hold\n",
			"4712                      erased retained   retained until 2035-12-31\n")
}

func TestStatusWithoutAnIDListsJobs(t *testing.T) {
	t.Parallel()
	d := &desk{steps: append(goes(), withExceptions()...)}
	s := d.open(t)
	c := s.run(t, "status", "--limit", "3")
	c.expect(t, ExitDone, "ID ", "scheduled", "running", "1/3", "older ones")
	if lines := strings.Count(c.out, "\n"); lines != 5 {
		t.Errorf("want a heading, three jobs and a hint, got:\n%s", c.out)
	}
	c = s.run(t, "status", "--state", "completed_with_exceptions", "--json")
	c.expect(t, ExitDone)
	var l jobs.List[jobs.Job]
	if err := json.Unmarshal([]byte(c.out), &l); err != nil || len(l.Items) != 1 {
		t.Errorf("got %s", c.out)
	}
	(&desk{}).open(t).run(t, "status").expect(t, ExitDone, "No erasures.\n")
}
