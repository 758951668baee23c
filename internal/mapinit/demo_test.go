package mapinit_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/golden"
	"github.com/oubli/oubli/internal/mapinit"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/internal/schemas"
	"github.com/oubli/oubli/internal/testdb"
)

// demo returns a database with the demo's schema and enough rows to be sampled.
var demo = testdb.Template{Name: "mapinit", Build: func(ctx context.Context, pool *pgxpool.Pool) error {
	if err := booking.Install(ctx, pool); err != nil {
		return err
	}
	_, err := booking.Seed(ctx, pool, booking.Options{Seed: 1, Clients: 200})
	return err
}}

func draftOf(t *testing.T, pool *pgxpool.Pool, o mapinit.Options) (mapinit.Draft, *plan.Catalog) {
	t.Helper()
	cat, facts, err := schema.Survey(t.Context(), testdb.URL(t, pool), o)
	if err != nil {
		t.Fatal(err)
	}
	draft, err := mapinit.Write(cat, facts, o)
	if err != nil {
		t.Fatal(err)
	}
	return draft, cat
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheDemosFirstMapIsComplete(t *testing.T) {
	t.Parallel()
	draft, cat := draftOf(t, testdb.New(t, demo), mapinit.Options{ClientTable: erasuremap.Name{Relation: "clients"}})
	golden.File(t, "testdata/demo.yaml", draft.YAML)

	_, err := erasuremap.Parse("demo.yaml", []byte(draft.YAML))
	problems, _ := errors.AsType[erasuremap.Problems](err)
	if len(problems) != draft.Todos {
		t.Errorf("the draft counts %d TODOs, the loader reports %d:\n%v", draft.Todos, len(problems), err)
	}
	for _, p := range problems {
		if p.Msg != "answer the TODO" {
			t.Errorf("the loader reports more than TODOs: %v", p)
		}
	}

	answered, err := schemas.Answer(draft.YAML, read(t, "demo.answers"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := erasuremap.Parse("demo.yaml", []byte(answered))
	if err != nil {
		t.Fatalf("%v\n%s", err, answered)
	}
	if _, err := plan.Compile(m, cat); err != nil {
		t.Errorf("the answered map does not cover the schema:\n%v", err)
	}
}

func surveyError(t *testing.T, pool *pgxpool.Pool, table string) error {
	t.Helper()
	_, _, err := schema.Survey(t.Context(), testdb.URL(t, pool), mapinit.Options{ClientTable: erasuremap.Name{Relation: table}})
	return err
}
