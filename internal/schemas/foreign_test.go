package schemas_test

import (
	"context"
	"embed"
	"errors"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/golden"
	"github.com/oubli/oubli/internal/mapinit"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/internal/schemas"
	"github.com/oubli/oubli/internal/testdb"
	"github.com/oubli/oubli/repository"
)

//go:embed testdata
var files embed.FS

func text(t *testing.T, name string) string {
	t.Helper()
	b, err := files.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// foreign is a database with the schema of another framework.
type foreign struct {
	name    string
	options mapinit.Options
	pool    *pgxpool.Pool
	url     string
	cat     *plan.Catalog
	draft   mapinit.Draft
}

// open clones the schema with its data and writes its first map, which must equal
// testdata/<name>.draft.yaml.
func open(t *testing.T, name, clients string) *foreign {
	t.Helper()
	f := &foreign{name: name, options: mapinit.Options{ClientTable: erasuremap.Name{Relation: clients}}}
	f.pool = testdb.New(t, testdb.Template{Name: name, Build: func(ctx context.Context, pool *pgxpool.Pool) error {
		return build(ctx, pool, name)
	}})
	f.url = testdb.URL(t, f.pool)
	cat, facts, err := schema.Survey(t.Context(), f.url, f.options)
	if err != nil {
		t.Fatal(err)
	}
	f.cat = cat
	if f.draft, err = mapinit.Write(cat, facts, f.options); err != nil {
		t.Fatal(err)
	}
	golden.File(t, filepath.Join("testdata", name+".draft.yaml"), f.draft.YAML)
	return f
}

// build runs all on one connection, since the functions that make the data are
// temporary.
func build(ctx context.Context, pool *pgxpool.Pool, name string) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	for _, file := range []string{name + ".sql", "prelude.sql", name + ".data.sql"} {
		sql, err := files.ReadFile("testdata/" + file)
		if err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, string(sql)); err != nil {
			return errors.Join(errors.New(file), err)
		}
	}
	_, _, err = repository.Migrate(ctx, pool.Config().ConnString())
	return err
}

// answered returns the first map with its TODOs answered.
func (f *foreign) answered(t *testing.T) *erasuremap.Map {
	t.Helper()
	_, err := erasuremap.Parse(f.name, []byte(f.draft.YAML))
	problems, _ := errors.AsType[erasuremap.Problems](err)
	for _, p := range problems {
		if p.Msg != "answer the TODO" {
			t.Errorf("the draft has more than questions: %v", p)
		}
	}
	if len(problems) != f.draft.Todos {
		t.Errorf("the draft speaks of %d questions, the loader asks %d", f.draft.Todos, len(problems))
	}
	yaml, err := schemas.Answer(f.draft.YAML, text(t, f.name+".answers"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := erasuremap.Parse(f.name+".yaml", []byte(yaml))
	if err != nil {
		t.Fatalf("%v\n%s", err, yaml)
	}
	return m
}
