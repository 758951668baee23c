package repository

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/jobs"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationLock is the advisory lock under which a migration runs. Programs of
// earlier versions held the same one for their whole session.
const migrationLock = 0x6f75626c69 // "oubli"

// versionSQL makes the table that holds how many migrations the database has
// had: always one row.
const versionSQL = `
	CREATE SCHEMA IF NOT EXISTS oubli;
	CREATE TABLE IF NOT EXISTS oubli.schema_version (version int4 NOT NULL);
	INSERT INTO oubli.schema_version (version) SELECT 0 WHERE NOT EXISTS (SELECT FROM oubli.schema_version)`

// Migrate creates or updates the control schema and says which version the
// database had and has. Running it again changes nothing, and two may run at
// once. After an error the database keeps the version before the migration
// that failed.
func Migrate(ctx context.Context, url string) (from, to int32, err error) {
	known, err := loadMigrations(migrations, "migrations")
	if err != nil {
		return 0, 0, err
	}
	return migrateTo(ctx, url, known)
}

// migration is one SQL file. Its version is its place in the list, from 1.
type migration struct{ file, sql string }

// loadMigrations reads NNN_name.sql, numbered from 001 without a gap.
func loadMigrations(fsys fs.FS, dir string) ([]migration, error) {
	files, err := fs.ReadDir(fsys, dir) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	known := make([]migration, 0, len(files))
	for i, f := range files {
		if number := fmt.Sprintf("%03d_", i+1); !strings.HasPrefix(f.Name(), number) {
			return nil, fmt.Errorf("migrations: want %s*.sql, got %s", number, f.Name())
		}
		sql, err := fs.ReadFile(fsys, dir+"/"+f.Name())
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		known = append(known, migration{f.Name(), string(sql)})
	}
	return known, nil
}

func migrateTo(ctx context.Context, url string, known []migration) (from, to int32, err error) {
	conn, err := pgsession.Connect(ctx, url, "oubli migrate")
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	from = -1
	for {
		has, more, err := migrateOnce(ctx, conn, known)
		if from < 0 {
			from = has
		}
		if err != nil || !more {
			return from, has, err
		}
	}
}

// migrateOnce runs the next migration, and writes its version in the same
// transaction. It returns the version that the database had before, and whether
// a migration ran.
//
// The lock belongs to the transaction and not to the session, so that it ends
// with it behind a connection pooler too. What another process has migrated
// meanwhile is seen, because READ COMMITTED reads the version after the lock.
func migrateOnce(ctx context.Context, conn *pgx.Conn, known []migration) (has int32, more bool, err error) {
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_catalog.pg_advisory_xact_lock($1)", migrationLock); err != nil {
			return pgfault.Wrap("lock for migration", err)
		}
		if has, err = readVersion(ctx, conn); err != nil {
			return err
		}
		wants := int32(len(known))
		if has > wants {
			return programTooOld(has, wants)
		}
		if more = has < wants; !more {
			return nil
		}
		if has == 0 {
			if _, err := conn.PgConn().Exec(ctx, versionSQL).ReadAll(); err != nil {
				return pgfault.Wrap("create schema oubli", err)
			}
		}
		if err := known[has].run(ctx, conn.PgConn()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE oubli.schema_version SET version = $1", has+1)
		return pgfault.Wrap("write schema version", err)
	})
	return has, more, pgfault.Wrap("migrate", err)
}

// run sends the whole file. An error names the file and the statement in it,
// and the line where PostgreSQL says one, but no text of PostgreSQL's, which
// can quote a row.
func (m migration) run(ctx context.Context, conn *pgconn.PgConn) error {
	results := conn.Exec(ctx, m.sql)
	statement := 1
	for results.NextResult() {
		if _, err := results.ResultReader().Close(); err == nil {
			statement++
		}
	}
	err := results.Close()
	if err == nil {
		return nil
	}
	where := fmt.Sprintf("migrate: %s: statement %d", m.file, statement)
	if line := lineOf(m.sql, err); line > 0 {
		where += fmt.Sprintf(", line %d", line)
	}
	return pgfault.Wrap(where, err)
}

// lineOf is the line in the SQL at which PostgreSQL found the error; 0 when it
// does not say.
func lineOf(sql string, err error) int {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || pg.Position < 1 {
		return 0
	}
	before := []rune(sql) // PostgreSQL counts characters, from 1
	before = before[:min(int(pg.Position)-1, len(before))]
	return 1 + strings.Count(string(before), "\n")
}

// readVersion reads the version that the database has; 0 without the schema.
func readVersion(ctx context.Context, conn *pgx.Conn) (has int32, err error) {
	var found *string
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.to_regclass('oubli.schema_version')::text").Scan(&found); err != nil {
		return 0, pgfault.Wrap("look for schema oubli", err)
	}
	if found == nil {
		return 0, nil
	}
	err = conn.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM oubli.schema_version").Scan(&has)
	return has, pgfault.Wrap("read schema version", err)
}

// schemaVersions reads the version that the database has and the one that this
// program wants.
func schemaVersions(ctx context.Context, conn *pgx.Conn) (has, wants int32, err error) {
	known, err := loadMigrations(migrations, "migrations")
	if err != nil {
		return 0, 0, err
	}
	has, err = readVersion(ctx, conn)
	return has, int32(len(known)), err
}

func programTooOld(has, wants int32) error {
	return &jobs.Error{Kind: jobs.Conflict, Code: "program_too_old",
		Msg: fmt.Sprintf("schema oubli is at version %d and this program knows %d: use the newer program", has, wants)}
}
