package testdb_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oubli/oubli/internal/testdb"
)

var builds atomic.Int32

var notes = testdb.Template{
	Name: "notes",
	Build: func(ctx context.Context, pool *pgxpool.Pool) error {
		builds.Add(1)
		_, err := pool.Exec(ctx, `
			CREATE TABLE notes (body text);
			INSERT INTO notes VALUES ('from the template')`)
		return err
	},
}

func TestTwoTestsGetIndependentDatabases(t *testing.T) {
	t.Parallel()
	a, b := testdb.New(t, notes), testdb.New(t, notes)
	if _, err := a.Exec(t.Context(), "INSERT INTO notes VALUES ('only in a')"); err != nil {
		t.Fatal(err)
	}
	if got := count(t, a); got != 2 {
		t.Errorf("rows in a: got %d, want 2", got)
	}
	if got := count(t, b); got != 1 {
		t.Errorf("rows in b: got %d, want 1", got)
	}
}

func TestATemplateIsBuiltOnceForManyTests(t *testing.T) {
	t.Parallel()
	for range 8 {
		t.Run("clone", func(t *testing.T) {
			t.Parallel()
			if got := count(t, testdb.New(t, notes)); got != 1 {
				t.Errorf("rows: got %d, want 1", got)
			}
			if got := builds.Load(); got > 1 {
				t.Errorf("the template was built %d times", got)
			}
		})
	}
}

func TestTheDatabaseIsGoneAfterTheTest(t *testing.T) {
	t.Parallel()
	var name string
	t.Run("inner", func(t *testing.T) {
		if err := testdb.New(t).QueryRow(t.Context(), "SELECT current_database()").Scan(&name); err != nil {
			t.Fatal(err)
		}
	})
	var found bool
	err := testdb.New(t).QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&found)
	if err != nil || found {
		t.Errorf("database %s still exists: %v, err %v", name, found, err)
	}
}

func TestTheURLLeadsToTheTestsDatabase(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t, notes)
	conn, err := pgx.Connect(t.Context(), testdb.URL(t, pool))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "INSERT INTO notes VALUES ('by URL')"); err != nil {
		t.Fatal(err)
	}
	if got := count(t, pool); got != 2 {
		t.Errorf("rows: got %d, want 2", got)
	}
}

func count(t *testing.T, pool *pgxpool.Pool) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM notes").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
