package httpapi

import (
	"context"
	"net/http"

	"github.com/oubli/oubli/jobs"
)

// ErasureStore accepts erasures.
type ErasureStore interface {
	// AcceptErasure stores the job, its tasks and the key in one transaction.
	// If the key is stored already with the same hash, it returns the first
	// answer, and replayed is true.
	AcceptErasure(ctx context.Context, req jobs.ErasureRequest, key jobs.IdempotencyKey) (job jobs.Job, replayed bool, err error)
	// Retry creates a new job for the clients that failed or were skipped.
	Retry(ctx context.Context, tenant, id string, by jobs.Caller) (jobs.Job, error)
}

// erasures registers the routes of /v1/erasures.
func (a *api) erasures() {
	registerBody(a, operation{
		method: http.MethodPost, path: "/v1/erasures", id: "create-erasure",
		summary: "Erase clients",
		description: "Creates a job that erases the listed clients, or those of a selection. " +
			"The job runs in the background and cannot be undone. " +
			"A client that a guard of the map protects (a legal hold, an unpaid balance, a future appointment …) is skipped. " +
			"Data that the law requires to be kept stays until its date. " + repeatText,
		who: admins, status: http.StatusAccepted, idempotent: true, body: clientsBody,
		codes: []string{
			"tenant_mismatch", "unknown_tenant", "bad_client_id", "not_overridable", "not_found", "count_changed",
			"selection_used", "selection_expired",
		},
		example: exampleRequest,
	}, a.createErasure)
	register(a, operation{
		method: http.MethodGet, path: "/v1/erasures", id: "list-erasures",
		summary: "List erasures",
		description: "Newest first. The list has the jobs of the token's tenant. " +
			"With a token for all tenants (`*`) it has the jobs of every tenant, or of the one in `tenant_id`.",
		who: readers, status: http.StatusOK,
		codes: []string{"tenant_mismatch", "bad_cursor"},
	}, a.listErasures)
	register(a, operation{
		method: http.MethodGet, path: "/v1/erasures/{id}", id: "get-erasure",
		summary: "Read an erasure",
		description: "The state and the counts of a job. You may read it once a second, or wait for a change with `wait`. It names no " +
			"client.",
		who: readers, status: http.StatusOK,
		codes: []string{"not_found", "too_many_waiting"},
	}, a.getErasure)
	register(a, operation{
		method: http.MethodGet, path: "/v1/erasures/{id}/clients", id: "list-erasure-clients",
		summary: "List clients by outcome",
		description: "Every client of the job whose outcome is other than `erased`, with the reason as a code. " +
			"Clients that are still pending are not in the list.",
		who: readers, status: http.StatusOK,
		codes: []string{"not_found", "bad_cursor"},
	}, a.listErasureClients)
}

// repeatText documents the Idempotency-Key of the routes that create jobs.
const repeatText = "If you repeat the request with the same Idempotency-Key within seven days, you get the first answer again, " +
	"with `Idempotency-Replayed: true`."

type createErasureOutput struct {
	Location string `header:"Location" doc:"Path of the job"`
	Replayed string `header:"Idempotency-Replayed" doc:"true if the answer repeats the first one"`
	Body     jobs.Job
}

func (a *api) createErasure(ctx context.Context, _ *struct{}, b *erasureRequest) (*createErasureOutput, error) {
	c := callOf(ctx)
	tenant, err := tenantFor(c.caller, b.TenantID)
	if err != nil {
		return nil, err
	}
	if tenant == jobs.AnyTenant && b.SelectionID == "" {
		return nil, tenantNeeded()
	}
	req, p := b.request(c.caller, tenant, a.Now())
	if p != nil {
		return nil, p
	}
	key := newIdempotencyKey(c, http.MethodPost, "/v1/erasures", tenant)
	job, replayed, err := a.Erasures.AcceptErasure(ctx, req, key)
	if err != nil {
		return nil, err
	}
	out := &createErasureOutput{Location: "/v1/erasures/" + job.ID, Body: normalized(job)}
	if replayed {
		out.Replayed = "true"
	}
	return out, nil
}

type jobList struct {
	Body jobs.List[jobs.Job]
}

func (a *api) listErasures(ctx context.Context, in *listJobsInput) (*jobList, error) {
	l, err := a.listJobs(ctx, jobs.Erasure, in)
	if err != nil {
		return nil, err
	}
	return &jobList{Body: listOf(l, normalized)}, nil
}

// listOf turns the jobs of a list into what the API shows of them.
func listOf[T any](l jobs.List[jobs.Job], show func(jobs.Job) T) jobs.List[T] {
	items := make([]T, len(l.Items))
	for i, job := range l.Items {
		items[i] = show(job)
	}
	return jobs.List[T]{Items: items, Next: l.Next}
}

// ErasurePath is the path of one erasure.
type ErasurePath struct {
	ID string `path:"id" doc:"The job's id, a UUID" example:"0199b4a2-7c1e-7d53-9a1f-0c3a52b4d1a7"`
}

type getErasureInput struct {
	ErasurePath
	Waiting
}

type oneJob struct {
	Body jobs.Job
}

func (a *api) getErasure(ctx context.Context, in *getErasureInput) (*oneJob, error) {
	tenant, id, err := pathOf(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	job, err := a.waitForChange(ctx, in.Waiting, func() (jobs.Job, error) { return a.Jobs.Job(ctx, jobs.Erasure, tenant, id) })
	if err != nil {
		return nil, err
	}
	return &oneJob{Body: normalized(job)}, nil
}

type listErasureClientsInput struct {
	ErasurePath
	Outcome jobs.Outcome `query:"outcome" enum:"erased_retained,skipped,failed,not_found" doc:"Only clients with this outcome"`
	Paging
}

type exceptionList struct {
	Body jobs.List[jobs.Exception]
}

func (a *api) listErasureClients(ctx context.Context, in *listErasureClientsInput) (*exceptionList, error) {
	l, err := a.listExceptions(ctx, jobs.Erasure, in.ID, in.Outcome, in.Paging)
	if err != nil {
		return nil, err
	}
	if l.Items == nil {
		l.Items = []jobs.Exception{}
	}
	return &exceptionList{Body: l}, nil
}
