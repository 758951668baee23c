package erasuremap_test

import (
	"fmt"
	"testing"

	"github.com/oubli/oubli/internal/erasuremap"
)

func TestSinceMayNameAColumnOfAParent(t *testing.T) {
	t.Parallel()
	for since, want := range map[string]struct {
		of     erasuremap.Name
		column string
	}{
		"issued_on":                 {erasuremap.Name{}, "issued_on"},
		"invoices.issued_on":        {erasuremap.Name{Relation: "invoices"}, "issued_on"},
		"app.invoices.issued_on":    {erasuremap.Name{Schema: "app", Relation: "invoices"}, "issued_on"},
		`'"The.Invoices"."On"'`:     {erasuremap.Name{Relation: "The.Invoices"}, "On"},
		`'"a.column of its own"'`:   {erasuremap.Name{}, "a.column of its own"},
		`'"app"."invoices"."on ""'`: {}, // an open quotation
	} {
		m, err := erasuremap.Parse("map.yaml", fmt.Appendf(nil, `version: 1
client: {table: clients, key: id, erase: delete, anonymous: {name: {label: unknown_client}}}
tables:
  - {table: invoices, reference: client_id, erase: reassign}
  - {table: lines, through: invoices, reference: invoice_id, erase: keep, retain: {rule: invoice, since: %s, columns: {text: null}}}
retention: {invoice: {clock: end_of_year, otherwise: 10}}
`, since))
		switch {
		case want.column == "":
			if err == nil {
				t.Errorf("%s is accepted", since)
			}
		case err != nil:
			t.Errorf("%s: %v", since, err)
		default:
			if r := m.Tables[1].Retain; r.SinceOf != want.of || r.Since != want.column {
				t.Errorf("%s: %+v %q, want %+v", since, r.SinceOf, r.Since, want)
			}
		}
	}
}
