package schemas_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/golden"
	"github.com/oubli/oubli/internal/mapinit"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/internal/schemas"
	"github.com/oubli/oubli/internal/testdb"
	"github.com/oubli/oubli/repository"
)

const referencePath = "../../docs/map.md"

// reference returns the code blocks of docs/map.md in this language.
func reference(t *testing.T, language string) []string {
	t.Helper()
	page, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		if m[1] == language {
			blocks = append(blocks, m[2])
		}
	}
	return blocks
}

// rest completes the reference's examples.
var rest = map[string]string{
	"version:": "version: 1",
	"tenant:":  "tenant: {table: studios, key: id, country: country}",
	"client:":  "client: {table: clients, key: id, tenant: studio_id, erase: delete, anonymous: {name: {label: unknown_client}}}",
}

func TestTheReferencesExamplesLoad(t *testing.T) {
	t.Parallel()
	n := 0
	for _, block := range reference(t, "yaml") {
		if strings.Contains(block, "\njobs:\n") || strings.Contains(block, "TODO") {
			continue // another program's file, and the draft
		}
		n++
		for key, text := range rest {
			if !regexp.MustCompile("(?m)^" + key).MatchString(block) {
				block += text + "\n"
			}
		}
		if _, err := erasuremap.Parse("example", []byte(block)); err != nil {
			t.Errorf("%v\n%s", err, block)
		}
	}
	if n < 12 {
		t.Errorf("found %d examples", n)
	}
}

func TestTheReferencesWorkedExampleIsTrue(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	if _, err := pool.Exec(t.Context(), reference(t, "sql")[0]); err != nil {
		t.Fatal(err)
	}
	url := testdb.URL(t, pool)
	if _, _, err := repository.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	o := mapinit.Options{ClientTable: erasuremap.Name{Relation: "customers"}}
	cat, facts, err := schema.Survey(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	draft, err := mapinit.Write(cat, facts, o)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	shown := reference(t, "yaml")[0]
	golden.Part(t, referencePath, shown, draft.YAML, strings.Replace(string(page), shown, draft.YAML, 1))
	for i, line := range strings.Split(draft.YAML, "\n") {
		if strings.Contains(line, "treatment: TODO") && !strings.Contains(string(page), "line "+strconv.Itoa(i+1)+" becomes") {
			t.Errorf("the question is on line %d", i+1)
		}
	}

	answered, err := schemas.Answer(draft.YAML, "tables.visits.customer_id.columns.treatment = keep")
	if err != nil {
		t.Fatal(err)
	}
	m, err := erasuremap.Parse("oubli.yaml", []byte(answered))
	if err != nil {
		t.Fatal(err)
	}
	f := &foreign{name: "reference", pool: pool, url: url, cat: cat}
	f.compiles(t, m)
	f.run(t, m, request{tenant: "1", keys: []string{"1"}})
	for sql, want := range map[string]string{
		"SELECT id || ' ' || name FROM customers ORDER BY id":                                     "2 Paul Roux|3 Client inconnu",
		"SELECT id || ' ' || customer_id || ' ' || coalesce(remark, '-') FROM visits ORDER BY id": "1 3 -|2 2 -",
		"SELECT body FROM customer_notes":                                                         "",
	} {
		if got := strings.Join(query(t, f, sql), "|"); got != want {
			t.Errorf("%s: got %q, the reference says %q", sql, got, want)
		}
	}
}
