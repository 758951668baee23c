package mapinit_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/mapinit"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/internal/testdb"
)

// hostile is a schema with names that YAML or SQL could misread.
const hostile = `
CREATE SCHEMA "App.Data";
CREATE TABLE "App.Data"."true" ("null" uuid PRIMARY KEY, country text);
CREATE TABLE "App.Data"."Client ""VIP""" (
	"null"      uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	"studio no" uuid NOT NULL REFERENCES "App.Data"."true",
	"first: name" text NOT NULL,
	"e-mail"    text NOT NULL UNIQUE,
	"on"        boolean NOT NULL
);
CREATE TABLE "- {a: b} # 'x'" (
	"1"       bigint PRIMARY KEY,
	"%s \n"   uuid NOT NULL REFERENCES "App.Data"."Client ""VIP""",
	"order"   text,
	"TODO"    text,
	"a, b]"   text,
	"é: #"    timestamptz,
	"starts at" timestamptz,
	"x
version: 2" text
);
CREATE TABLE "select" (id bigint PRIMARY KEY, "bookings of" bigint NOT NULL REFERENCES "- {a: b} # 'x'", "group" text);
CREATE TABLE "Bookings" ("User" uuid NOT NULL REFERENCES "App.Data"."Client ""VIP""", "start" timestamptz, "status" text);
`

func TestHostileNamesComeThroughYAMLUnchanged(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	if _, err := pool.Exec(t.Context(), hostile); err != nil {
		t.Fatal(err)
	}
	o := mapinit.Options{ClientTable: erasuremap.Name{Schema: "App.Data", Relation: `Client "VIP"`}, TenantColumn: "studio no"}
	draft, cat := draftOf(t, pool, o)
	_, err := erasuremap.Parse("draft", []byte(draft.YAML))
	problems, _ := errors.AsType[erasuremap.Problems](err)
	for _, p := range problems {
		if p.Msg != "answer the TODO" {
			t.Errorf("%v\n%s", p, draft.YAML)
		}
	}
	if len(problems) != draft.Todos {
		t.Errorf("the draft counts %d TODOs, the loader reports %d:\n%v\n%s", draft.Todos, len(problems), err, draft.YAML)
	}
	// These answers keep every row and every text.
	answered := strings.NewReplacer(
		"\"bookings of\"\n    erase: TODO", "\"bookings of\"\n    erase: keep",
		"erase: TODO", "erase: reassign",
		"where: TODO", `where: "true"`,
		": TODO", ": keep",
	).Replace(draft.YAML)
	m, err := erasuremap.Parse("answered", []byte(answered))
	if err != nil {
		t.Fatalf("%v\n%s", err, answered)
	}
	if _, err := plan.Compile(m, cat); err != nil {
		t.Errorf("%v\n%s", err, answered)
	}
}

func TestATableThatCannotBeTheClientsIsRefused(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	if _, err := pool.Exec(t.Context(), `
		CREATE TABLE keyless (name text);
		CREATE TABLE twofold (a int, b int, PRIMARY KEY (a, b));
		CREATE MATERIALIZED VIEW seen AS SELECT 1 AS id`); err != nil {
		t.Fatal(err)
	}
	_, cat := draftOf(t, testdb.New(t, demo), mapinit.Options{ClientTable: erasuremap.Name{Relation: "clients"}})
	if _, err := mapinit.Write(cat, &mapinit.Facts{}, mapinit.Options{ClientTable: erasuremap.Name{Relation: "nobody"}}); err == nil {
		t.Error("a table that does not exist was accepted")
	}
	for table, want := range map[string]string{
		"keyless": "no primary key", "twofold": "--tenant-column", "seen": "materialized view",
	} {
		if err := surveyError(t, pool, table); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", table, err, want)
		}
	}
}
