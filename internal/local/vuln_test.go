package local_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestASearchForVulnerabilitiesNeverFailsSilently(t *testing.T) {
	t.Parallel()
	const unreachable = `echo 'govulncheck: fetching vulnerabilities: dial tcp: no such host' >&2; exit 1`
	for _, c := range []struct {
		name, scanner, required string
		fails                   bool
		says                    string
	}{
		{"nothing found", "echo 'No vulnerabilities found.'", "", false, "No vulnerabilities found."},
		{"nothing found, as required", "echo 'No vulnerabilities found.'", "required", false, "No vulnerabilities found."},
		{"a finding", "echo 'Vulnerability #1: GO-2099-0001'; exit 3", "", true, "GO-2099-0001"},
		{"no database", unreachable, "", false, "vuln: NOT CHECKED: the vulnerability database https://vuln.example cannot be reached"},
		{"no database, but required", unreachable, "required", true, "vuln: NOT CHECKED"},
		{"code that cannot be read", "echo 'govulncheck: loading packages: no such package' >&2; exit 1", "", true, "loading packages"},
		{"a scanner that crashes", "echo 'panic: out of range' >&2; exit 2", "", true, "panic: out of range"},
	} {
		scanner := filepath.Join(t.TempDir(), "scanner")
		if err := os.WriteFile(scanner, []byte("#!/bin/sh\n"+c.scanner+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "../../.ci/vuln")
		cmd.Env = append(os.Environ(), "GOVULNCHECK="+scanner, "VULN="+c.required, "VULN_DB=https://vuln.example")
		out, err := cmd.CombinedOutput()
		if (err != nil) != c.fails || !strings.Contains(string(out), c.says) {
			t.Errorf("%s: got %v and\n%s", c.name, err, out)
		}
	}
}
