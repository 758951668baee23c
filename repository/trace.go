package repository

import (
	"context"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/propagation"
)

// storeTrace stores with a job the trace of its request, if there is one. Workers
// read it from there, because a hint holds nothing but an id.
func storeTrace(ctx context.Context, tx pgx.Tx, jobID string) error {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	parent := carrier.Get("traceparent")
	if parent == "" {
		return nil
	}
	_, err := tx.Exec(ctx, "UPDATE oubli.jobs SET traceparent = $2 WHERE id = $1", jobID, parent)
	return err
}
