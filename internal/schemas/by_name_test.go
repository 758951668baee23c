package schemas_test

import (
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/mapinit"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/internal/testdb"
)

// unkeyed is a schema whose tables refer to customers, and to their invoices, by
// other columns than the key or without foreign keys.
const unkeyed = `
CREATE TABLE addresses (id bigint PRIMARY KEY, street text NOT NULL);
CREATE TABLE customers (
	id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	external_id text NOT NULL UNIQUE,
	email       text UNIQUE,
	name        text NOT NULL,
	bill_address_id bigint REFERENCES addresses,
	ship_address_id bigint REFERENCES addresses
);
CREATE TABLE newsletter_optins (email text PRIMARY KEY REFERENCES customers (email));
CREATE TABLE usage_events (id bigint PRIMARY KEY, external_customer_id text NOT NULL, properties jsonb);
CREATE TABLE invoices (id bigint PRIMARY KEY, customer_id uuid NOT NULL REFERENCES customers, amount_cents int NOT NULL);
CREATE TABLE payment_intents (id bigint PRIMARY KEY, invoice_id bigint NOT NULL, amount_cents int NOT NULL);
CREATE TABLE intent_notes (payment_intent_id bigint REFERENCES payment_intents, body text);`

func TestReferencesToOtherColumnsAndMappedTablesAreProposedAndDemanded(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	if _, err := pool.Exec(t.Context(), unkeyed); err != nil {
		t.Fatal(err)
	}
	o := mapinit.Options{ClientTable: erasuremap.Name{Relation: "customers"}}
	cat, facts, err := schema.Survey(t.Context(), testdb.URL(t, pool), o)
	if err != nil {
		t.Fatal(err)
	}
	draft, err := mapinit.Write(cat, facts, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"{table: newsletter_optins, reference: email, references: {column: email}, erase: delete",
		"    reference: external_customer_id\n    references: {column: external_id}\n",
		"  - table: payment_intents\n    through: invoices\n    reference: invoice_id\n    erase: keep\n",
		"{table: addresses, owned_by: bill_address_id, erase: delete}\n",
		"{table: addresses, owned_by: ship_address_id, erase: delete}\n",
		"intent_notes, through: payment_intents, reference: payment_intent_id, erase: delete}",
	} {
		if !strings.Contains(draft.YAML, want) {
			t.Errorf("no %q in\n%s", want, draft.YAML)
		}
	}
	// Each entry of the draft is also demanded: without it there is a gap.
	for _, left := range []struct{ table, gap string }{
		{"newsletter_optins", "references: {column: email}"},
		{"usage_events", "references: {column: external_id}"},
		{"payment_intents", "through: invoices, reference: invoice_id"},
	} {
		m, err := erasuremap.Parse("map.yaml", []byte(minimal(left.table)))
		if err != nil {
			t.Fatal(err)
		}
		_, gaps, _, err := schema.Check(t.Context(), testdb.URL(t, pool), m)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, g := range gaps {
			found = found || g.Table == "public."+left.table && strings.Contains(g.Fix, left.gap)
		}
		if !found {
			t.Errorf("check does not demand %s by %q:\n%v", left.table, left.gap, gaps)
		}
	}
	m, err := erasuremap.Parse("map.yaml", []byte(minimal("")))
	if err != nil {
		t.Fatal(err)
	}
	if _, gaps, _, err := schema.Check(t.Context(), testdb.URL(t, pool), m); err != nil || len(gaps) > 0 {
		t.Errorf("the whole map: %v, %v", gaps, err)
	}
}

// minimal is a map of the schema without the entries of one table and of the rows
// below it.
func minimal(without string) string {
	text := `version: 1
client:
  table: customers
  key: id
  erase: delete
  anonymous: {external_id: {sql: "'anonymous-' || :slot"}, name: {label: unknown_client}}
tables:
  - {table: newsletter_optins, reference: email, references: {column: email}, erase: delete}
  - {table: usage_events, reference: external_customer_id, references: {column: external_id}, erase: delete}
  - {table: addresses, owned_by: bill_address_id, erase: delete}
  - {table: addresses, owned_by: ship_address_id, erase: delete}
  - {table: invoices, reference: customer_id, erase: reassign}
  - {table: payment_intents, through: invoices, reference: invoice_id, erase: keep}
  - {table: intent_notes, through: payment_intents, reference: payment_intent_id, erase: delete}
`
	var kept []string
	for _, line := range strings.SplitAfter(text, "\n") {
		below := without != "" && strings.Contains(line, "through: "+without+",")
		if without == "" || !strings.Contains(line, "{table: "+without+",") && !below {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}
