package httpapi

import (
	"context"
	"net/http"

	"github.com/oubli/oubli/jobs"
)

// erasureSteps ties the steps by which an administrator changes the course of
// an erasure to their routes. They take no body, and a step that the job's
// state does not allow is a conflict that names the state.
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
		"Before the start nothing is changed. While it runs it stops after the chunks under way; who was erased stays erased, and the counts say how many. Ends the job, with its mail.", a.Controls.Cancel)
	step("pause", "Pause an erasure", "Stops a running job between chunks until it is resumed or cancelled.", a.Controls.Pause)
	step("resume", "Resume an erasure", "Lets a paused job go on. A blocked one resumes by itself once the map covers the schema.", a.Controls.Resume)
	register(a, operation{
		method: http.MethodPost, path: "/v1/erasures/{id}/retry", id: "retry-erasure",
		summary: "Retry an erasure",
		description: "Makes a new job of the clients that failed or were skipped in one that has ended, with guards and all. " +
			"Asked again for the same job it answers with the same new one.",
		who: admins, status: http.StatusAccepted,
		codes: []string{"not_found", "wrong_state", "nothing_to_retry"},
	}, a.retryErasure)
}

func (a *api) stepErasure(ctx context.Context, in *ErasurePath, take func(context.Context, jobs.Kind, string, string) (jobs.Job, error)) (*oneJob, error) {
	tenant, id, err := pathOf(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	job, err := take(ctx, jobs.Erasure, tenant, id)
	if err != nil {
		return nil, err
	}
	return &oneJob{Body: whole(job)}, nil
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
	return &createErasureOutput{Location: "/v1/erasures/" + job.ID, Body: whole(job)}, nil
}
