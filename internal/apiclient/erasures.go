package apiclient

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/oubli/oubli/jobs"
)

// Erasure is the body of POST /v1/erasures: it lists clients or names a selection.
type Erasure struct {
	TenantID      string      `json:"tenant_id,omitempty"` // only with a token for all tenants
	ClientIDs     []string    `json:"client_ids,omitempty"`
	SelectionID   string      `json:"selection_id,omitempty"`
	ExpectedCount *int        `json:"expected_count,omitempty"` // with SelectionID
	Reason        jobs.Reason `json:"reason"`
	Comment       string      `json:"comment,omitempty"`
	Notify        []string    `json:"notify,omitempty"` // nil: the token's email
	Locale        string      `json:"locale,omitempty"` // empty: the tenant's
	NotBefore     *time.Time  `json:"not_before,omitempty"`
	DryRun        bool        `json:"dry_run,omitempty"`
	Override      []string    `json:"override,omitempty"`
}

// NewIdempotencyKey returns a random key for one request.
func NewIdempotencyKey() string { return rand.Text() }

// CreateErasure creates an erasure and returns its job. The same key with the same
// request always returns the same job; an empty key means a new one. If the
// connection fails, the request is repeated with the same key.
func (c *Client) CreateErasure(ctx context.Context, e Erasure, key string) (jobs.Job, error) {
	if key == "" {
		key = NewIdempotencyKey()
	}
	body, err := json.Marshal(e)
	if err != nil {
		return jobs.Job{}, fmt.Errorf("write the request: %w", err)
	}
	var j jobs.Job
	err = c.do(ctx, request{method: http.MethodPost, path: "/v1/erasures", body: body, key: key}, &j)
	return j, c.checkJob(j, err)
}

// Get reads one erasure.
func (c *Client) Get(ctx context.Context, id string) (jobs.Job, error) {
	return c.get(ctx, id, "")
}

// get reads one erasure. The API answers when it has changed, or after a time.
func (c *Client) get(ctx context.Context, id, waits string) (jobs.Job, error) {
	var j jobs.Job
	err := c.do(ctx, request{method: http.MethodGet, path: withQuery(erasurePath(id), waitQuery(waits))}, &j)
	return j, c.checkJob(j, err)
}

// checkJob returns an error for an answer that is JSON but not a job.
func (c *Client) checkJob(j jobs.Job, err error) error {
	if err == nil && (j.ID == "" || !j.State.Valid()) {
		return c.errNotOubli()
	}
	return err
}

// List reads one page of erasures, newest first; an empty state means all.
func (c *Client) List(ctx context.Context, state jobs.State, page jobs.Page) (jobs.List[jobs.Job], error) {
	q := pageQuery(page)
	if state != "" {
		q.Set("state", string(state))
	}
	var l jobs.List[jobs.Job]
	err := c.do(ctx, request{method: http.MethodGet, path: withQuery("/v1/erasures", q)}, &l)
	return l, err
}

// Exceptions returns every client of an erasure whose outcome is other than
// erased, or only those with the given outcome. It reads page by page and stops at
// the first error.
func (c *Client) Exceptions(ctx context.Context, id string, outcome jobs.Outcome) iter.Seq2[jobs.Exception, error] {
	query := url.Values{}
	if outcome != "" {
		query.Set("outcome", string(outcome))
	}
	return pages[jobs.Exception](ctx, c, erasurePath(id)+"/clients", query)
}

func erasurePath(id string) string { return "/v1/erasures/" + url.PathEscape(id) }

func pageQuery(p jobs.Page) url.Values {
	q := url.Values{}
	if p.Limit > 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	if p.Cursor != "" {
		q.Set("cursor", p.Cursor)
	}
	return q
}

// waitQuery asks the API to wait; "" and "no" do not.
func waitQuery(waits string) url.Values {
	q := url.Values{}
	if waits != "" && waits != "no" {
		q.Set("wait", waits)
	}
	return q
}

func withQuery(path string, q url.Values) string {
	return strings.TrimSuffix(path+"?"+q.Encode(), "?")
}
