package local

import (
	"bytes"
	"testing"
)

func TestInstallLeavesACompleteMachineAlone(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := Install(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 0 {
		t.Errorf("printed %q", out.String())
	}
}

func TestEveryManagerHasALineToRun(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"apt-get": "sudo apt-get install postgresql redis-server",
		"dnf":     "sudo dnf install postgresql-server redis",
		"zypper":  "sudo zypper install postgresql-server redis",
		"apk":     "sudo apk add postgresql redis",
		"pacman":  "sudo pacman -S postgresql valkey",
		"brew":    "brew install postgresql@17 redis",
	}
	for _, m := range managers {
		if got := m.line([]Program{PostgreSQL, RedisServer}); got != want[m.program] {
			t.Errorf("%s: got %q, want %q", m.program, got, want[m.program])
		}
	}
}
