package schema_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/internal/testdb"
)

const placeMap = `version: 1
client: {table: clients, key: id, name: [first_name, last_name], erase: delete}
ignore: [{table: explained, because: "the office's own"}]
`

// placed samples a database of 60 clients, to which statements are added, and lists
// what the samples show.
func placed(t *testing.T, mapText, statements string) (held, open []string) {
	t.Helper()
	pool := testdb.New(t)
	_, err := pool.Exec(t.Context(), `
CREATE TABLE clients (id uuid PRIMARY KEY, first_name text, last_name text, email text, phone text);
INSERT INTO clients
SELECT md5(n::text)::uuid, 'Marie' || chr(96 + n % 26 + 1), 'Dupont' || chr(96 + n / 26 + 1),
  'Marie' || n || '@mail.example', '+33 6 11 22 33 ' || lpad(n::text, 2, '0')
FROM generate_series(1, 60) AS n;
CREATE TABLE explained (line text);
INSERT INTO explained SELECT email FROM clients;`+statements)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "oubli.yaml")
	if err := os.WriteFile(path, []byte(mapText), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := erasuremap.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	gaps, notPlaced, err := schema.Place(t.Context(), testdb.URL(t, pool), m, plan.Gaps{})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range gaps {
		if g.Found != "sample" {
			t.Errorf("%s does not say that a sample shows it", g)
		}
		_, kinds, _ := strings.Cut(g.Why, "some are of clients: ")
		held = append(held, fmt.Sprintf("%s.%s: %s", g.Table, g.Column, kinds))
	}
	for _, n := range notPlaced {
		open = append(open, fmt.Sprintf("%s.%s: %s", n.Table, n.Column, n.Why))
	}
	for _, line := range append(slices.Clone(held), open...) {
		if strings.Contains(strings.ToLower(line), "dupont") || strings.Contains(line, "@") {
			t.Errorf("a value is printed: %s", line)
		}
	}
	slices.Sort(held)
	slices.Sort(open)
	return held, open
}

func TestValuesOfClientsOutsideOfTheMapAreFoundInEveryType(t *testing.T) {
	t.Parallel()
	held, open := placed(t, placeMap, `
CREATE TYPE person AS (first text, last text);
CREATE TABLE things (
  id int PRIMARY KEY, line text, doc jsonb, list text[], whole person, key text, called varchar(80), turned text, n int
);
INSERT INTO things
SELECT row_number() OVER (), 'Sent to ' || email || ' today',
  jsonb_build_object('a', jsonb_build_array(jsonb_build_object('first', first_name, 'last', last_name))),
  ARRAY['x', replace(phone, ' ', '.')], ROW(first_name, last_name)::person,
  'client:' || id, 'call ' || phone, last_name || ', ' || first_name, 1
FROM clients;
CREATE TABLE products (title text, doc jsonb, tags text[]);
INSERT INTO products SELECT 'Cut number ' || n, '{"colour": "red", "note": "for all"}', '{a,b}' FROM generate_series(1, 100) AS n;`)
	want := []string{
		"public.things.called: telephone numbers",
		"public.things.doc: names",
		"public.things.key: keys",
		"public.things.line: e-mail addresses",
		"public.things.list: telephone numbers",
		"public.things.turned: names",
		"public.things.whole: names",
	}
	if !slices.Equal(held, want) || len(open) > 0 {
		t.Errorf("held\n%s\nwant\n%s\nopen\n%s", strings.Join(held, "\n"), strings.Join(want, "\n"), strings.Join(open, "\n"))
	}
}

func TestWhatASampleCannotJudgeIsNotPlaced(t *testing.T) {
	t.Parallel()
	held, open := placed(t, placeMap, `
CREATE TABLE empty (line text);
CREATE TABLE staff_mails (line text);
INSERT INTO staff_mails SELECT 'stylist' || n || '@salon.example' FROM generate_series(1, 9) AS n;
CREATE TABLE broken (n int, line text GENERATED ALWAYS AS (n::text) STORED);
INSERT INTO broken VALUES (1);`)
	want := []string{
		"public.empty.line: no value to look at",
		"public.staff_mails.line: it has e-mail addresses, of no client in the sample",
	}
	if len(held) > 0 || !slices.Equal(open, want) {
		t.Errorf("held %v, open\n%s", held, strings.Join(open, "\n"))
	}
}

func TestValuesOfClientsAreFoundInLargeTables(t *testing.T) {
	t.Parallel()
	held, open := placed(t, placeMap, `
INSERT INTO clients SELECT md5('x' || n)::uuid, 'Paul', 'Roux', 'paul' || n || '@mail.example', NULL FROM generate_series(1, 50000) AS n;
CREATE TABLE outbox (line text);
INSERT INTO outbox SELECT 'To: ' || email FROM clients;
ANALYZE clients, outbox;`)
	if !slices.Equal(held, []string{"public.outbox.line: e-mail addresses"}) || len(open) > 0 {
		t.Errorf("held %v, open %v", held, open)
	}
}
