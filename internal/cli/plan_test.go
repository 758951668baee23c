package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/testdb"
)

func TestThePlanShowsTheStatementsOfSecondLooks(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	if _, err := pool.Exec(t.Context(), `
		CREATE TABLE clients (id bigint PRIMARY KEY DEFAULT 1, name text NOT NULL);
		CREATE TABLE logs (id bigint PRIMARY KEY, subject bigint, body text);`); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "oubli.yaml")
	if err := os.WriteFile(path, []byte(`version: 1
client: {table: clients, key: id, name: [name], erase: delete, anonymous: {name: {value: x}}}
tables:
  - {table: logs, reference: subject, erase: delete}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]string{"erasure": "-- logs: delete", "merge": "-- logs: move"} {
		var out, errs bytes.Buffer
		environ := []string{"OUBLI_DATABASE_URL=" + testdb.URL(t, pool), "OUBLI_MAP=" + path}
		code := Run(t.Context(), []string{"plan", "--kind", kind}, environ, strings.NewReader(""), &out, &errs)
		_, late, found := strings.Cut(out.String(), "-- Second looks")
		if code != ExitDone || !found || !strings.Contains(late, "-- logs: find rows of erased clients") || !strings.Contains(late, want) {
			t.Errorf("%s: exit %d, %s\n%s", kind, code, &errs, &out)
		}
	}
}
