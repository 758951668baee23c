package httpapi

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/oubli/oubli/jobs"
)

// erasures ties the resource /v1/erasures to its routes.
func (a *api) erasures() {
	registerBody(a, operation{
		method: http.MethodPost, path: "/v1/erasures", id: "create-erasure",
		summary: "Erase clients",
		description: "Accepts a job that erases the clients named, or those of a selection. It runs in the background and cannot be undone. " +
			"A client that a guard of the map protects (a legal hold, an unpaid balance, an appointment to come …) is skipped, not erased; " +
			"what the law demands to keep stays until its date. A repeat with the same Idempotency-Key gives the first answer again, with `Idempotency-Replayed: true`.",
		who: admins, status: http.StatusAccepted, idempotent: true, body: clientsBody,
		codes:   []string{"tenant_mismatch", "unknown_tenant", "bad_client_id", "not_overridable", "not_found", "count_changed", "selection_used", "selection_expired"},
		example: exampleRequest,
	}, a.createErasure)
	register(a, operation{
		method: http.MethodGet, path: "/v1/erasures", id: "list-erasures",
		summary:     "List erasures",
		description: "The newest first. The token's tenant only; a trusted service sees all tenants, or the one that it names.",
		who:         readers, status: http.StatusOK,
		codes: []string{"tenant_mismatch", "bad_cursor"},
	}, a.listErasures)
	register(a, operation{
		method: http.MethodGet, path: "/v1/erasures/{id}", id: "get-erasure",
		summary:     "Read an erasure",
		description: "Where the job stands. Reading it once a second is fine. It names no client.",
		who:         readers, status: http.StatusOK,
		codes: []string{"not_found"},
	}, a.getErasure)
	register(a, operation{
		method: http.MethodGet, path: "/v1/erasures/{id}/clients", id: "list-erasure-clients",
		summary:     "List clients by outcome",
		description: "Every client of the job that has its outcome and is not plainly erased, with the reason.",
		who:         readers, status: http.StatusOK,
		codes: []string{"not_found", "bad_cursor"},
	}, a.listErasureClients)
}

type createErasureOutput struct {
	Location string `header:"Location" doc:"Where to read the job"`
	Replayed string `header:"Idempotency-Replayed" doc:"true when this is the first answer again"`
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
	job, replayed, err := a.Store.AcceptErasure(ctx, req, key)
	if err != nil {
		return nil, err
	}
	out := &createErasureOutput{Location: "/v1/erasures/" + job.ID, Body: whole(job)}
	if replayed {
		out.Replayed = "true"
	}
	return out, nil
}

// Paging are the parameters that all lists share. It and [ErasurePath] are
// exported because huma looks into exported parts only.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Items on one page"`
	Cursor string `query:"cursor" maxLength:"512" doc:"The next of the page before; leave it out for the first page"`
}

func (p Paging) page() (jobs.Page, error) {
	if !clean(p.Cursor) {
		return jobs.Page{}, kindProblem(jobs.Invalid, "bad_cursor", "The cursor is not one that this list gave.")
	}
	return jobs.Page{Limit: p.Limit, Cursor: p.Cursor}, nil
}

type listJobsInput struct {
	State    jobs.State `query:"state" enum:"scheduled,running,paused,blocked,completed,completed_with_exceptions,failed,cancelled" doc:"Only jobs in this state"`
	TenantID string     `query:"tenant_id" maxLength:"64" doc:"Only this tenant's; for trusted services, as a token with a tenant sees its own only"`
	Paging
}

type jobList struct {
	Body jobs.List[jobs.Job]
}

func (a *api) listErasures(ctx context.Context, in *listJobsInput) (*jobList, error) {
	l, err := a.listJobs(ctx, jobs.Erasure, in)
	if err != nil {
		return nil, err
	}
	items := make([]jobs.Job, len(l.Items))
	for i, job := range l.Items {
		items[i] = whole(job)
	}
	return &jobList{Body: jobs.List[jobs.Job]{Items: items, Next: l.Next}}, nil
}

// listJobs is a page of jobs of one kind.
func (a *api) listJobs(ctx context.Context, kind jobs.Kind, in *listJobsInput) (jobs.List[jobs.Job], error) {
	var none jobs.List[jobs.Job]
	tenant, err := tenantFor(callOf(ctx).caller, in.TenantID)
	if err != nil {
		return none, err
	}
	if !clean(tenant) {
		return none, invalid(Fault{Code: "bad_value", Detail: "Control characters are not allowed.", Parameter: "tenant_id"})
	}
	pg, err := in.page()
	if err != nil {
		return none, err
	}
	return a.Store.Jobs(ctx, jobs.Filter{TenantID: tenant, Kind: kind, State: in.State, Page: pg})
}

// ErasurePath is the path of one erasure.
type ErasurePath struct {
	ID string `path:"id" doc:"The job's id, a UUID" example:"0199b4a2-7c1e-7d53-9a1f-0c3a52b4d1a7"`
}

type oneJob struct {
	Body jobs.Job
}

func (a *api) getErasure(ctx context.Context, in *ErasurePath) (*oneJob, error) {
	tenant, id, err := pathOf(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	job, err := a.Store.Job(ctx, jobs.Erasure, tenant, id)
	if err != nil {
		return nil, err
	}
	return &oneJob{Body: whole(job)}, nil
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

// listExceptions is a page of the clients of a job of one kind.
func (a *api) listExceptions(ctx context.Context, kind jobs.Kind, rawID string, outcome jobs.Outcome, p Paging) (jobs.List[jobs.Exception], error) {
	var none jobs.List[jobs.Exception]
	tenant, id, err := pathOf(ctx, rawID)
	if err != nil {
		return none, err
	}
	pg, err := p.page()
	if err != nil {
		return none, err
	}
	return a.Store.Exceptions(ctx, jobs.ExceptionFilter{Kind: kind, JobID: id, TenantID: tenant, Outcome: outcome, Page: pg})
}

var uuidText = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// jobID is a job's id as the store knows it. What cannot be an id is missing
// like any other job that there is not.
func jobID(s string) (string, error) {
	if !uuidText.MatchString(s) {
		return "", kindProblem(jobs.Missing, "", "")
	}
	return strings.ToLower(s), nil
}

// whole is the job with its empty maps as {} and its times in UTC.
func whole(j jobs.Job) jobs.Job {
	if j.Exceptions == nil {
		j.Exceptions = map[string]int{}
	}
	if j.Rows == nil {
		j.Rows = map[string]int64{}
	}
	j.CreatedAt = j.CreatedAt.UTC()
	j.NotBefore, j.StartedAt, j.FinishedAt = utc(j.NotBefore), utc(j.StartedAt), utc(j.FinishedAt)
	return j
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// clean reports whether PostgreSQL can take s as text.
func clean(s string) bool { return utf8.ValidString(s) && !hasControl(s) }
