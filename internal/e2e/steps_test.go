package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
)

// step takes one step of an administrator.
func step(t *testing.T, s *app.Service, id, name string) (status int, r refusal) {
	t.Helper()
	status, _ = ask(t, s, http.MethodPost, "/v1/erasures/"+id+"/"+name, mustMint(t, "1", jobs.Admin), "", &r)
	return status, r
}

func TestACancelWhileTwoWorkersRunStopsBothAndReportsTrueCounts(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.batch = 40
	g := newGate(t, "chunk:erased") // in the middle of a transaction
	service := s.start(t, both, app.Tuning{Failpoint: g.pass})
	s.start(t, onlyWorker, app.Tuning{Failpoint: g.pass})
	c := admin(t, service, "1")
	asked := s.plain(t, 1, 90)
	before := s.snapshot(t, asked)
	job := mustErase(t, c, apiclient.Erasure{ClientIDs: asked, Locale: "it"})
	g.await(t)
	g.await(t)
	answered := make(chan int, 1)
	go func() {
		status, _ := step(t, service, job.ID, "cancel")
		answered <- status
	}()
	bookingdb.Wait(t, "the cancel to wait for the chunks under way", func() bool {
		return s.Int(t, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%cancelled%'`) == 1
	})
	g.open()
	if status := <-answered; status != http.StatusOK {
		t.Fatalf("the cancel is answered %d", status)
	}
	job = until(t, c, job.ID, "the mail", mailed)
	left := s.Existing(t, asked)
	gone := job.Counts.Erased + job.Counts.ErasedRetained
	if job.State != jobs.Cancelled || gone == 0 || job.Counts.Pending != len(left) || gone+len(left) != len(asked) {
		t.Errorf("%d are left: %+v", len(left), job)
	}
	mail := parts(t, s.mails(t, 1)[0])
	text := strings.Join(strings.Fields(mail["text/plain"]), " ")
	if !strings.Contains(strings.ToLower(mail["subject"]+text), "annullat") || !strings.Contains(text, fmt.Sprint(len(left))) {
		t.Errorf("the mail: %s\n%s", mail["subject"], mail["text/plain"])
	}
	// Hints that are still in Redis find nothing to do.
	for _, task := range s.Strings(t, "SELECT id::text FROM oubli.tasks WHERE job_id = $1 AND kind = 'batch'", job.ID) {
		s.hint(t, jobs.BatchTask, task)
	}
	other := s.plain(t, 2, 1)
	second := admin(t, service, "2")
	until(t, second, mustErase(t, second, apiclient.Erasure{ClientIDs: other}).ID, "a job that comes after", ended)
	if now := s.Existing(t, asked); len(now) != len(left) {
		t.Errorf("%d are left, %d were when the job was cancelled", len(now), len(left))
	}
	b, _ := s.belongings(t, left)
	for _, id := range left {
		if b[id] != before.each[id] {
			t.Errorf("client %s is there, and changed", id)
		}
	}
}

func TestAJobCanBeCancelledDuringItsGracePeriod(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	service := s.startWith(t, both, "OUBLI_GRACE=24h")
	c := admin(t, service, "1")
	asked := s.plain(t, 1, 6)
	soonest, later := time.Now().Add(23*time.Hour), time.Now().Add(72*time.Hour).Truncate(time.Second)

	waits := mustErase(t, c, apiclient.Erasure{ClientIDs: asked[:1]})
	if waits.State != jobs.Scheduled || waits.NotBefore == nil || waits.NotBefore.Before(soonest) || waits.NotBefore.After(later) {
		t.Errorf("a job within its grace: %+v", waits)
	}
	asks := mustErase(t, c, apiclient.Erasure{ClientIDs: asked[1:2], NotBefore: &later})
	if asks.NotBefore == nil || !asks.NotBefore.Equal(later) {
		t.Errorf("a job that names its start: %+v", asks)
	}
	// A request with a start time has no grace period.
	hour := time.Now().Add(time.Hour).Truncate(time.Second)
	early := mustErase(t, c, apiclient.Erasure{ClientIDs: asked[2:3], NotBefore: &hour})
	if early.NotBefore == nil || !early.NotBefore.Equal(hour) {
		t.Errorf("a job that names an earlier start: %+v", early)
	}
	dry := until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: asked, DryRun: true}).ID, "the end of what need not wait", ended)
	if dry.State != jobs.Completed || dry.NotBefore != nil {
		t.Errorf("a dry run: %+v", dry)
	}
	if status, r := step(t, service, waits.ID, "cancel"); status != http.StatusOK {
		t.Errorf("the cancel is answered %d %+v", status, r)
	}
	s.Exec(t, "UPDATE oubli.tasks SET run_at = now() WHERE kind = 'batch'")
	if job := until(t, c, asks.ID, "the end", ended); job.State != jobs.Completed {
		t.Errorf("%+v", job)
	}
	if job := until(t, c, waits.ID, "the mail", mailed); job.State != jobs.Cancelled || job.Counts.Pending != 1 || job.StartedAt != nil {
		t.Errorf("cancelled within its grace: %+v", job)
	}
	if left := s.Existing(t, asked[:2]); len(left) != 1 || left[0] != asked[0] {
		t.Errorf("left are %v, want the one whose job was cancelled", left)
	}
}
