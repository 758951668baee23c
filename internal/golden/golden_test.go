package golden

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorder is a test that fails without ending.
type recorder struct {
	testing.TB
	said string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) { r.said += fmt.Sprintf(format, args...) }

func TestAFailingGoldenShowsTheLineThatDiffers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "golden")
	lines := strings.Repeat("the same\n", 50)
	if err := os.WriteFile(path, []byte(lines+"old\n"+lines), 0o644); err != nil {
		t.Fatal(err)
	}
	r := &recorder{TB: t}
	File(r, path, lines+"new\n"+lines)
	if !strings.Contains(r.said, "old") || !strings.Contains(r.said, "new") || strings.Count(r.said, "the same") > 10 {
		t.Errorf("the report does not show the line, or shows too much around it:\n%s", r.said)
	}
	r = &recorder{TB: t}
	if File(r, path, lines+"old\n"+lines); r.said != "" {
		t.Errorf("an equal file is reported: %s", r.said)
	}
}
