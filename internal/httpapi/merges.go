package httpapi

import (
	"context"
	"net/http"

	"github.com/oubli/oubli/jobs"
)

// MergeStore accepts merges.
type MergeStore interface {
	// AcceptMerge stores the job, its task and the key in one transaction. With
	// a key that is known with the same hash it returns the first answer, and
	// replayed is true.
	AcceptMerge(ctx context.Context, req jobs.MergeRequest, key jobs.IdempotencyKey) (job jobs.Job, replayed bool, err error)
}

// merges ties the resource /v1/merges to its routes.
func (a *api) merges() {
	registerBody(a, operation{
		method: http.MethodPost, path: "/v1/merges", id: "create-merge",
		summary: "Merge clients",
		description: "Accepts a job by which one client, or the tenant's anonymous profile, takes over what belongs to others. It runs in the background, " +
			"each source in a transaction of its own, and cannot be undone. Rows of which the target has the like already are conflicts: " +
			"they keep their source from being merged, or give way to the target's when `conflicts` is `keep_target`. Rows that carry value never give way. " +
			"A merge into the anonymous profile treats rows as an erasure does. Which client went into which other is kept by nobody once the job has ended. " +
			"A repeat with the same Idempotency-Key gives the first answer again, with `Idempotency-Replayed: true`.",
		who: admins, status: http.StatusAccepted, idempotent: true, body: mergeBody,
		codes: []string{"tenant_mismatch", "unknown_tenant", "bad_client_id", "target_is_source", "unknown_target", "unknown_source",
			"target_is_anonymous", "source_is_anonymous", "merges_refused"},
		example: exampleMerge,
	}, a.createMerge)
	register(a, operation{
		method: http.MethodGet, path: "/v1/merges", id: "list-merges",
		summary:     "List merges",
		description: "The newest first. The token's tenant only; a trusted service sees all tenants, or the one that it names.",
		who:         readers, status: http.StatusOK,
		codes: []string{"tenant_mismatch", "bad_cursor"},
	}, a.listMerges)
	register(a, operation{
		method: http.MethodGet, path: "/v1/merges/{id}", id: "get-merge",
		summary:     "Read a merge",
		description: "Where the job stands, with the conflicts that it met. It names no client.",
		who:         readers, status: http.StatusOK,
		codes: []string{"not_found"},
	}, a.getMerge)
	register(a, operation{
		method: http.MethodGet, path: "/v1/merges/{id}/clients", id: "list-merge-clients",
		summary:     "List sources by outcome",
		description: "Every source of the job that has its outcome and is not plainly merged, with the reason.",
		who:         readers, status: http.StatusOK,
		codes: []string{"not_found", "bad_cursor"},
	}, a.listMergeClients)
	register(a, operation{
		method: http.MethodPost, path: "/v1/merges/{id}/cancel", id: "cancel-merge",
		summary:     "Cancel a merge",
		description: "Before the start nothing is changed. While it runs it stops after the source under way; who was merged stays merged, and the counts say how many. Ends the job, with its mail.",
		who:         admins, status: http.StatusOK,
		codes: []string{"not_found", "wrong_state"},
	}, a.cancelMerge)
}

type createMergeOutput struct {
	Location string `header:"Location" doc:"Where to read the job"`
	Replayed string `header:"Idempotency-Replayed" doc:"true when this is the first answer again"`
	Body     jobs.MergeJob
}

func (a *api) createMerge(ctx context.Context, _ *struct{}, b *mergeRequest) (*createMergeOutput, error) {
	c := callOf(ctx)
	tenant, err := tenantFor(c.caller, b.TenantID)
	if err != nil {
		return nil, err
	}
	if tenant == jobs.AnyTenant {
		return nil, tenantNeeded()
	}
	job, replayed, err := a.Merges.AcceptMerge(ctx, b.request(c.caller, tenant), newIdempotencyKey(c, http.MethodPost, "/v1/merges", tenant))
	if err != nil {
		return nil, err
	}
	out := &createMergeOutput{Location: "/v1/merges/" + job.ID, Body: wholeMerge(job)}
	if replayed {
		out.Replayed = "true"
	}
	return out, nil
}

type mergeList struct {
	Body jobs.List[jobs.MergeJob]
}

func (a *api) listMerges(ctx context.Context, in *listJobsInput) (*mergeList, error) {
	l, err := a.listJobs(ctx, jobs.Merge, in)
	if err != nil {
		return nil, err
	}
	items := make([]jobs.MergeJob, len(l.Items))
	for i, job := range l.Items {
		items[i] = wholeMerge(job)
	}
	return &mergeList{Body: jobs.List[jobs.MergeJob]{Items: items, Next: l.Next}}, nil
}

// MergePath is the path of one merge.
type MergePath struct {
	ID string `path:"id" doc:"The job's id, a UUID" example:"0199b4a2-7c1e-7d53-9a1f-0c3a52b4d1a7"`
}

type oneMerge struct {
	Body jobs.MergeJob
}

func (a *api) getMerge(ctx context.Context, in *MergePath) (*oneMerge, error) {
	return a.oneMerge(ctx, in, a.Jobs.Job)
}

func (a *api) cancelMerge(ctx context.Context, in *MergePath) (*oneMerge, error) {
	return a.oneMerge(ctx, in, a.Controls.Cancel)
}

func (a *api) oneMerge(ctx context.Context, in *MergePath, take func(context.Context, jobs.Kind, string, string) (jobs.Job, error)) (*oneMerge, error) {
	tenant, id, err := pathOf(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	job, err := take(ctx, jobs.Merge, tenant, id)
	if err != nil {
		return nil, err
	}
	return &oneMerge{Body: wholeMerge(job)}, nil
}

// mergeOutcomes are the outcomes of a source, as the store knows them.
var mergeOutcomes = map[string]jobs.Outcome{
	"":                "",
	"merged_retained": jobs.ErasedRetained,
	"skipped":         jobs.Skipped,
	"failed":          jobs.FailedOutcome,
	"not_found":       jobs.NotFound,
}

type listMergeClientsInput struct {
	MergePath
	Outcome string `query:"outcome" enum:"merged_retained,skipped,failed,not_found" doc:"Only sources with this outcome"`
	Paging
}

// mergeException is one source that is not plainly merged.
type mergeException struct {
	ClientID      string     `json:"client_id"`
	Outcome       string     `json:"outcome" enum:"merged_retained,skipped,failed,not_found"`
	Code          string     `json:"code" doc:"conflict, carries_value, target_not_found, the guard that held, the database's SQLSTATE and constraint, not_found or retained"`
	RetainedUntil *jobs.Date `json:"retained_until" doc:"Last day on which the law keeps something of this client"`
}

type mergeExceptionList struct {
	Body jobs.List[mergeException]
}

func (a *api) listMergeClients(ctx context.Context, in *listMergeClientsInput) (*mergeExceptionList, error) {
	l, err := a.listExceptions(ctx, jobs.Merge, in.ID, mergeOutcomes[in.Outcome], in.Paging)
	if err != nil {
		return nil, err
	}
	items := make([]mergeException, len(l.Items))
	for i, e := range l.Items {
		items[i] = mergeException{ClientID: e.ClientID, Outcome: string(e.Outcome), Code: e.Code, RetainedUntil: e.RetainedUntil}
		if e.Outcome == jobs.ErasedRetained {
			items[i].Outcome = "merged_retained"
		}
	}
	return &mergeExceptionList{Body: jobs.List[mergeException]{Items: items, Next: l.Next}}, nil
}

// wholeMerge is the merge with its empty maps as {} and its times in UTC.
func wholeMerge(j jobs.Job) jobs.MergeJob {
	m := whole(j).AsMerge()
	if m.Conflicting == nil {
		m.Conflicting = map[string]int64{}
	}
	return m
}
