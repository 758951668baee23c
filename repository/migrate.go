package repository

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/tern/v2/migrate"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationLock keeps two migrating processes apart.
const migrationLock = 0x6f75626c69 // "oubli"

// Migrate creates or updates the control schema and says which version the
// database had and has. Running it again changes nothing.
func Migrate(ctx context.Context, url string) (from, to int32, err error) {
	conn, err := connect(ctx, url)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", migrationLock); err != nil {
		return 0, 0, fault("lock for migration", err)
	}
	if _, err := conn.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS oubli"); err != nil {
		return 0, 0, fault("create schema oubli", err)
	}
	m, err := migrator(ctx, conn)
	if err != nil {
		return 0, 0, err
	}
	if from, err = m.GetCurrentVersion(ctx); err != nil {
		return 0, 0, fault("read schema version", err)
	}
	if err := m.Migrate(ctx); err != nil {
		return from, 0, fault("migrate", err)
	}
	return from, int32(len(m.Migrations)), nil
}

// schemaVersions reads the version that the database has and the one that this
// program wants.
func schemaVersions(ctx context.Context, conn *pgx.Conn) (has, wants int32, err error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, 0, err
	}
	var found *string
	if err := conn.QueryRow(ctx, "SELECT to_regclass('oubli.schema_version')::text").Scan(&found); err != nil {
		return 0, 0, fault("look for schema oubli", err)
	}
	if found != nil {
		if err := conn.QueryRow(ctx, "SELECT version FROM oubli.schema_version").Scan(&has); err != nil {
			return 0, 0, fault("read schema version", err)
		}
	}
	return has, int32(len(files)), nil
}

func migrator(ctx context.Context, conn *pgx.Conn) (*migrate.Migrator, error) {
	m, err := migrate.NewMigrator(ctx, conn, "oubli.schema_version")
	if err != nil {
		return nil, fault("prepare migration", err)
	}
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := m.LoadMigrations(dir); err != nil {
		return nil, fmt.Errorf("load migrations: %w", err)
	}
	return m, nil
}
