package apiclient

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"

	"github.com/oubli/oubli/jobs"
)

// Merge is the body of POST /v1/merges: the rows of the sources go to the target.
type Merge struct {
	TenantID     string            `json:"tenant_id,omitempty"` // only with a token for all tenants
	SourceIDs    []string          `json:"source_client_ids"`
	Target       MergeTarget       `json:"target"`
	DeleteSource bool              `json:"delete_source"`
	FillBlanks   bool              `json:"fill_blanks"`
	Conflicts    jobs.ConflictRule `json:"conflicts"`
	Comment      string            `json:"comment,omitempty"`
	Notify       []string          `json:"notify,omitempty"` // nil: the token's email
	Locale       string            `json:"locale,omitempty"` // empty: the tenant's
	DryRun       bool              `json:"dry_run,omitempty"`
}

// MergeTarget says who gets the rows: exactly one field is set.
type MergeTarget struct {
	ClientID  string `json:"client_id,omitempty"`
	Anonymous bool   `json:"anonymous,omitempty"`
}

// CreateMerge creates a merge and returns its job; see [Client.CreateErasure].
func (c *Client) CreateMerge(ctx context.Context, m Merge, key string) (jobs.Job, error) {
	if key == "" {
		key = NewIdempotencyKey()
	}
	body, err := json.Marshal(m)
	if err != nil {
		return jobs.Job{}, fmt.Errorf("write the request: %w", err)
	}
	var j jobs.MergeJob
	err = c.do(ctx, request{method: http.MethodPost, path: "/v1/merges", body: body, key: key}, &j)
	return j.Job(), c.checkJob(j.Job(), err)
}

// GetMerge reads one merge.
func (c *Client) GetMerge(ctx context.Context, id string) (jobs.Job, error) {
	return c.getMerge(ctx, id, "")
}

func (c *Client) getMerge(ctx context.Context, id, waits string) (jobs.Job, error) {
	var j jobs.MergeJob
	err := c.do(ctx, request{method: http.MethodGet, path: withQuery(mergePath(id), waitQuery(waits))}, &j)
	return j.Job(), c.checkJob(j.Job(), err)
}

// Merges reads one page of merges, newest first; an empty state means all.
func (c *Client) Merges(ctx context.Context, state jobs.State, page jobs.Page) (jobs.List[jobs.MergeJob], error) {
	q := pageQuery(page)
	if state != "" {
		q.Set("state", string(state))
	}
	var l jobs.List[jobs.MergeJob]
	err := c.do(ctx, request{method: http.MethodGet, path: withQuery("/v1/merges", q)}, &l)
	return l, err
}

// MergeExceptions returns every source of a merge whose outcome is other than
// merged. It reads page by page and stops at the first error.
func (c *Client) MergeExceptions(ctx context.Context, id string) iter.Seq2[jobs.Exception, error] {
	return pages[jobs.Exception](ctx, c, mergePath(id)+"/clients", url.Values{})
}

// Find reads the job with this id, an erasure or a merge.
func (c *Client) Find(ctx context.Context, id string) (jobs.Job, error) {
	return c.find(ctx, id, "")
}

func (c *Client) find(ctx context.Context, id, waits string) (jobs.Job, error) {
	j, err := c.get(ctx, id, waits)
	if jobs.KindOf(err) != jobs.Missing {
		return j, err
	}
	m, merr := c.getMerge(ctx, id, waits)
	if jobs.KindOf(merr) == jobs.Missing {
		return j, err
	}
	return m, merr
}

func mergePath(id string) string { return "/v1/merges/" + url.PathEscape(id) }
