package httpapi

import (
	"context"
	"time"

	"github.com/oubli/oubli/jobs"
)

// JobWaiter waits for jobs.
type JobWaiter interface {
	// Wait returns when the job's state or counts differ from what was seen, or when
	// ctx ends. It fails if too many requests wait.
	Wait(ctx context.Context, tenant, job string, seen jobs.JobProgress) error
}

// longestWait is far below the time that a request may take.
const longestWait = time.Minute

// Waiting is the parameter of routes that read a job. It is exported because huma
// looks into exported parts only.
type Waiting struct {
	Wait string `query:"wait" pattern:"^[1-9][0-9]?s$" example:"25s" doc:"Answer when the job has changed, or after this time, at most 60s"`
}

// waitForChange reads a job, waits for a change if the caller asks for it, and reads
// it again.
func (a *api) waitForChange(ctx context.Context, w Waiting, read func() (jobs.Job, error)) (jobs.Job, error) {
	job, err := read()
	if err != nil || w.Wait == "" || job.State.Final() {
		return job, err
	}
	d, err := time.ParseDuration(w.Wait)
	if err != nil || d > longestWait {
		return job, invalid(Fault{Code: "bad_value", Detail: "Want seconds such as 25s, at most 60s.", Parameter: "wait"})
	}
	wait, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	if err := a.Waiter.Wait(wait, job.TenantID, job.ID, jobs.JobProgress{State: job.State, Done: job.Counts.Done()}); err != nil {
		return job, err
	}
	return read()
}
