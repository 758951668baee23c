package schema

import (
	"context"

	"github.com/oubli/oubli/internal/pgfault"
)

// Load is how busy a database is.
type Load struct {
	ReplicaLag int64 // bytes of the write-ahead log by which the slowest replica is behind
	Active     int   // sessions of other programs that run a statement
}

// pg_basebackup and the like are replicas without a replay position.
const loadSQL = `
SELECT coalesce((SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)) FROM pg_stat_replication), 0)::bigint,
  (SELECT count(*) FROM pg_stat_activity
   WHERE state = 'active' AND backend_type = 'client backend' AND datname = current_database()
     AND application_name <> current_setting('application_name'))`

// ReadLoad reads the load of a database.
func ReadLoad(ctx context.Context, db querier) (load Load, err error) {
	err = db.QueryRow(ctx, loadSQL).Scan(&load.ReplicaLag, &load.Active)
	return load, pgfault.Wrap("read the database's load", err)
}

// SeesSessions reports whether the role may see what other sessions do. Without
// that right ReadLoad finds no replica lag and no active session.
func SeesSessions(ctx context.Context, db querier) (sees bool, err error) {
	err = db.QueryRow(ctx, "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')").Scan(&sees)
	return sees, pgfault.Wrap("read the role's rights", err)
}
