package plan_test

import (
	"fmt"
	"log"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/plan"
)

func ExampleCompile() {
	m, err := erasuremap.Parse("oubli.yaml", []byte(`
version: 1
client: {table: clients, key: id, erase: delete}
tables:
  - {table: notes, reference: client_id, erase: delete}
`))
	if err != nil {
		log.Fatal(err)
	}
	key := plan.Column{Name: "id", Type: "bigint", Base: "int8", Category: "N", NotNull: true, Default: true}
	clients := plan.Relation{
		Schema: "public", Name: "clients", Kind: "r", Columns: []plan.Column{key}, PrimaryKey: []string{"id"},
		Indexes: []plan.Index{{Name: "clients_pkey", Method: "btree", Keys: []string{"id"}, Expression: []bool{false}, Unique: true}},
	}
	notes := plan.Relation{
		Schema: "public", Name: "notes", Kind: "r",
		Columns: []plan.Column{{Name: "client_id", Type: "bigint", Base: "int8", Category: "N"}},
		ForeignKeys: []plan.ForeignKey{{
			Name: "notes_client_id_fkey", Columns: []string{"client_id"},
			ParentSchema: "public", Parent: "clients", ParentColumns: []string{"id"},
		}},
	}
	catalog := &plan.Catalog{SearchPath: []string{"public"}, Relations: []plan.Relation{clients, notes}}

	p, err := plan.Compile(m, catalog)
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range p.Erase {
		fmt.Print(s)
	}

	// A foreign key that the map does not name is a gap.
	m.Tables = nil
	_, err = plan.Compile(m, catalog)
	fmt.Println(strings.Replace(err.Error(), " — ", " —\n  ", 1))
	// Output:
	// -- notes: delete
	// --   $1 = keys
	// DELETE FROM "public"."notes" AS "t"
	// WHERE "t"."client_id" = ANY($1::text[]::bigint[]);
	// -- clients: delete
	// --   $1 = keys
	// DELETE FROM "public"."clients" AS "t"
	// WHERE "t"."id" = ANY($1::text[]::bigint[]);
	// oubli.yaml:3:9: public.notes.client_id: foreign key notes_client_id_fkey reaches the clients and is not in the map —
	//   under tables: - {table: notes, reference: client_id, erase: …}
}
