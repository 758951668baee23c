package repository

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/jobs"
)

// Claim takes a task for this worker. It returns nil when the task cannot be
// taken: another worker has it, it is done or not due, its job is paused, or all
// lanes of its profiles are in use. The worker then drops the hint.
func (s *Store) Claim(ctx context.Context, taskID string) (*jobs.Claim, error) {
	if uuid.Validate(taskID) != nil {
		return nil, nil // not a hint of this program; PostgreSQL would refuse the type
	}
	// Two claims can choose the same lane at the same moment. A unique index lets
	// one of them succeed; the other tries again, at most once for each lane.
	for try := 0; ; try++ {
		claim, err := s.claim(ctx, taskID, false)
		if errors.Is(err, errOtherLanes) {
			if err := s.changeLanes(ctx); err != nil {
				return nil, err
			}
			claim, err = s.claim(ctx, taskID, true)
		}
		if e, ok := errors.AsType[*jobs.Error](err); ok && e.Code == laneTaken && try <= s.opts.Lanes {
			continue
		}
		return claim, err
	}
}

const laneTaken = "23505:tasks_lane"

func (s *Store) claim(ctx context.Context, taskID string, anyLanes bool) (*jobs.Claim, error) {
	var c *jobs.Claim
	var otherLanes bool
	err := s.db.TxBy(ctx, "claim task", s.db.Begin()+pgsession.OncePlanned+shareLanesSQL, func(tx pgx.Tx) (err error) {
		claim := &jobs.Claim{TaskID: taskID}
		var until *time.Time
		var mail []byte
		var deferred *time.Duration
		k := &claim.Counts
		err = tx.QueryRow(ctx, claimTaskSQL, taskID, s.opts.Lease, s.opts.Lanes, s.sharedOwner(), s.opts.MailLease, anyLanes).Scan(
			&claim.JobID, &claim.TenantID, &claim.Kind,
			&claim.Number, &claim.Attempt, &claim.Failures, &claim.Crashes, &claim.Lane, &claim.Lanes, &claim.Keys, &claim.Position,
			&k.Erased, &k.ErasedRetained, &k.Skipped, &k.Failed, &k.NotFound, &claim.Codes, &claim.Rows, &until, &mail,
			&claim.Deferrals, &deferred, &claim.Intent)
		if errors.Is(err, pgx.ErrNoRows) {
			if otherLanes, err = s.otherLanes(ctx, tx); err != nil || otherLanes && !anyLanes {
				return err
			}
			return s.handBack(ctx, tx, taskID)
		}
		if err != nil {
			return err
		}
		if until != nil {
			claim.RetainedUntil = &jobs.Date{Time: *until}
		}
		if deferred != nil {
			claim.DeferredSince = time.Now().Add(-*deferred)
		}
		if mail != nil {
			if err := json.Unmarshal(mail, &claim.Mail); err != nil {
				return err
			}
		}
		c = claim
		return s.startJob(ctx, tx, claim)
	})
	if otherLanes && !anyLanes {
		return nil, errOtherLanes
	}
	if err != nil {
		return nil, err
	}
	if c != nil {
		s.opts.Failpoint("claim:committed")
	}
	return c, nil
}

// handBack removes the dispatch mark of a batch or merge that could not be
// claimed because no lane is free or its job does not run, so that it is
// dispatched again later. For any other refused hint it changes nothing.
func (s *Store) handBack(ctx context.Context, tx pgx.Tx, taskID string) error {
	_, err := tx.Exec(ctx, `UPDATE oubli.tasks SET dispatched_at = NULL
		WHERE id = $1 AND state = 'pending' AND kind <> 'mail' AND dispatched_at IS NOT NULL`, taskID)
	return err
}

// startJob sets the claimed task's job to running and reads what the worker needs
// of it.
func (s *Store) startJob(ctx context.Context, tx pgx.Tx, c *jobs.Claim) error {
	if c.Kind == jobs.MailTask {
		return tx.QueryRow(ctx, "SELECT now() - finished_at, traceparent FROM oubli.jobs WHERE id = $1", c.JobID).Scan(&c.Age, &c.Trace)
	}
	const start = "UPDATE oubli.jobs SET state = 'running', started_at = now() WHERE id = $1 AND state = 'scheduled'"
	if _, err := tx.Exec(ctx, start, c.JobID); err != nil {
		return err
	}
	t := &c.Terms
	err := tx.QueryRow(ctx, `
		SELECT coalesce(reason, ''), replay IS NOT NULL, cutoff, coalesce(listed_at, created_at),
			profiles_counted_at IS NOT NULL, requested, activities, override,
			country, tenant_locale, dry_run, merge, traceparent
		FROM oubli.jobs WHERE id = $1`, c.JobID).
		Scan(&t.Reason, &t.Replay, &t.Cutoff, &t.Listed, &t.ProfilesCounted, &t.Requested, &t.Activities, &t.Override,
			&t.Country, &t.Locale, &t.DryRun, &t.Merge, &c.Trace)
	if t.Replay && slices.Contains(t.Override, everyGuard) {
		t.Override, t.EveryGuard = nil, true
	}
	return err
}

// Yield gives a task back, with its progress, if a task of another tenant or
// another queue waits for a free worker, or one of the tenant's small jobs waits
// for its lane. A small job never yields to a big one. The task stays ahead of the
// tenant's other tasks.
func (s *Store) Yield(ctx context.Context, c *jobs.Claim) (bool, error) {
	tag, err := s.pool.Exec(ctx, yieldTaskSQL, c.TaskID, c.Attempt, s.sharedOwner())
	return tag.RowsAffected() > 0, pgfault.Wrap("yield task", err)
}

// Extend extends a lease during work that commits nothing. A lease of 0 stands
// for Options.Lease.
func (s *Store) Extend(ctx context.Context, c *jobs.Claim, lease time.Duration) error {
	if lease == 0 {
		lease = s.opts.Lease
	}
	tag, err := s.pool.Exec(ctx, `UPDATE oubli.tasks SET lease_until = clock_timestamp() + $3::interval
		WHERE id = $1 AND attempt = $2 AND state = 'running'`, c.TaskID, c.Attempt, lease)
	if err == nil && tag.RowsAffected() == 0 {
		return jobs.ErrFenced
	}
	return pgfault.Wrap("extend lease", err)
}

// Release gives a claimed task back, to be claimed again after delay. failure
// counts the attempt as failed; it is false for errors of the infrastructure. A
// task that the caller does not hold any more is left unchanged.
func (s *Store) Release(ctx context.Context, c *jobs.Claim, delay time.Duration, failure bool, reason string) error {
	_, err := s.pool.Exec(ctx, releaseTaskSQL, c.TaskID, c.Attempt, delay, map[bool]int{true: 1}[failure], reason)
	return pgfault.Wrap("release task", err)
}

// ClaimNext claims the next batch of the same tenant without a hint from Redis,
// so that a lane is not idle between two batches; see [backlog.Backlog.Next]. With
// redisDown, when no hints can be fetched, it claims any merge and any batch that
// has a lane, those of the same tenant first.
func (s *Store) ClaimNext(ctx context.Context, tenantID string, redisDown bool) (*jobs.Claim, error) {
	next := s.Next
	if redisDown {
		next = s.NextWithoutRedis
	}
	id, err := next(ctx, tenantID)
	if err != nil || id == "" {
		return nil, err
	}
	return s.Claim(ctx, id)
}

// Recover gives tasks back whose lease has run out. It skips a task whose row is
// locked: a worker still processes it, although its lease is over.
func (s *Store) Recover(ctx context.Context) (int, error) {
	tag, err := s.pool.Exec(ctx, recoverTaskSQL)
	return int(tag.RowsAffected()), pgfault.Wrap("recover tasks", err)
}
