package repository

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/oubli/oubli/internal/schema"
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
	s.looked.at, s.looked.reason = time.Now(), reason
	return reason, nil
}

// checkStatsPermission makes sure that a limit can be kept: PostgreSQL shows other
// sessions' doings to some roles only, and nothing would be seen of a lag.
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
