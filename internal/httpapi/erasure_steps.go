package httpapi

import (
	"context"
	"net/http"

	"github.com/oubli/oubli/jobs"
)

// erasureSteps registers the routes that change the state of an erasure. They
// have no body. A change that the job's state does not allow is a conflict, whose
// detail names the state.
func (a *api) erasureSteps() {
	step := func(name, summary, description string, take func(context.Context, jobs.Kind, string, string) (jobs.Job, error)) {
		register(a, operation{
			method: http.MethodPost, path: "/v1/erasures/{id}/" + name, id: name + "-erasure",
			summary: summary, description: description,
			who: admins, status: http.StatusOK,
			codes: []string{"not_found", "wrong_state"},
		}, func(ctx context.Context, in *ErasurePath) (*oneJob, error) {
			return a.stepErasure(ctx, in, take)
		})
	}
	step("cancel", "Cancel an erasure",
		"Ends the job, and its mail is sent. A job that has not started changes nothing. "+
			"A running job stops after its current chunks: clients who are erased stay erased, and the counts say how many.", a.Controls.Cancel)
	step("pause", "Pause an erasure", "Stops the job between two chunks until it is resumed or cancelled. "+
		"Also allowed before the job has started, and while it is blocked.", a.Controls.Pause)
	step("resume", "Resume an erasure", "Continues a paused job. A blocked job continues by itself when its reason is gone, for "+
		"example when the map covers the schema again.", a.Controls.Resume)
	register(a, operation{
		method: http.MethodPost, path: "/v1/erasures/{id}/retry", id: "retry-erasure",
		summary: "Retry an erasure",
		description: "Creates a new job for the clients that failed or were skipped in a job that has ended. All guards apply again. " +
			"A job is retried once: repeating the request returns the same new job.",
		who: admins, status: http.StatusAccepted,
		codes: []string{"not_found", "wrong_state", "nothing_to_retry", "keys_emptied"},
	}, a.retryErasure)
}

func (a *api) stepErasure(ctx context.Context, in *ErasurePath,
	take func(context.Context, jobs.Kind, string, string) (jobs.Job, error),
) (*oneJob, error) {
	tenant, id, err := pathOf(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	job, err := take(ctx, jobs.Erasure, tenant, id)
	if err != nil {
		return nil, err
	}
	return &oneJob{Body: normalized(job)}, nil
}

func (a *api) retryErasure(ctx context.Context, in *ErasurePath) (*createErasureOutput, error) {
	tenant, id, err := pathOf(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	job, err := a.Erasures.Retry(ctx, tenant, id, callOf(ctx).caller)
	if err != nil {
		return nil, err
	}
	return &createErasureOutput{Location: "/v1/erasures/" + job.ID, Body: normalized(job)}, nil
}
