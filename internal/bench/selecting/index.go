package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// choice is which indexes appointments has besides its primary key.
type choice struct {
	Name    string
	columns []string
}

// choices ends with the indexes of the booking schema, so that the later
// measurements are made with those.
var choices = []choice{
	{"(client_id)", []string{"(client_id)", "(studio_id, starts_at)"}},
	{"(client_id), (studio_id, starts_at) INCLUDE (client_id)", []string{"(client_id)", "(studio_id, starts_at) INCLUDE (client_id)"}},
	{"(client_id, starts_at)", []string{"(client_id, starts_at)", "(studio_id, starts_at)"}},
}

// install replaces the indexes, and returns the size of the new ones in MiB.
func (c choice) install(ctx context.Context, db *pgx.Conn) (mib float64, err error) {
	rows, err := db.Query(ctx, `SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index
		WHERE indrelid = 'appointments'::regclass AND NOT indisprimary`)
	if err != nil {
		return 0, err
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, err
	}
	statements = append(statements, "SET LOCAL maintenance_work_mem = '256MB'")
	for _, columns := range c.columns {
		statements = append(statements, "CREATE INDEX ON appointments "+columns)
	}
	if _, err = db.Exec(ctx, strings.Join(statements, ";\n")); err != nil {
		return 0, fmt.Errorf("indexes %s: %w", c.Name, err)
	}
	if _, err := db.Exec(ctx, "CHECKPOINT"); err != nil {
		return 0, err
	}
	err = db.QueryRow(ctx, `SELECT sum(pg_relation_size(indexrelid)) / 1048576.0 FROM pg_index
		WHERE indrelid = 'appointments'::regclass AND NOT indisprimary`).Scan(&mib)
	return mib, err
}
