package repository

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/jobs"
)

// loadCheckEvery is how long all workers of the process use one result of
// CheckLoad.
const loadCheckEvery = time.Second

// loadCheck is the last result of CheckLoad.
type loadCheck struct {
	mu     sync.Mutex
	at     time.Time
	reason string
}

// CheckLoad compares the database's load with MaxReplicaLag and MaxActive. The
// reason says which limit is exceeded; it is empty if none is. Without limits it
// runs no query.
func (s *Store) CheckLoad(ctx context.Context) (reason string, err error) {
	if s.opts.MaxReplicaLag == 0 && s.opts.MaxActive == 0 {
		return "", nil
	}
	s.lastLoad.mu.Lock()
	defer s.lastLoad.mu.Unlock()
	if time.Since(s.lastLoad.at) < loadCheckEvery {
		return s.lastLoad.reason, nil
	}
	load, err := schema.ReadLoad(ctx, s.pool)
	if err != nil {
		return "", err
	}
	switch {
	case s.opts.MaxReplicaLag > 0 && load.ReplicaLag > s.opts.MaxReplicaLag:
		reason = fmt.Sprintf("a replica is %d MiB behind, %d are allowed", load.ReplicaLag>>20, s.opts.MaxReplicaLag>>20)
	case s.opts.MaxActive > 0 && load.Active > s.opts.MaxActive:
		reason = fmt.Sprintf("%d sessions of others are at work, %d are allowed", load.Active, s.opts.MaxActive)
	}
	s.lastLoad.at, s.lastLoad.reason = time.Now(), reason
	return reason, nil
}

// checkStatsPermission checks that the load can be read: PostgreSQL shows other
// sessions and the replicas' lag to some roles only.
func (s *Store) checkStatsPermission(ctx context.Context) error {
	if s.opts.MaxReplicaLag == 0 && s.opts.MaxActive == 0 {
		return nil
	}
	sees, err := schema.SeesSessions(ctx, s.pool)
	if err != nil {
		return err
	}
	if !sees {
		return &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator,
			Msg: "OUBLI_MAX_REPLICA_LAG_MIB and OUBLI_MAX_ACTIVE_SESSIONS want a database role that sees other sessions: " +
				"GRANT pg_read_all_stats to it"}
	}
	return nil
}

// Hold extends a claim's lease while its worker waits, and stores the reason in
// the job.
func (s *Store) Hold(ctx context.Context, c *jobs.Claim, reason string) error {
	if err := s.Extend(ctx, c, 0); err != nil {
		return err
	}
	_, err := s.pool.Exec(ctx, "UPDATE oubli.jobs SET waits_for = $2, waits_until = now() + $3::interval WHERE id = $1",
		c.JobID, reason, 3*loadCheckEvery)
	return pgfault.Wrap("store what the job waits for", err)
}
