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

// Selection asks who has been inactive: the body of POST /v1/selections.
type Selection struct {
	TenantID   string   `json:"tenant_id,omitempty"` // only with a token for any tenant
	Period     string   `json:"period"`
	Without    []string `json:"without,omitempty"` // none: every kind of activity
	IncludeNew bool     `json:"include_new_clients,omitempty"`
}

// CreateSelection freezes the list of inactive clients. Trouble on the way is
// retried; a list that is made twice does no harm.
func (c *Client) CreateSelection(ctx context.Context, s Selection) (jobs.Selection, error) {
	return c.selection(ctx, http.MethodPost, "/v1/selections", s)
}

// Untick leaves candidates of a selection out and gives the new counts.
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
		err = c.stranger()
	}
	return s, err
}

// Candidates gives every client of a selection, page by page. It ends at the
// first error.
func (c *Client) Candidates(ctx context.Context, id string) iter.Seq2[jobs.Candidate, error] {
	return pages[jobs.Candidate](ctx, c, selectionPath(id)+"/clients", nil)
}

func selectionPath(id string) string { return "/v1/selections/" + url.PathEscape(id) }

// pages walks a list. It ends at the first error.
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
