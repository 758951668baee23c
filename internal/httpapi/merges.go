package httpapi

import (
	"context"
	"net/http"

	"github.com/oubli/oubli/jobs"
)

// MergeStore accepts merges.
type MergeStore interface {
	// AcceptMerge stores the job, its task and the key in one transaction. If
	// the key is stored already with the same hash, it returns the first answer,
	// and replayed is true.
	AcceptMerge(ctx context.Context, req jobs.MergeRequest, key jobs.IdempotencyKey) (job jobs.Job, replayed bool, err error)
}

// merges registers the routes of /v1/merges.
func (a *api) merges() {
	registerBody(a, operation{
		method: http.MethodPost, path: "/v1/merges", id: "create-merge",
		summary: "Merge clients",
		description: "Creates a job that moves the rows of some clients (the sources) to one client, " +
			"or to the tenant's anonymous profile (the target). " +
			"It runs in the background, each source in a transaction of its own, and cannot be undone. " +
			"If a unique constraint does not allow the target to have a source's row too, this is a conflict: the source is not merged, " +
			"or, when `conflicts` is `keep_target`, the source's row is deleted. A row that carries value, such as a voucher, is never " +
			"deleted. " +
			"A merge into the anonymous profile treats rows as an erasure does. " +
			"After the job has ended, nothing records which client was merged into which. " + repeatText,
		who: admins, status: http.StatusAccepted, idempotent: true, body: mergeBody,
		codes: []string{"tenant_mismatch", "unknown_tenant", "bad_client_id", "target_is_source", "unknown_target", "unknown_source",
			"target_is_anonymous", "source_is_anonymous", "merges_refused"},
		example: exampleMerge,
	}, a.createMerge)
	register(a, operation{
		method: http.MethodGet, path: "/v1/merges", id: "list-merges",
		summary: "List merges",
		description: "Newest first. The list has the jobs of the token's tenant. " +
			"With a token for all tenants (`*`) it has the jobs of every tenant, or of the one in `tenant_id`.",
		who: readers, status: http.StatusOK,
		codes: []string{"tenant_mismatch", "bad_cursor"},
	}, a.listMerges)
	register(a, operation{
		method: http.MethodGet, path: "/v1/merges/{id}", id: "get-merge",
		summary: "Read a merge",
		description: "The state and the counts of a job, with the conflicts that it found. It names no client. " +
			"You may wait for a change with `wait`.",
		who: readers, status: http.StatusOK,
		codes: []string{"not_found", "too_many_waiting"},
	}, a.getMerge)
	register(a, operation{
		method: http.MethodGet, path: "/v1/merges/{id}/clients", id: "list-merge-clients",
		summary: "List sources by outcome",
		description: "Every source of the job whose outcome is other than `merged`, with the reason as a code. " +
			"Sources that are still pending are not in the list.",
		who: readers, status: http.StatusOK,
		codes: []string{"not_found", "bad_cursor"},
	}, a.listMergeClients)
	register(a, operation{
		method: http.MethodPost, path: "/v1/merges/{id}/cancel", id: "cancel-merge",
		summary: "Cancel a merge",
		description: "Ends the job, and its mail is sent. A job that has not started changes nothing. " +
			"A running job stops after its current source: sources that are merged stay merged, and the counts say how many.",
		who: admins, status: http.StatusOK,
		codes: []string{"not_found", "wrong_state"},
	}, a.cancelMerge)
}

type createMergeOutput struct {
	Location string `header:"Location" doc:"Path of the job"`
	Replayed string `header:"Idempotency-Replayed" doc:"true if the answer repeats the first one"`
	Body     jobs.MergeJob
}

func (a *api) createMerge(ctx context.Context, _ *struct{}, b *mergeRequest) (*createMergeOutput, error) {
	c := callOf(ctx)
	tenant, err := oneTenantFor(c.caller, b.TenantID)
	if err != nil {
		return nil, err
	}
	job, replayed, err := a.Merges.AcceptMerge(ctx, b.request(c.caller, tenant), newIdempotencyKey(c, http.MethodPost, "/v1/merges",
		tenant))
	if err != nil {
		return nil, err
	}
	out := &createMergeOutput{Location: "/v1/merges/" + job.ID, Body: normalizedMerge(job)}
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
	return &mergeList{Body: listOf(l, normalizedMerge)}, nil
}

// MergePath is the path of one merge.
type MergePath struct {
	ID string `path:"id" doc:"The job's id, a UUID" example:"0199b4a2-7c1e-7d53-9a1f-0c3a52b4d1a7"`
}

type oneMerge struct {
	Body jobs.MergeJob
}

type getMergeInput struct {
	MergePath
	Waiting
}

func (a *api) getMerge(ctx context.Context, in *getMergeInput) (*oneMerge, error) {
	return a.oneMerge(ctx, &in.MergePath, func(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error) {
		return a.waitForChange(ctx, in.Waiting, func() (jobs.Job, error) { return a.Jobs.Job(ctx, kind, tenant, id) })
	})
}

func (a *api) cancelMerge(ctx context.Context, in *MergePath) (*oneMerge, error) {
	return a.oneMerge(ctx, in, a.Controls.Cancel)
}

func (a *api) oneMerge(ctx context.Context, in *MergePath,
	call func(context.Context, jobs.Kind, string, string) (jobs.Job, error),
) (*oneMerge, error) {
	tenant, id, err := pathOf(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	job, err := call(ctx, jobs.Merge, tenant, id)
	if err != nil {
		return nil, err
	}
	return &oneMerge{Body: normalizedMerge(job)}, nil
}

// mergeOutcomes maps the outcomes of a source in the API to those of the store.
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

// mergeException is one source whose outcome is other than merged.
type mergeException struct {
	ClientID      string     `json:"client_id"`
	Outcome       string     `json:"outcome" enum:"merged_retained,skipped,failed,not_found"`
	Code          string     `json:"code" doc:"The reason: conflict, carries_value, target_not_found, key_reused, not_found, retained, not_erased, the name of a guard, or SQLSTATE and constraint of a database error"`
	RetainedUntil *jobs.Date `json:"retained_until" doc:"Last day on which data of this client is kept by law"`
	Detail        string     `json:"detail,omitempty" doc:"With not_erased: the table, the column and the triggers and rules that run on it"`
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
		items[i] = mergeException{
			ClientID:      e.ClientID,
			Outcome:       string(e.Outcome),
			Code:          e.Code,
			RetainedUntil: e.RetainedUntil,
			Detail:        e.Detail,
		}
		if e.Outcome == jobs.ErasedRetained {
			items[i].Outcome = "merged_retained"
		}
	}
	return &mergeExceptionList{Body: jobs.List[mergeException]{Items: items, Next: l.Next}}, nil
}

// normalizedMerge returns the merge with empty maps instead of nil and its times
// in UTC.
func normalizedMerge(j jobs.Job) jobs.MergeJob {
	m := normalized(j).AsMerge()
	if m.Conflicting == nil {
		m.Conflicting = map[string]int64{}
	}
	return m
}
