package e2e

import (
	"context"
	"os"
	"testing"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/cli"
	"github.com/oubli/oubli/jobs"
)

func TestAWorkerThatStopsGivesItsBatchBackAtOnce(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.slots, s.batch = 1, 200 // four chunks or more: the first has fifty clients
	api := s.start(t, onlyAPI, app.Tuning{})
	c := admin(t, api, "1")
	asked := s.plain(t, 1, 110)
	before := s.snapshot(t, asked)
	g := newGate(t, "chunk:erased")
	worker := s.start(t, onlyWorker, app.Tuning{Failpoint: g.pass})
	release := s.hold(t, asked[len(asked)-1])
	job := mustErase(t, c, apiclient.Erasure{ClientIDs: asked})
	g.await(t)
	// Stop the API, so that no other process dispatches the batch or gives it back.
	if err := api.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	stopped := make(chan error, 1)
	go func() { stopped <- worker.Stop(context.Background()) }()
	// The operations listener stops first; then the worker takes no more hints.
	bookingdb.Wait(t, "the stop to begin", func() bool { return !listens(worker.OpsAddr) })
	g.open()
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
	if n := s.Int(t, `SELECT count(*) FROM oubli.tasks WHERE kind = 'batch' AND state = 'pending' AND lease_until IS NULL
		AND lane IS NULL AND run_at <= now() AND failures = 0 AND crashes = 0`); n != 1 {
		t.Errorf("the batch was not given back: %s", s.Strings(t, "SELECT t::text FROM oubli.tasks t"))
	}
	r := s.redisClient(t)
	for _, hint := range s.Strings(t, "SELECT kind || ':' || id || ':' || dispatch_no FROM oubli.tasks WHERE dispatched_at IS NOT NULL") {
		if r.Exists(t.Context(), "asynq:{interactive}:t:"+hint).Val() == 0 {
			t.Errorf("the batch is marked as dispatched, and its hint %s was never sent", hint)
		}
	}

	c = admin(t, s.start(t, onlyAPI, app.Tuning{}), "1")
	job = until(t, c, job.ID, "how far it came", func(jobs.Job) bool { return true })
	if job.State != jobs.Running || job.Counts.Done() == 0 || job.Counts.Pending == 0 {
		t.Errorf("the chunk under way should have ended, and no further: %+v", job)
	}
	s.start(t, onlyWorker, app.Tuning{})
	until(t, c, job.ID, "another worker to go on", func(j jobs.Job) bool { return j.Counts.Pending == 1 })
	release()
	job = until(t, c, job.ID, "the end", mailed)
	before.allErased(t, job)
	s.mails(t, 1)
}

func TestATerminatedServiceExits0AndLeavesItsWorkForTheNext(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	c := admin(t, s.start(t, onlyAPI, app.Tuning{}), "1")
	asked := s.plain(t, 1, 60)
	release := s.hold(t, asked[0])
	ctx, terminate := context.WithCancel(t.Context())
	exit := make(chan int, 1)
	go func() { exit <- cli.Run(ctx, []string{"worker"}, s.environ(), os.Stdin, &s.log, &s.log) }()
	job := mustErase(t, c, apiclient.Erasure{ClientIDs: asked})
	until(t, c, job.ID, "the worker to be at it", func(j jobs.Job) bool { return j.Counts.Pending == 1 })
	terminate()
	if code := <-exit; code != cli.ExitDone {
		t.Errorf("a terminated worker exits %d", code)
	}
	if n := s.Int(t, "SELECT count(*) FROM oubli.tasks WHERE state = 'running' OR lease_until IS NOT NULL"); n != 0 {
		t.Errorf("%d tasks are still leased to a worker that is gone", n)
	}
	release()
	s.start(t, onlyWorker, app.Tuning{})
	if job = until(t, c, job.ID, "the end", mailed); job.State != jobs.Completed {
		t.Errorf("%+v", job)
	}
	s.mails(t, 1)
}
