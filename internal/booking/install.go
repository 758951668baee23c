package booking

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed schema.sql
var schemaSQL string

//go:embed constraints.sql
var constraintsSQL string

//go:embed oubli.yaml
var mapYAML []byte

// DB is a connection or a pool.
type DB interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Map returns the map for this schema, as a product would have it in its
// oubli.yaml.
func Map() []byte { return append([]byte(nil), mapYAML...) }

// Install creates the tables, keys and indexes in schema public, in one
// transaction. The database must not have them yet.
func Install(ctx context.Context, db DB) error {
	return inPublic(ctx, db, "install the booking schema", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, schemaSQL+constraintsSQL)
		return err
	})
}

// inPublic runs f in one transaction in which names without a schema are in
// schema public, whatever the role's search path is.
func inPublic(ctx context.Context, db DB, op string, f func(pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL search_path = public"); err != nil {
			return err
		}
		return f(tx)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}
