package repository

import (
	"context"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/propagation"
)

// noteTrace keeps with a job which trace its request belongs to, if there is
// one. Workers take it from there and not from a hint, which carries an id and
// nothing else.
func noteTrace(ctx context.Context, tx pgx.Tx, jobID string) error {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	parent := carrier.Get("traceparent")
	if parent == "" {
		return nil
	}
	_, err := tx.Exec(ctx, "UPDATE oubli.jobs SET traceparent = $2 WHERE id = $1", jobID, parent)
	return err
}
