package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/testdb"
)

func TestTheReferenceShowsWhatTheCheckSays(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/map.md")
	if err != nil {
		t.Fatal(err)
	}
	first := func(language string) string {
		m := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(page)
		if m == nil {
			t.Fatalf("the reference has no block of %s", language)
		}
		return string(m[1])
	}
	pool := testdb.New(t)
	if _, err := pool.Exec(t.Context(), first("sql")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "oubli.yaml")
	shows := func(text string, code int) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		environ := []string{"OUBLI_DATABASE_URL=" + testdb.URL(t, pool), "OUBLI_MAP=" + path}
		got := Run(t.Context(), []string{"check"}, environ, strings.NewReader(""), &out, &errs)
		said := strings.ReplaceAll(out.String(), path, "oubli.yaml")
		if got != code || errs.Len() > 0 || said == "" || !bytes.Contains(page, []byte(said)) {
			t.Errorf("exit %d, and the reference does not show\n%s%s", got, said, &errs)
		}
	}
	draft := first("yaml")
	shows(strings.Replace(draft, "erase: reassign ", "erase: remove ", 1), ExitExceptions)
	answered := strings.Replace(draft, "treatment: TODO", "treatment: keep", 1)
	shows(answered, ExitDone)
	if _, err := pool.Exec(t.Context(), "ALTER TABLE visits ADD COLUMN instagram text"); err != nil {
		t.Fatal(err)
	}
	forgotten := regexp.MustCompile(`(?m)^  - \{table: customer_notes.*\n`).ReplaceAllString(answered, "")
	shows(strings.Replace(forgotten, `where: "starts_at`, `where: "strats_at`, 1), ExitExceptions)
}
