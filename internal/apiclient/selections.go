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

// Selection is the body of POST /v1/selections: which clients count as inactive.
type Selection struct {
	TenantID   string   `json:"tenant_id,omitempty"` // only with a token for all tenants
	Period     string   `json:"period"`
	Without    []string `json:"without,omitempty"` // nil: every kind of activity
	IncludeNew bool     `json:"include_new_clients,omitempty"`
}

// CreateSelection stores the list of inactive clients. If the connection fails,
// the request is repeated; creating the list twice does no harm.
func (c *Client) CreateSelection(ctx context.Context, s Selection) (jobs.Selection, error) {
	return c.selection(ctx, http.MethodPost, "/v1/selections", s)
}

// Untick excludes candidates from a selection and returns the new counts.
func (c *Client) Untick(ctx context.Context, id string, keys []string) (jobs.Selection, error) {
	return c.selection(ctx, http.MethodPatch, selectionPath(id), struct {
		Exclude []string `json:"exclude"`
	}{keys})
}

func (c *Client) selection(ctx context.Context, method, path string, body any) (jobs.Selection, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return jobs.Selection{}, fmt.Errorf("write the request: %w", err)
	}
	var s jobs.Selection
	if err = c.do(ctx, request{method: method, path: path, body: b}, &s); err == nil && s.ID == "" {
		err = c.errNotOubli()
	}
	return s, err
}

// Candidates returns every client of a selection. It reads page by page and stops
// at the first error.
func (c *Client) Candidates(ctx context.Context, id string) iter.Seq2[jobs.Candidate, error] {
	return pages[jobs.Candidate](ctx, c, selectionPath(id)+"/clients", nil)
}

func selectionPath(id string) string { return "/v1/selections/" + url.PathEscape(id) }

// pages returns all items of a list, page by page. It stops at the first error.
func pages[T any](ctx context.Context, c *Client, path string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		page := jobs.Page{Limit: jobs.MaxPage}
		for {
			q := pageQuery(page)
			for name, values := range query {
				q[name] = values
			}
			var l jobs.List[T]
			if err := c.do(ctx, request{method: http.MethodGet, path: withQuery(path, q)}, &l); err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range l.Items {
				if !yield(item, nil) {
					return
				}
			}
			if l.Next == "" || l.Next == page.Cursor {
				return
			}
			page.Cursor = l.Next
		}
	}
}
