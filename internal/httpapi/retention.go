package httpapi

import (
	"context"
	"net/http"

	"github.com/oubli/oubli/jobs"
)

// RetentionStore counts the rows of a tenant's erased clients that are kept by
// law.
type RetentionStore interface {
	Retention(ctx context.Context, tenant string) (jobs.Retention, error)
}

// retention registers the route of /v1/retention.
func (a *api) retention() {
	register(a, operation{
		method: http.MethodGet, path: "/v1/retention", id: "get-retention",
		summary: "Read what is kept by law",
		description: "How many rows of a tenant's erased clients are kept by law, by rule, table and " +
			"year, and what the last daily sweeps have cleared. " +
			"The counts are those of `counted_at`: every sweep counts, and after a job has ended they are counted again within two " +
			"minutes. Reading them is cheap.",
		who: readers, status: http.StatusOK,
		codes: []string{"tenant_mismatch"},
	}, a.getRetention)
}

type retentionInput struct {
	TenantQuery
}

type retentionOutput struct {
	Body jobs.Retention
}

func (a *api) getRetention(ctx context.Context, in *retentionInput) (*retentionOutput, error) {
	tenant, err := in.one(ctx)
	if err != nil {
		return nil, err
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
