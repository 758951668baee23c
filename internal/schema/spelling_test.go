package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/internal/testdb"
)

const spellingSQL = `
CREATE TYPE subject AS ENUM ('Client', 'clients', 'Staff');
CREATE TABLE shop_clients (id bigint PRIMARY KEY DEFAULT 1, name text NOT NULL);
CREATE TABLE logs (id bigint PRIMARY KEY, subject_type text, subject_id bigint, kind subject, body text);
INSERT INTO logs SELECT n, 'Client', n, 'Client', '' FROM generate_series(1, 200) AS n;
INSERT INTO logs SELECT n, 'Staff', n, 'Staff', '' FROM generate_series(201, 400) AS n;
`

func spellingMap(where string) string {
	return fmt.Sprintf(`version: 1
client: {table: shop_clients, key: id, erase: delete, anonymous: {name: {value: x}}}
tables:
  - {table: logs, reference: subject_id, where: %q, erase: delete}
`, where)
}

func mustRun(t *testing.T, pool *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestARowWhoseDiscriminatorIsSpelledOtherwiseNeedsAWordOfTheMap(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	mustRun(t, pool, spellingSQL)
	const client = "subject_type = 'Client'"
	for _, c := range []struct {
		where, spelled, column string // no column: no gap
	}{
		{client, "Client", ""},
		{client, "Staff", ""},
		{client, "Shop", ""},
		{client, "ClientNote", ""},
		{client, "client", "subject_type"},
		{client, "CLIENTS", "subject_type"},
		{client, "Shop::Client", "subject_type"},
		{client, `App\Models\Client`, "subject_type"},
		{client, "shop.clients", "subject_type"},
		{client, "shop_client", "subject_type"},
		{client, "", "subject_type"},
		{client + " OR subject_type LIKE '%::Client'", "Shop::Client", ""},
		{client + " AND subject_type <> 'OAuth::Client'", "OAuth::Client", ""},
		{client + " AND subject_type <> 'OAuth::Client'", "Shop::Client", "subject_type"},
		{"lower(subject_type) = 'client'", "CLIENT", ""},
		{"kind = 'Client'", "Client", ""},
	} {
		mustRun(t, pool, "DELETE FROM logs WHERE id = 0")
		if _, err := pool.Exec(t.Context(), "INSERT INTO logs VALUES (0, $1, 7, 'Staff', '')", c.spelled); err != nil {
			t.Fatal(err)
		}
		gaps := check(t, pool, spellingMap(c.where))
		switch {
		case c.column == "" && len(gaps) > 0:
			t.Errorf("where %s, row with %q: %v", c.where, c.spelled, gaps)
		case c.column != "" && (len(gaps) != 1 || gaps[0].Column != c.column):
			t.Errorf("where %s, row with %q: want a gap about %s, got %v", c.where, c.spelled, c.column, gaps)
		case c.column != "" && strings.Contains(c.spelled, `\`) && strings.Contains(gaps.Error(), c.spelled):
			t.Errorf("the gap quotes the value: %v", gaps)
		}
	}
	mustRun(t, pool, "UPDATE logs SET kind = 'clients' WHERE id = 0")
	if gaps := check(t, pool, spellingMap("kind = 'Client'")); len(gaps) != 1 || gaps[0].Column != "kind" {
		t.Errorf("an enum: %v", gaps)
	}
	// The chunk itself looks at every row that a foreign key ties to a client.
	mustRun(t, pool, `INSERT INTO shop_clients SELECT DISTINCT subject_id, '' FROM logs;
		ALTER TABLE logs ADD FOREIGN KEY (subject_id) REFERENCES shop_clients`)
	if gaps := check(t, pool, spellingMap("kind = 'Client'")); len(gaps) > 0 {
		t.Errorf("with a foreign key: %v", gaps)
	}
}

func TestATableThatCannotBeSampledIsWarnedOf(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	mustRun(t, pool, spellingSQL)
	m, err := erasuremap.Parse("map.yaml", []byte(spellingMap("subject_type = 'Client' AND 1 / (id - 200) < 2")))
	if err != nil {
		t.Fatal(err)
	}
	_, gaps, warnings, err := schema.Check(t.Context(), testdb.URL(t, pool), m)
	if err != nil || len(gaps) > 0 {
		t.Fatalf("%v, %v", gaps, err)
	}
	for _, w := range warnings {
		if w.Table == "public.logs" && strings.Contains(w.Why, "could not be sampled") {
			return
		}
	}
	t.Errorf("no warning: %v", warnings)
}
