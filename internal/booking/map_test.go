package booking_test

import (
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/internal/testdb"
)

func TestTheMapCoversTheSchema(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, few)
	m, err := erasuremap.Parse("oubli.yaml", booking.Map())
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := schema.ReadCatalog(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Compile(m, catalog); err != nil {
		t.Error(err)
	}
	for _, w := range plan.Warnings(m, catalog) {
		// Not every server has the extension for an index of names, and the demo's
		// databases are small.
		if !strings.Contains(w.Fix, "pg_trgm") {
			t.Errorf("unexpected warning: %s", w)
		}
	}
}

func TestATraceIsRetainedWhereTheMapSaysSo(t *testing.T) {
	t.Parallel()
	m, err := erasuremap.Parse("oubli.yaml", booking.Map())
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range m.Tables {
		retained := make(map[string]bool)
		if of.Retain != nil {
			for _, c := range of.Retain.Columns {
				retained[c.Column] = true
			}
		}
		for _, column := range []string{"billing_name", "billing_address", "billing_email", "number", "note", "body"} {
			trace := booking.Trace{Table: of.Table.Relation, Column: column}
			if trace.Retained() != retained[column] {
				t.Errorf("%s.%s: Retained is %t, the map says %t", trace.Table, column, trace.Retained(), retained[column])
			}
		}
	}
}
