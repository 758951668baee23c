package repository

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oubli/oubli/internal/testdb"
	"github.com/oubli/oubli/jobs"
)

// steps is a short history of migrations. Its tables cannot be made twice.
var steps = []migration{
	{"001_one.sql", `
CREATE TABLE oubli.one (n int);
INSERT INTO oubli.one VALUES (1);
`},
	{"002_two.sql", "CREATE TABLE oubli.two (n int);"},
	{"003_three.sql", "CREATE TABLE oubli.three (n int);"},
}

// ternTable is what github.com/jackc/tern/v2, with which this program migrated
// before, ran to make its table.
const ternTable = `
    create schema oubli;
    create table if not exists oubli.schema_version(version int4 not null);

    insert into oubli.schema_version(version)
    select 0
    where 0=(select count(*) from oubli.schema_version);`

func TestADatabaseThatTernMigratedIsContinued(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	known, err := loadMigrations(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, ternTable)
	mustExec(t, db, known[0].sql)
	mustExec(t, db, "reset all; update oubli.schema_version set version=1")

	if from, _, err := Migrate(t.Context(), testdb.URL(t, db)); err != nil || from != 1 {
		t.Fatalf("Migrate started at version %d (%v), want 1", from, err)
	}
	next := append(slices.Clone(known), steps...)
	want := int32(len(next))
	if from, to, err := migrateTo(t.Context(), testdb.URL(t, db), next); err != nil || from > to || to != want {
		t.Fatalf("more migrations: from %d to %d, %v; want to %d", from, to, err, want)
	}
	wantVersion(t, db, want)
}

func TestManyMigrateAtOnceAndEachFileRunsOnce(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	errs := make([]error, 4)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			var to int32
			if _, to, errs[i] = migrateTo(t.Context(), testdb.URL(t, db), steps); to != 3 && errs[i] == nil {
				errs[i] = errors.New("ended at another version than 3")
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	wantVersion(t, db, 3)
}

func TestAFailedMigrationLeavesTheVersionBeforeItAndNoLock(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	bad := migration{"002_bad.sql", `CREATE TABLE oubli.two (n int);
-- à la ligne
INSERT INTO oubli.two VALUES (1); INSERT INTO oubli.two
  SELECT 'anna.moreau@example.org';`}
	conn, err := pgx.Connect(t.Context(), testdb.URL(t, db))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	known := []migration{steps[0], bad}
	if _, more, err := migrateOnce(t.Context(), conn, known); err != nil || !more {
		t.Fatalf("the first migration: %v", err)
	}
	_, _, err = migrateOnce(t.Context(), conn, known)
	const want = "migrate: 002_bad.sql: statement 3, line 4"
	if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "anna") {
		t.Errorf("got %v, want %s: SQLSTATE", err, want)
	}
	var held int
	const locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
	if err := conn.QueryRow(t.Context(), locks).Scan(&held); err != nil || held != 0 {
		t.Errorf("the session holds %d advisory locks (%v), want none", held, err)
	}
	wantVersion(t, db, 1)
	var left bool
	if err := db.QueryRow(t.Context(), "SELECT to_regclass('oubli.two') IS NOT NULL").Scan(&left); err != nil || left {
		t.Errorf("the failed migration left its table (%v)", err)
	}
	if from, to, err := migrateTo(t.Context(), testdb.URL(t, db), steps); err != nil || from != 1 || to != 3 {
		t.Errorf("after the fix: from %d to %d, %v; want 1 to 3", from, to, err)
	}
}

func TestADatabaseOfANewerProgramIsNotMigrated(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	if _, _, err := migrateTo(t.Context(), testdb.URL(t, db), steps); err != nil {
		t.Fatal(err)
	}
	_, _, err := migrateTo(t.Context(), testdb.URL(t, db), steps[:2])
	e, ok := errors.AsType[*jobs.Error](err)
	if !ok || e.Code != "program_too_old" {
		t.Errorf("got %v, want program_too_old", err)
	}
	wantVersion(t, db, 3)
}

func TestMigrationsAreNumberedWithoutAGap(t *testing.T) {
	t.Parallel()
	for _, files := range []string{"002_a.sql", "001_a.sql 003_b.sql", "001_a.sql 001_b.sql", "001_a.sql notes.txt"} {
		fsys := fstest.MapFS{}
		for name := range strings.FieldsSeq(files) {
			fsys["m/"+name] = &fstest.MapFile{}
		}
		if known, err := loadMigrations(fsys, "m"); err == nil {
			t.Errorf("%s: loaded %d migrations, want an error", files, len(known))
		}
	}
}

func mustExec(t *testing.T, db *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := db.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func wantVersion(t *testing.T, db *pgxpool.Pool, want int32) {
	t.Helper()
	var rows, version int32
	if err := db.QueryRow(t.Context(), "SELECT count(*), max(version) FROM oubli.schema_version").Scan(&rows, &version); err != nil {
		t.Fatal(err)
	}
	if rows != 1 || version != want {
		t.Errorf("oubli.schema_version has %d rows and says %d, want one row that says %d", rows, version, want)
	}
}
