package apiclient

import (
	"context"
	"net/http"
	"net/url"

	"github.com/oubli/oubli/jobs"
)

// Retention reads what the law keeps of a tenant's erased clients. The tenant
// is named with a token for any tenant only; else it is empty.
func (c *Client) Retention(ctx context.Context, tenant string) (jobs.Retention, error) {
	q := url.Values{}
	if tenant != "" {
		q.Set("tenant_id", tenant)
	}
	var r jobs.Retention
	err := c.do(ctx, request{method: http.MethodGet, path: withQuery("/v1/retention", q)}, &r)
	if err == nil && r.TenantID == "" {
		return r, c.stranger()
	}
	return r, err
}
