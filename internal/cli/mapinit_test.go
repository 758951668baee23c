package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/testdb"
)

// mapInit runs the command against a database with one table of clients.
func mapInit(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	pool := testdb.New(t)
	_, err := pool.Exec(t.Context(), `
		CREATE TABLE shops (id int PRIMARY KEY);
		CREATE TABLE customers (id int PRIMARY KEY, shop_no int NOT NULL REFERENCES shops, name text);
		CREATE TABLE notes (id int PRIMARY KEY, customer_id int REFERENCES customers, body text)`)
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	environ := []string{"OUBLI_DATABASE_URL=" + testdb.URL(t, pool)}
	code = Run(t.Context(), append([]string{"map", "init"}, args...), environ, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func TestMapInitWritesToStandardOutput(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := mapInit(t, "--client-table", "customers", "--tenant-column", "shop_no")
	if code != ExitDone || stderr != "" {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for _, want := range []string{
		"version: 1\n",
		"  table: shops\n",
		"  tenant: shop_no\n",
		"{table: notes, reference: customer_id, erase: delete}",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
}

func TestMapInitNeverReplacesAFileUnasked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "oubli.yaml")
	code, stdout, stderr := mapInit(t, "--client-table", "customers", "--output", path)
	if code != ExitDone || !strings.Contains(stdout, path+" written") {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr = mapInit(t, "--client-table", "customers", "--output", path)
	if kept, _ := os.ReadFile(path); code != ExitUsage || string(kept) != "mine" || !strings.Contains(stderr, "--force") {
		t.Errorf("exit %d, the file holds %q: %s", code, kept, stderr)
	}
	if code, _, stderr = mapInit(t, "--client-table", "customers", "--output", path, "--force"); code != ExitDone {
		t.Errorf("with --force: exit %d: %s", code, stderr)
	}
	if replaced, _ := os.ReadFile(path); !strings.Contains(string(replaced), "version: 1") {
		t.Errorf("with --force the file holds %q", replaced)
	}
}

func TestMapInitNamesWhatIsWrongWithTheCall(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"--client-table: name the table":  nil,
		"no table kunden in the database": {"--client-table", "kunden"},
		"customers has no column tenant":  {"--client-table", "customers", "--tenant-column", "tenant"},
		"--client-table: too many parts":  {"--client-table", "a.b.c"},
		"--output: open ": {
			"--client-table", "customers", "--output", filepath.Join(t.TempDir(), "no", "such", "directory")},
		`unknown command "extra" for "oubli map`: {"extra"},
	} {
		code, stdout, stderr := mapInit(t, args...)
		if code != ExitUsage || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit %d, %q, want %q", args, code, stderr, want)
		}
	}
}
