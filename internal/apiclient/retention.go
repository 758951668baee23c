package apiclient

import (
	"context"
	"net/http"
	"net/url"

	"github.com/oubli/oubli/jobs"
)

// Retention reads how many rows of a tenant's erased clients are kept by law. The
// tenant is needed only with a token for all tenants; else it may be empty.
func (c *Client) Retention(ctx context.Context, tenant string) (jobs.Retention, error) {
	q := url.Values{}
	if tenant != "" {
		q.Set("tenant_id", tenant)
	}
	var r jobs.Retention
	err := c.do(ctx, request{method: http.MethodGet, path: withQuery("/v1/retention", q)}, &r)
	if err == nil && r.TenantID == "" {
		return r, c.errNotOubli()
	}
	return r, err
}
