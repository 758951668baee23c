package httpapi

import (
	"context"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/oubli/oubli/jobs"
)

// JobStore reads jobs of both kinds. The tenant may be jobs.AnyTenant.
type JobStore interface {
	Job(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error)
	// Jobs returns one page, the newest jobs first.
	Jobs(ctx context.Context, f jobs.Filter) (jobs.List[jobs.Job], error)
	// Exceptions returns one page of the clients whose outcome is other than
	// erased.
	Exceptions(ctx context.Context, f jobs.ExceptionFilter) (jobs.List[jobs.Exception], error)
}

// JobControls changes the state of a job. A change that the state does not allow
// is an error of kind Conflict.
type JobControls interface {
	Cancel(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error)
	Pause(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error)
	Resume(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error)
}

// Paging are the parameters that all lists share. It and [ErasurePath] are
// exported because huma looks into exported parts only.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Largest number of items on a page"`
	Cursor string `query:"cursor" maxLength:"512" doc:"The value of next from the previous page. Leave it out for the first page"`
}

func (p Paging) page() (jobs.Page, error) {
	if !storable(p.Cursor) {
		return jobs.Page{}, kindProblem(jobs.Invalid, "bad_cursor", "The cursor did not come from this list.")
	}
	return jobs.Page{Limit: p.Limit, Cursor: p.Cursor}, nil
}

// stateQuery is a state in a query string. It has a type of its own for its schema.
type stateQuery string

// Schema lists the states.
func (stateQuery) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, state := range jobs.States() {
		s.Enum = append(s.Enum, string(state))
	}
	s.PrecomputeMessages()
	return s
}

type listJobsInput struct {
	State    stateQuery `query:"state" doc:"Only jobs in this state"`
	TenantID string     `query:"tenant_id" maxLength:"64" doc:"Only jobs of this tenant, with a token for all tenants (*)"`
	Paging
}

// listJobs returns one page of jobs of one kind.
func (a *api) listJobs(ctx context.Context, kind jobs.Kind, in *listJobsInput) (jobs.List[jobs.Job], error) {
	var none jobs.List[jobs.Job]
	tenant, err := queryTenant(ctx, in.TenantID)
	if err != nil {
		return none, err
	}
	pg, err := in.page()
	if err != nil {
		return none, err
	}
	return a.Jobs.Jobs(ctx, jobs.Filter{TenantID: tenant, Kind: kind, State: jobs.State(in.State), Page: pg})
}

// pathOf returns the tenant whose jobs the caller may read, and the checked id of
// a path.
func pathOf(ctx context.Context, raw string) (tenant, id string, err error) {
	if id, err = jobID(raw); err != nil {
		return "", "", err
	}
	tenant, err = tenantFor(callOf(ctx).caller, "")
	return tenant, id, err
}

// listExceptions returns one page of the clients of a job whose outcome is other
// than erased.
func (a *api) listExceptions(ctx context.Context, kind jobs.Kind, rawID string, outcome jobs.Outcome, p Paging) (
	jobs.List[jobs.Exception], error,
) {
	var none jobs.List[jobs.Exception]
	tenant, id, err := pathOf(ctx, rawID)
	if err != nil {
		return none, err
	}
	pg, err := p.page()
	if err != nil {
		return none, err
	}
	return a.Jobs.Exceptions(ctx, jobs.ExceptionFilter{Kind: kind, JobID: id, TenantID: tenant, Outcome: outcome, Page: pg})
}

var uuidText = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// jobID returns a job's id in the store's spelling. Anything that is not a UUID is
// answered like a job that does not exist.
func jobID(s string) (string, error) {
	if !uuidText.MatchString(s) {
		return "", kindProblem(jobs.Missing, "", "")
	}
	return strings.ToLower(s), nil
}

// normalized returns the job with empty maps instead of nil, which JSON would
// write as null, and with its times in UTC.
func normalized(j jobs.Job) jobs.Job {
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

// storable reports whether s can be stored as text in PostgreSQL and has no
// control characters.
func storable(s string) bool { return utf8.ValidString(s) && !hasControl(s) }
