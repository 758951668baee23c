package bookingdb

import (
	_ "embed"
	"net/url"
	"testing"
)

//go:embed stranger.sql
var strangerSQL string

// Stranger lets a role that may only create in schema public put copies of all of
// PostgreSQL's functions and operators there, and returns the database with URLs
// under which they are found first. A copy that is called fails, and the sequence caught
// says so even if the transaction is rolled back.
func (d *DB) Stranger(tb testing.TB) *DB {
	tb.Helper()
	conn, err := d.Pool.Acquire(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Release()
	for _, sql := range []string{
		"GRANT CREATE ON SCHEMA public TO PUBLIC", // the default before PostgreSQL 15
		`DO $$ BEGIN CREATE ROLE oubli_test_stranger; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$`,
		"SET ROLE oubli_test_stranger",
		strangerSQL,
		"RESET ROLE",
	} {
		if _, err := conn.Exec(tb.Context(), sql); err != nil {
			tb.Fatal(err)
		}
	}
	under := *d
	under.URL, under.APIURL = StrangersFirst(tb, d.URL), StrangersFirst(tb, d.APIURL)
	return &under
}

// StrangersFirst is a URL under which schema public is searched before pg_catalog.
func StrangersFirst(tb testing.TB, to string) string {
	tb.Helper()
	u, err := url.Parse(to)
	if err != nil {
		tb.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", "public,pg_catalog")
	u.RawQuery = q.Encode()
	return u.String()
}
