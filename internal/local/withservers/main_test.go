package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestTheCommandGetsAServerThatEndsWithIt(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"--", "sh", "-c", "echo $OUBLI_TEST_DATABASE_URL; exit 3"},
		[]string{"PATH=" + os.Getenv("PATH")}, &stdout, &stderr)
	if code != 3 || stderr.Len() > 0 {
		t.Errorf("got exit code %d and %q, want 3 and nothing", code, stderr.String())
	}
	url := strings.TrimSpace(stdout.String())
	if !strings.HasPrefix(url, "postgres://") {
		t.Fatalf("OUBLI_TEST_DATABASE_URL: got %q", url)
	}
	if conn, err := pgx.Connect(t.Context(), url); err == nil {
		_ = conn.Close(t.Context())
		t.Error("the server outlived the command")
	}
}

func TestAGivenServerIsPassedOn(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"sh", "-c", "echo $OUBLI_TEST_DATABASE_URL"},
		[]string{"PATH=" + os.Getenv("PATH"), "OUBLI_TEST_DATABASE_URL=given"}, &stdout, &stderr)
	if code != 0 || stdout.String() != "given\n" {
		t.Errorf("got exit code %d and %q", code, stdout.String())
	}
}

func TestExitCodesCountAsInAShell(t *testing.T) {
	t.Parallel()
	environ := []string{"PATH=" + os.Getenv("PATH"), "OUBLI_TEST_DATABASE_URL=given"}
	for _, c := range []struct {
		args []string
		want int
	}{
		{nil, 2},
		{[]string{"-nonsense"}, 2},
		{[]string{"true"}, 0},
		{[]string{"no-such-command"}, 127},
		{[]string{"sh", "-c", "kill -TERM $$"}, 128 + 15},
	} {
		var stdout, stderr bytes.Buffer
		if got := run(t.Context(), c.args, environ, &stdout, &stderr); got != c.want {
			t.Errorf("%q: got %d, want %d", c.args, got, c.want)
		}
	}
}
