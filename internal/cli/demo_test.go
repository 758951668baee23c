package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestTheDemoTellsItsStoryToTheEnd(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts servers of its own")
	}
	var out, errs bytes.Buffer
	if code := Run(t.Context(), []string{"demo", "--once", "--clients", "400"}, nil, os.Stdin, &out, &errs); code != ExitDone {
		t.Fatalf("exit %d\n%s\n%s", code, &out, &errs)
	}
	for _, want := range []string{
		"Subject:",
		"before",
		"after",
		"have the same checksum as before",
		"Every count and sum is as before",
		"until the end of",
		"No column of any table has data of the",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the story does not say %q", want)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}
