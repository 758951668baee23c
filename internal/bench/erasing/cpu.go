package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// tick is the unit in which Linux counts CPU time in /proc.
const tick = time.Second / 100

// stat reads the parent of a process, and the CPU time that the process and its
// ended children have used; see proc(5).
func stat(pid string) (parent string, cpu time.Duration, ok bool) {
	raw, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return "", 0, false
	}
	// The name, in parentheses, may contain any character.
	f := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	if len(f) < 15 {
		return "", 0, false
	}
	for _, field := range f[11:15] { // utime, stime, cutime, cstime
		n, _ := strconv.ParseInt(field, 10, 64)
		cpu += time.Duration(n) * tick
	}
	return f[1], cpu, true
}

// serverCPU is the CPU time that the server and all its processes have used so
// far; 0 where the system has no /proc.
func (l *lab) serverCPU(ctx context.Context) time.Duration {
	postmaster, _, ok := stat(strconv.Itoa(int(l.admin.PgConn().PID())))
	if !ok {
		return 0
	}
	// When a process ends meanwhile, its time is added to its parent's: then start
	// the sum again.
	for {
		_, own, _ := stat(postmaster)
		total := own
		all, _ := filepath.Glob("/proc/[0-9]*")
		for _, dir := range all {
			if parent, cpu, ok := stat(filepath.Base(dir)); ok && parent == postmaster {
				total += cpu
			}
		}
		if _, now, _ := stat(postmaster); now == own || ctx.Err() != nil {
			return total
		}
	}
}

// waits samples a hundred times a second, until stop, what the contender's
// sessions wait for. It returns how often it saw each state and wait event of
// sessions that were not idle.
func (l *lab) waits(ctx context.Context, stop <-chan struct{}) map[string]int {
	seen := map[string]int{}
	conn, err := pgx.Connect(ctx, l.pg.URL("postgres"))
	if err != nil {
		return seen
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for {
		select {
		case <-stop:
			return seen
		case <-time.After(10 * time.Millisecond):
		}
		rows, err := conn.Query(ctx, `SELECT state || ' ' || coalesce(wait_event_type || ' ' || wait_event, 'CPU') FROM pg_stat_activity
			WHERE datname = 'copy' AND pid <> pg_backend_pid() AND state <> 'idle'`)
		if err != nil {
			return seen
		}
		events, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return seen
		}
		for _, e := range events {
			seen[e]++
		}
	}
}
