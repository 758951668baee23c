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
