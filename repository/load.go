package repository

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/oubli/oubli/jobs"
)

// lookEvery is for how long an answer of CheckLoad is good for all workers of the
// process.
const lookEvery = time.Second

// look is the last answer of CheckLoad.
type look struct {
	mu     sync.Mutex
	at     time.Time
	reason string
}

// loadSQL gives how far the furthest replica is behind, and how many sessions
// of others are at work. pg_basebackup and the like have no replay position.
const loadSQL = `
SELECT coalesce((SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)) FROM pg_stat_replication), 0)::bigint,
  (SELECT count(*) FROM pg_stat_activity
   WHERE state = 'active' AND backend_type = 'client backend' AND datname = current_database()
     AND application_name <> current_setting('application_name'))`

// CheckLoad says why the database had better be left alone for now; the reason is
// empty when it need not be. Without limits it asks nothing.
func (s *Store) CheckLoad(ctx context.Context) (reason string, err error) {
	if s.opts.MaxReplicaLag == 0 && s.opts.MaxActive == 0 {
		return "", nil
	}
	s.looked.mu.Lock()
	defer s.looked.mu.Unlock()
	if time.Since(s.looked.at) < lookEvery {
		return s.looked.reason, nil
	}
	var behind int64
	var active int
	if err := s.pool.QueryRow(ctx, loadSQL).Scan(&behind, &active); err != nil {
		return "", fault("look at the database's load", err)
	}
	switch {
	case s.opts.MaxReplicaLag > 0 && behind > s.opts.MaxReplicaLag:
		reason = fmt.Sprintf("a replica is %d MiB behind, %d are allowed", behind>>20, s.opts.MaxReplicaLag>>20)
	case s.opts.MaxActive > 0 && active > s.opts.MaxActive:
		reason = fmt.Sprintf("%d sessions of others are at work, %d are allowed", active, s.opts.MaxActive)
	}
	s.looked.at, s.looked.reason = time.Now(), reason
	return reason, nil
}

// checkStatsPermission makes sure that a limit can be kept: PostgreSQL shows other
// sessions' doings to some roles only, and nothing would be seen of a lag.
func (s *Store) checkStatsPermission(ctx context.Context) error {
	if s.opts.MaxReplicaLag == 0 && s.opts.MaxActive == 0 {
		return nil
	}
	var sees bool
	if err := s.pool.QueryRow(ctx, "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')").Scan(&sees); err != nil {
		return fault("look at the role's rights", err)
	}
	if !sees {
		return &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator,
			Msg: "OUBLI_MAX_REPLICA_LAG_MIB and OUBLI_MAX_ACTIVE_SESSIONS want a database role that sees other sessions: GRANT pg_read_all_stats to it"}
	}
	return nil
}

// Hold keeps a claim while its worker waits, and tells the job's readers why.
func (s *Store) Hold(ctx context.Context, c *jobs.Claim, reason string) error {
	if err := s.Extend(ctx, c, 0); err != nil {
		return err
	}
	_, err := s.pool.Exec(ctx, "UPDATE oubli.jobs SET waits_for = $2, waits_until = now() + $3::interval WHERE id = $1", c.JobID, reason, 3*lookEvery)
	return fault("say what the job waits for", err)
}
