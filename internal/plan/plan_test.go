package plan_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/golden"
	"github.com/oubli/oubli/internal/plan"
)

// The parts of a case that people write; everything else is what must come of
// them. Package repository writes catalog.json, from a live database.
var written = []string{"map.yaml", "schema.sql", "catalog.json"}

func TestAMapAndACatalogGiveTheseStatementsOrTheseGaps(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			golden, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := &txtar.Archive{Comment: golden.Comment}
			for _, f := range golden.Files {
				if slices.Contains(written, f.Name) {
					got.Files = append(got.Files, f)
				}
			}
			merges := strings.HasPrefix(filepath.Base(file), "merge")
			mapYAML := input(t, golden, "map.yaml", "../booking/oubli.yaml")
			catalogJSON := input(t, golden, "catalog.json", "testdata/booking.catalog.json")
			got.Files = append(got.Files, results(t, merges, mapYAML, catalogJSON)...)
			hold(t, file, string(txtar.Format(golden)), string(txtar.Format(got)))
		})
	}
}

func TestACaseThatIsNamedARefusalRefusesAndNoOtherDoes(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		golden, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, refuses := part(golden, "gaps")
		if refuses != strings.HasPrefix(filepath.Base(file), "refuse-") {
			t.Errorf("%s: has gaps: %v", file, refuses)
		}
	}
}

// results are a plan's statements, or the gaps, and the warnings, as files. A
// case about merges shows their statements instead of an erasure's.
func results(t *testing.T, merges bool, mapYAML, catalogJSON []byte) []txtar.File {
	t.Helper()
	m, err := erasuremap.Parse("map.yaml", mapYAML)
	if err != nil {
		t.Fatal(err)
	}
	var cat plan.Catalog
	if err := json.Unmarshal(catalogJSON, &cat); err != nil {
		t.Fatal(err)
	}
	p, err := plan.Compile(m, &cat)
	var files []txtar.File
	if gaps, ok := errors.AsType[plan.Gaps](err); ok {
		files = append(files, txtar.File{Name: "gaps", Data: []byte(gaps.Error() + "\n")})
	} else if err != nil {
		t.Fatal(err)
	} else {
		statements := slices.Concat(p.Statements(), []plan.Statement{p.NewProfile, p.LiveProfiles}, p.SweepStatements())
		if merges {
			statements = p.Merge.Statements()
		}
		for i, s := range statements {
			files = append(files, txtar.File{Name: fmt.Sprintf("%02d %s", i+1, s.Name), Data: []byte(s.String())})
		}
		if len(p.Merge.Refused) > 0 {
			files = append(files, txtar.File{Name: "merges refused", Data: []byte(p.Merge.Refused.Error() + "\n")})
		}
		files = append(files, txtar.File{Name: "grants", Data: []byte(grants(p))})
	}
	var warnings strings.Builder
	for _, w := range plan.Warnings(m, &cat) {
		fmt.Fprintln(&warnings, w)
	}
	if warnings.Len() > 0 {
		files = append(files, txtar.File{Name: "warnings", Data: []byte(warnings.String())})
	}
	return files
}

// grants are what the two roles of a deployment may do.
func grants(p *plan.Plan) string {
	var b strings.Builder
	api, worker := p.Grants()
	for _, g := range api {
		fmt.Fprintln(&b, g.SQL("api"))
	}
	for _, g := range worker {
		fmt.Fprintln(&b, g.SQL("worker"))
	}
	return b.String()
}

func hold(t *testing.T, file, want, got string) {
	t.Helper()
	golden.Part(t, file, want, got, got)
}

func part(a *txtar.Archive, name string) ([]byte, bool) {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data, true
		}
	}
	return nil, false
}

// input is a part of a case, or the file that stands for it where there is
// none.
func input(t *testing.T, a *txtar.Archive, name, instead string) []byte {
	t.Helper()
	if data, ok := part(a, name); ok {
		return data
	}
	data, err := os.ReadFile(instead)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
