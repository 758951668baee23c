package httpapi

import (
	"context"
	"net/http"

	"github.com/oubli/oubli/jobs"
)

// RetentionStore counts what the law retains of a tenant's erased clients.
type RetentionStore interface {
	Retention(ctx context.Context, tenant string) (jobs.Retention, error)
}

// retention ties the resource /v1/retention to its route.
func (a *api) retention() {
	register(a, operation{
		method: http.MethodGet, path: "/v1/retention", id: "get-retention",
		summary: "Read what is kept by law",
		description: "What the law keeps of a tenant's erased clients, in rows by rule, table and year, and what the last daily sweeps have cleared. " +
			"Counts only, as of `counted_at`: they are taken by every sweep, and anew within two minutes of a job's end. Reading them costs nothing.",
		who: readers, status: http.StatusOK,
		codes: []string{"tenant_mismatch"},
	}, a.getRetention)
}

type retentionInput struct {
	TenantID string `query:"tenant_id" maxLength:"64" doc:"Required with a token for all tenants; else the token's tenant, and any other is refused"`
}

type retentionOutput struct {
	Body jobs.Retention
}

func (a *api) getRetention(ctx context.Context, in *retentionInput) (*retentionOutput, error) {
	tenant, err := tenantFor(callOf(ctx).caller, in.TenantID)
	if err != nil {
		return nil, err
	}
	if !clean(tenant) {
		return nil, invalid(Fault{Code: "bad_value", Detail: "Control characters are not allowed.", Parameter: "tenant_id"})
	}
	if tenant == jobs.AnyTenant {
		return nil, invalid(Fault{Code: "required", Detail: "A token for all tenants names the tenant.", Parameter: "tenant_id"})
	}
	r, err := a.Retention.Retention(ctx, tenant)
	if err != nil {
		return nil, err
	}
	for i := range r.Kept {
		r.Kept[i].CountedAt = r.Kept[i].CountedAt.UTC()
	}
	for i := range r.Sweeps {
		w := &r.Sweeps[i]
		w.StartedAt, w.FinishedAt = w.StartedAt.UTC(), utc(w.FinishedAt)
	}
	return &retentionOutput{Body: r}, nil
}
