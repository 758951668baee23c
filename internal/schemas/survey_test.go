package schemas_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/mapinit"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/internal/testdb"
)

// secretive is a schema with personal values where a survey looks for names: as
// JSON keys, as types of a polymorphic pair, in a column named like a key.
const secretive = `
CREATE TABLE customers (id text PRIMARY KEY, name text NOT NULL, profile jsonb);
CREATE TABLE events (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	subject_type text NOT NULL,
	subject_id   text NOT NULL,
	customer_ref text,
	data         jsonb NOT NULL,
	broken       json
);
INSERT INTO customers
SELECT 'leak-key-' || n, 'leak-name', jsonb_build_object(
	'leak@mail.example', jsonb_build_object('email', 'leak@mail.example'), 'Contact', jsonb_build_object('E-Mail', 'leak'))
FROM generate_series(1, 50) n;
INSERT INTO events (subject_type, subject_id, customer_ref, data)
SELECT CASE WHEN n % 2 = 0 THEN 'Crm::Customer' ELSE 'leak-type' END, 'leak-key-' || n, 'leak-key-' || n,
	jsonb_build_object('phone', 'leak-phone', 'leak-word', 1, 'a.b', 2)
FROM generate_series(1, 50) n;`

func TestASurveyTellsCountsAndNoValues(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	if _, err := pool.Exec(t.Context(), secretive); err != nil {
		t.Fatal(err)
	}
	o := mapinit.Options{ClientTable: erasuremap.Name{Relation: "customers"}}
	cat, facts, err := schema.Survey(t.Context(), testdb.URL(t, pool), o)
	if err != nil {
		t.Fatal(err)
	}
	told, err := json.Marshal(facts)
	if err != nil {
		t.Fatal(err)
	}
	draft, err := mapinit.Write(cat, facts, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(told), draft.YAML} {
		if strings.Contains(strings.ToLower(text), "leak") {
			t.Errorf("a value left the database:\n%s", text)
		}
	}
	for _, want := range []string{
		"profile contains Contact.E-Mail.",
		`where: "subject_type = 'Crm::Customer'"`,
		"All sampled values of customer_ref are keys of clients.",
		"Some sampled rows are about clients.",
	} {
		if !strings.Contains(draft.YAML, want) {
			t.Errorf("the draft does not say %q:\n%s", want, draft.YAML)
		}
	}
}

func TestWhatARoleMayNotReadBecomesAQuestion(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	role := "survey_" + strings.ToLower(rand.Text()) // roles belong to the server, not to the database
	if _, err := pool.Exec(t.Context(), secretive+`;
		CREATE ROLE `+role+`;
		GRANT SELECT ON customers TO `+role); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := pool.Exec(context.WithoutCancel(t.Context()), `
			DROP OWNED BY `+role+`;
			DROP ROLE `+role); err != nil {
			t.Error(err)
		}
	})
	url := testdb.URL(t, pool)
	separator := "?"
	if strings.Contains(url, "?") {
		separator = "&"
	}
	o := mapinit.Options{ClientTable: erasuremap.Name{Relation: "customers"}}
	cat, facts, err := schema.Survey(t.Context(), url+separator+"options=-c%20role%3D"+role, o)
	if err != nil {
		t.Fatal(err)
	}
	draft, err := mapinit.Write(cat, facts, o)
	if err != nil {
		t.Fatal(err)
	}
	if want := "where: TODO"; !strings.Contains(draft.YAML, want) {
		t.Errorf("the draft does not ask what it could not read (%q):\n%s", want, draft.YAML)
	}
}
