package main

import (
	"context"
	"fmt"
	"strings"
)

// With -profile the server records the cost of each statement. Recording has a
// cost too, so measure figures to publish without it.

// control is the part of a contender's work that was spent on the control tables,
// as shares of the time that its statements took and of the log that they wrote.
type control struct {
	TimeShare float64 `json:"time_share"`
	WALShare  float64 `json:"wal_share"`
}

func (l *lab) openProfile(ctx context.Context) error {
	_, err := l.admin.Exec(ctx, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
	return err
}

func (l *lab) resetProfile(ctx context.Context) error {
	_, err := l.admin.Exec(ctx, "SELECT pg_stat_statements_reset()")
	return err
}

// ours finds the statements on the control tables, and the rest of oubli's
// protocol: BEGIN, COMMIT, settings and advisory locks.
const ours = `(query ~ 'oubli\.(tasks|jobs|exceptions|idempotency|selections|stale|retention)'
  OR query ~* '^(begin|commit|rollback)' OR query ~ 'set_config|advisory|pg_catalog')
  AND query !~ 'anonymous_profiles'`

// readProfile prints the statements that took longest, and adds up those on the
// control tables.
func (l *lab) readProfile(ctx context.Context, x *result) error {
	const of = ` FROM pg_stat_statements AS s JOIN pg_database AS d ON d.oid = s.dbid WHERE d.datname = 'copy'`
	x.Control = &control{}
	err := l.admin.QueryRow(ctx, `
		SELECT coalesce(sum(total_exec_time + total_plan_time) FILTER (WHERE `+ours+`) / nullif(sum(total_exec_time + total_plan_time), 0), 0),
		  coalesce(sum(wal_bytes) FILTER (WHERE `+ours+`) / nullif(sum(wal_bytes), 0), 0)`+of).Scan(&x.Control.TimeShare, &x.Control.WALShare)
	if err != nil {
		return err
	}
	l.say("  control plane: %.1f %% of the time, %.1f %% of the WAL", 100*x.Control.TimeShare, 100*x.Control.WALShare)
	rows, err := l.admin.Query(ctx, `
		SELECT calls, total_plan_time, total_exec_time, wal_bytes::bigint, rows, shared_blks_hit + shared_blks_read, query`+of+`
		ORDER BY total_exec_time + total_plan_time DESC LIMIT 30`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var calls, wal, n, blocks int64
		var plan, exec float64
		var query string
		if err := rows.Scan(&calls, &plan, &exec, &wal, &n, &blocks, &query); err != nil {
			return err
		}
		query = strings.Join(strings.Fields(query), " ")
		fmt.Fprintf(l.log, "    %8.0f ms (%5.0f planning) %7d calls %8d rows %9d KiB WAL %9d blocks  %.150s\n",
			exec+plan, plan, calls, n, wal>>10, blocks, query)
	}
	return rows.Err()
}
