package schema_test

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/tools/txtar"

	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/golden"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/internal/testdb"
)

const goldens = "../plan/testdata"

func TestTheCatalogsOfGoldenPlansAreWhatPostgreSQLSays(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, bookingdb.Control)
	files, err := filepath.Glob(goldens + "/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		stored := string(txtar.Format(archive))
		if at(archive, "schema.sql") < 0 {
			continue // the demo's
		}
		setup := archive.Files[at(archive, "schema.sql")]
		inside(t, db, func(tx pgx.Tx) {
			if strings.Contains(string(setup.Data), "NULLS NOT DISTINCT") && version(t, tx) < 150000 {
				return // new in PostgreSQL 15
			}
			if _, err := tx.Exec(t.Context(), string(setup.Data)); err != nil {
				t.Fatalf("%s: schema.sql: %v", file, err)
			}
			cat, err := schema.ReadCatalog(t.Context(), tx)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			current := readable(t, cat)
			if i := at(archive, "catalog.json"); i < 0 {
				archive.Files = append(archive.Files, txtar.File{Name: "catalog.json", Data: current})
			} else if !bytes.Equal(archive.Files[i].Data, current) {
				archive.Files[i].Data = current
			} else {
				prepare(t, tx, file, archive, cat)
				return
			}
			// After -update here, go test ./internal/plan -update follows.
			current = txtar.Format(archive)
			golden.Part(t, file, stored, string(current), string(current))
		})
	}
}

func TestTheDemosCatalogInTheGoldensIsCurrent(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, bookingdb.Control)
	if err := booking.Install(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	cat, err := schema.ReadCatalog(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	file, current := goldens+"/booking.catalog.json", readable(t, cat)
	golden.File(t, file, string(current))
}

// prepare lets PostgreSQL parse every statement of the plan. With gaps, there are
// no statements.
func prepare(t *testing.T, tx pgx.Tx, file string, archive *txtar.Archive, cat *plan.Catalog) {
	t.Helper()
	m, err := erasuremap.Parse(file, archive.Files[at(archive, "map.yaml")].Data)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Compile(m, cat)
	if err != nil {
		return // a golden of gaps
	}
	single := []plan.Statement{p.Law, p.NewProfile, p.LiveProfiles, p.Tenant, p.Preview, p.Candidates(nil, false)}
	for _, s := range slices.Concat(p.Statements(), p.SweepStatements(), single) {
		if s.SQL == "" {
			continue // this statement is empty without tenants
		}
		if _, err := tx.Prepare(t.Context(), "", s.SQL); err != nil {
			t.Errorf("%s: %s: %v\n%s", file, s.Name, err, s)
			return
		}
	}
}

var leaf = regexp.MustCompile(`\{[^{}]*\}|\[[^\[\]{}]*\]`)

// readable returns a catalog as JSON with one line for each column, index and key.
// The fingerprint is left out, because it depends on oids.
func readable(t *testing.T, cat *plan.Catalog) []byte {
	t.Helper()
	stored := *cat
	stored.Fingerprint = ""
	data, err := json.MarshalIndent(stored, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // lists first, then the objects that hold them
		data = leaf.ReplaceAllFunc(data, func(b []byte) []byte {
			return regexp.MustCompile(`\s*\n\s*`).ReplaceAll(b, nil)
		})
	}
	return append(data, '\n')
}

func at(a *txtar.Archive, name string) int {
	for i, f := range a.Files {
		if f.Name == name {
			return i
		}
	}
	return -1
}

// inside runs f in a transaction and rolls it back.
func inside(t *testing.T, db *pgxpool.Pool, f func(pgx.Tx)) {
	t.Helper()
	tx, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(t.Context()))
	f(tx)
}

func version(t *testing.T, tx pgx.Tx) (n int) {
	t.Helper()
	if err := tx.QueryRow(t.Context(), "SELECT current_setting('server_version_num')::int").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
