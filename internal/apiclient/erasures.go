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

// Erasure asks for the erasure of named clients or of a selection: the body of
// POST /v1/erasures.
type Erasure struct {
	TenantID      string      `json:"tenant_id,omitempty"` // only with a token for any tenant
	ClientIDs     []string    `json:"client_ids,omitempty"`
	SelectionID   string      `json:"selection_id,omitempty"`
	ExpectedCount *int        `json:"expected_count,omitempty"` // with SelectionID
	Reason        jobs.Reason `json:"reason"`
	Comment       string      `json:"comment,omitempty"`
	Notify        []string    `json:"notify,omitempty"` // none: the caller
	Locale        string      `json:"locale,omitempty"` // empty: the tenant's
	NotBefore     *time.Time  `json:"not_before,omitempty"`
	DryRun        bool        `json:"dry_run,omitempty"`
	Override      []string    `json:"override,omitempty"`
}

// NewIdempotencyKey makes a key for one request; it cannot be guessed.
func NewIdempotencyKey() string { return rand.Text() }

// CreateErasure submits the request and gives the job that was made for it.
// The same key with the same request gives the same job, however often; an
// empty key stands for a new one. Trouble on the way is retried with that key.
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
	return j, c.whole(j, err)
}

// Get reads one erasure.
func (c *Client) Get(ctx context.Context, id string) (jobs.Job, error) {
	var j jobs.Job
	err := c.do(ctx, request{method: http.MethodGet, path: erasurePath(id)}, &j)
	return j, c.whole(j, err)
}

// whole refuses an answer that is JSON, but no erasure.
func (c *Client) whole(j jobs.Job, err error) error {
	if err == nil && (j.ID == "" || !j.State.Valid()) {
		return c.stranger()
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

// Exceptions gives every client of an erasure that is not plainly erased, page
// by page; an empty outcome means all of them. It ends at the first error.
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

func withQuery(path string, q url.Values) string {
	return strings.TrimSuffix(path+"?"+q.Encode(), "?")
}
