package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/terminal"
	"github.com/oubli/oubli/internal/testdb"
	"github.com/oubli/oubli/jobs"
)

func TestAJobSaysThatItWaitsForTheBusyDatabase(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.URL = testdb.URL(t, s.Pool) // a role that sees other sessions
	service := s.startWith(t, both, "OUBLI_MAX_ACTIVE_SESSIONS=1", "OUBLI_WORK_SHARE=50")
	c := admin(t, service, "1")
	asked := s.plain(t, 1, 10)
	ctx, endLoad := context.WithCancel(t.Context())
	defer endLoad()
	for range 2 {
		go func() { _, _ = s.Pool.Exec(ctx, "SELECT pg_sleep(120)") }()
	}
	bookingdb.Wait(t, "the database to be busy", func() bool {
		return s.Int(t, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND query = 'SELECT pg_sleep(120)' AND state = 'active'`) == 2
	})
	waits := func(j jobs.Job) bool { return j.WaitingFor != "" }
	job := until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: asked}).ID, "the worker to wait", waits)
	const why = "sessions of others are at work, 1 are allowed"
	var shown strings.Builder
	terminal.WriteOutcome(&shown, job)
	if !strings.Contains(job.WaitingFor, why) || !strings.Contains(shown.String(), "waiting: "+job.WaitingFor) || job.State != jobs.Running {
		t.Errorf("%+v is shown as\n%s", job, shown.String())
	}
	if n := len(s.Existing(t, asked)); n != len(asked) {
		t.Errorf("%d of %d are left although the database is busy", n, len(asked))
	}
	endLoad()
	job = until(t, c, job.ID, "the end", mailed)
	if job.State != jobs.Completed || job.WaitingFor != "" || len(s.Existing(t, asked)) != 0 {
		t.Errorf("after the strain: %+v", job)
	}
}
