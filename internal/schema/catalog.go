package schema

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
)

// querier is a connection, a pool or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// ReadFingerprint reads the fingerprint of the live schema in a transaction of its
// own, which searches pg_catalog only: the right to create functions in a schema of
// the search path may just have been granted to somebody.
func ReadFingerprint(ctx context.Context, db interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}) (fingerprint string, err error) {
	b := &pgx.Batch{}
	b.Queue("begin read only")
	b.Queue("set local search_path = pg_catalog, pg_temp")
	b.Queue(FingerprintSQL).QueryRow(func(row pgx.Row) error { return row.Scan(&fingerprint) })
	b.Queue("commit")
	return fingerprint, pgfault.Wrap("read catalog fingerprint", db.SendBatch(ctx, b).Close())
}

// ReadCatalog reads the parts of the live schema that a plan needs. The result
// depends on the connection's role and search path.
func ReadCatalog(ctx context.Context, db querier) (*plan.Catalog, error) {
	var raw []byte
	if err := db.QueryRow(ctx, catalogSQL).Scan(&raw); err != nil {
		return nil, pgfault.Wrap("read catalog", err)
	}
	var cat plan.Catalog
	if err := json.Unmarshal(raw, &cat); err != nil {
		return nil, err
	}
	if err := db.QueryRow(ctx, FingerprintSQL).Scan(&cat.Fingerprint); err != nil {
		return nil, pgfault.Wrap("read catalog fingerprint", err)
	}
	return &cat, nil
}
