package app

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestTheThreatModelPointsToTestsAndFilesThatExist(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	root := os.DirFS("../..")
	var tests strings.Builder
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		code, err := fs.ReadFile(root, name)
		tests.Write(code)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test[A-Za-z]+)`").FindAllStringSubmatch(string(doc), -1)
	if len(named) < 10 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, test := range named {
		if !strings.Contains(tests.String(), "\nfunc "+test[1]+"(t *testing.T)") {
			t.Errorf("docs/SECURITY.md names %s, which does not exist", test[1])
		}
	}
	for _, file := range regexp.MustCompile("`([a-z./]+/[a-z.-]+)`").FindAllStringSubmatch(string(doc), -1) {
		if strings.HasPrefix(file[1], "/") { // a route
			continue
		}
		if _, err := fs.Stat(root, file[1]); err != nil {
			t.Errorf("docs/SECURITY.md names a file: %v", err)
		}
	}
}
