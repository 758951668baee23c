// Package golden compares what a test got with what a file holds, shows the
// difference, and writes the file anew with -update.
package golden

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// File holds got against the file. With -update it writes the file instead.
func File(tb testing.TB, path, got string) {
	tb.Helper()
	want, err := os.ReadFile(path)
	if err != nil && !(*update && os.IsNotExist(err)) {
		tb.Fatalf("%v (-update writes it)", err)
	}
	Part(tb, path, string(want), got, got)
}

// Part holds got against a part of the file. With -update it writes the file
// with the text whole instead, which has got in that part's place.
func Part(tb testing.TB, path, want, got, whole string) {
	tb.Helper()
	if got == want {
		return
	}
	if !*update {
		tb.Errorf("%s differs (-update rewrites it):\n%s", path, Diff(want, got))
		return
	}
	if err := os.WriteFile(path, []byte(whole), 0o644); err != nil {
		tb.Fatal(err)
	}
}

// Diff shows by line what is wanted and missing (-) and what came instead (+);
// empty when both are the same.
func Diff(want, got string) string {
	return cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n"))
}
