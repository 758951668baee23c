//go:build unix

package local

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"
)

// helperKey makes the test binary a program that starts servers, prints their
// addresses and then waits to be killed.
const helperKey = "OUBLI_TEST_LOCAL_HELPER"

// helperReport is what a helper prints about its servers.
type helperReport struct {
	Dirs []string
	Pids []int
}

func TestMain(m *testing.M) {
	if os.Getenv(helperKey) != "" {
		if err := help(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func help() error {
	ctx := context.Background()
	p, err := StartPostgres(ctx, PostgresOptions{})
	if err != nil {
		return err
	}
	r, err := StartRedis(ctx, RedisOptions{AppendOnly: true})
	if err != nil {
		return err
	}
	h := helperReport{}
	for _, d := range []*serverDir{p.dir, r.server.(*redisServer).dir} {
		h.Dirs = append(h.Dirs, d.root)
		h.Pids = append(h.Pids, d.proc.cmd.Process.Pid, d.watchdog.Process.Pid)
	}
	if err := json.NewEncoder(os.Stdout).Encode(h); err != nil {
		return err
	}
	select {}
}

// eventually polls: a process gets no signal when its grandchildren end.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for !is() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("after 30 s still not: %s", what)
		}
	}
}

func mustStartPostgres(t *testing.T) *Postgres {
	t.Helper()
	p, err := StartPostgres(t.Context(), PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func mustStartRedis(t *testing.T, o RedisOptions) *Redis {
	t.Helper()
	r, err := StartRedis(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}
