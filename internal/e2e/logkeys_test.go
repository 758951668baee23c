package e2e

import (
	"encoding/json"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// documentedKeys are the keys that docs/monitoring.md says log lines have.
var documentedKeys = sync.OnceValues(func() (map[string]bool, error) {
	doc, err := os.ReadFile("../../docs/monitoring.md")
	if err != nil {
		return nil, err
	}
	_, section, _ := strings.Cut(string(doc), "\n## Logs\n")
	section, _, _ = strings.Cut(section, "\n## ")
	keys := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(section, -1) {
		for _, key := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(row[1], -1) {
			keys[key[1]] = true
		}
	}
	return keys, nil
})

// usesDocumentedKeys fails the test when a line has a key that the reference does
// not have.
func (j *logBuffer) usesDocumentedKeys(t *testing.T) {
	t.Helper()
	known, err := documentedKeys()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(j.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("a log line is no JSON: %v: %s", err, line)
			return
		}
		for key := range entry {
			if !known[key] && key != "pid" { // which the tests' own processes add
				t.Errorf("docs/monitoring.md does not list the key %s: %s", key, line)
				return
			}
		}
	}
}

func TestLogLinesHaveTheDocumentedKeysAndNoOthers(t *testing.T) {
	t.Parallel()
	known, err := documentedKeys()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]string{"time": "zerolog", "level": "zerolog", "message": "zerolog", "error": "zerolog",
		"erasure_id": "worker.idField", "merge_id": "worker.idField"}
	call := regexp.MustCompile(`\b(?:Str|Strs|Int|Int64|Uint64|Float64|Bool|Dur|Bytes|Time|Any|Interface|Stringer|RawJSON|AnErr)\("([^".]+)"`)
	root := os.DirFS("../..")
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		code, err := fs.ReadFile(root, name)
		if err != nil || !strings.Contains(string(code), ".Msg") {
			return err
		}
		for _, key := range call.FindAllStringSubmatch(string(code), -1) {
			used[key[1]] = name
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, where := range used {
		if !known[key] {
			t.Errorf("%s logs under the key %s, which docs/monitoring.md does not have", where, key)
		}
	}
	for key := range known {
		if used[key] == "" {
			t.Errorf("docs/monitoring.md has the key %s, under which nothing is logged", key)
		}
	}
}
