package pgsession_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/internal/testdb"
	"github.com/oubli/oubli/jobs"
)

// What a database has set otherwise: each of these changes what a statement means
// or keeps it from running.
var unusual = map[string]string{
	"client_encoding":               "LATIN1",
	"timezone":                      "Asia/Tokyo",
	"datestyle":                     "SQL, DMY",
	"intervalstyle":                 "sql_standard",
	"standard_conforming_strings":   "off",
	"bytea_output":                  "escape",
	"extra_float_digits":            "-5",
	"transform_null_equals":         "on",
	"array_nulls":                   "off",
	"xmloption":                     "document",
	"default_transaction_isolation": "serializable",
	"statement_timeout":             "20ms",
	"lock_timeout":                  "1ms",
	"idle_session_timeout":          "5s",
	"synchronous_commit":            "off",
	"jit":                           "on",
	"plan_cache_mode":               "force_generic_plan",
	"track_counts":                  "off",
}

func TestASessionMeansTheSameWhateverTheDatabaseHasSet(t *testing.T) {
	t.Parallel()
	plain := testdb.New(t)
	want := settings(t, connect(t, testdb.URL(t, plain)))
	odd := testdb.New(t)
	for name, value := range unusual {
		alterDatabase(t, odd, "SET "+name+" = "+quoted(value))
	}
	got := settings(t, connect(t, testdb.URL(t, odd)))
	for name := range unusual {
		if got[name] != want[name] {
			t.Errorf("%s = %s where the database has set %s; want %s, as elsewhere", name, got[name], unusual[name], want[name])
		}
	}
}

// A text that goes through the connection must be the same text in a database
// whose encoding is another. LATIN1 stores é in one byte.
func TestATextIsTheSameInADatabaseOfAnotherEncoding(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"LATIN1", "WIN1252"} {
		conn := connect(t, database(t, encoding))
		var found int
		err := conn.QueryRow(t.Context(), `
			SELECT octet_length(convert_to($1::text, $2)) * (CASE WHEN $1::text = U&'\00e9' THEN 1 ELSE 100 END)`,
			"é", encoding).Scan(&found)
		if err != nil || found != 1 {
			t.Errorf("%s: é became something else: %d, %v", encoding, found, err)
		}
	}
}

func TestAServerOnWhichMeaningIsNotSafeIsRefusedByName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ url, code, says string }{
		{database(t, "SQL_ASCII"), "server_encoding", "createdb --encoding UTF8"},
		{databaseWith(t, "SET session_replication_role = replica"), "session_replication_role", "RESET session_replication_role"},
	} {
		conn, err := pgsession.Connect(t.Context(), c.url, "test")
		if err == nil {
			_ = conn.Close(t.Context())
		}
		if codeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
			t.Errorf("got %v, want code %s and the fix %q", err, c.code, c.says)
		}
	}
}

// After a failover the server behind an open connection is a standby, and answers
// 25006 for as long as the connection lives.
func TestAConnectionToAServerThatTakesNoWritesIsClosed(t *testing.T) {
	t.Parallel()
	conn := connect(t, databaseWith(t, "SET default_transaction_read_only = on"))
	_, err := conn.Exec(t.Context(), "CREATE TABLE a (b int)")
	if !pgfault.Is(err, "25006") {
		t.Fatalf("got %v, want SQLSTATE 25006", err)
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("the connection is still open")
	}
}

func TestOfSeveralHostsTheOneThatTakesWritesIsTaken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url  string
		want bool
	}{
		{"postgres://a,b/db", true},
		{"postgres://a:1,a:2/db", true},
		{"postgres://a/db?sslmode=prefer", false},
		{"postgres://a,b/db?target_session_attrs=standby", true},
	} {
		cfg, err := pgx.ParseConfig(c.url)
		if err != nil {
			t.Fatal(err)
		}
		pgsession.Prepare(cfg, "test")
		if got := cfg.ValidateConnect != nil; got != c.want {
			t.Errorf("%s: checks the server: %t, want %t", c.url, got, c.want)
		}
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgsession.Connect(t.Context(), url, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func settings(t *testing.T, conn *pgx.Conn) map[string]string {
	t.Helper()
	rows, err := conn.Query(t.Context(), "SELECT name, setting FROM pg_settings")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	var name, value string
	if _, err := pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		got[strings.ToLower(name)] = value
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func quoted(s string) string { return "'" + s + "'" }

func alterDatabase(t *testing.T, pool *pgxpool.Pool, what string) {
	t.Helper()
	name := pgx.Identifier{pool.Config().ConnConfig.Database}.Sanitize()
	if strings.Contains(what, "datestyle") {
		what = strings.ReplaceAll(what, "'", "") // a list, not one text
	}
	if _, err := pool.Exec(t.Context(), "ALTER DATABASE "+name+" "+what); err != nil {
		t.Fatal(err)
	}
}

func databaseWith(t *testing.T, set string) string {
	t.Helper()
	pool := testdb.New(t)
	alterDatabase(t, pool, set)
	return testdb.URL(t, pool)
}

// database creates an empty database with an encoding.
func database(t *testing.T, encoding string) string {
	t.Helper()
	admin := testdb.New(t)
	name := admin.Config().ConnConfig.Database + "_" + strings.ToLower(encoding)
	for _, sql := range []string{
		"CREATE DATABASE " + name + " TEMPLATE template0 ENCODING '" + encoding + "' LC_COLLATE 'C' LC_CTYPE 'C'",
	} {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	u, err := url.Parse(testdb.URL(t, admin))
	if err != nil {
		t.Fatal(err)
	}
	server := *u
	u.Path = "/" + name
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		conn, err := pgx.Connect(ctx, server.String())
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return u.String()
}

func codeOf(err error) string {
	e, _ := errors.AsType[*jobs.Error](err)
	if e == nil {
		return ""
	}
	return e.Code
}
