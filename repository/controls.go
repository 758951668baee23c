package repository

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/jobs"
)

// Cancel ends a job. It waits for running chunks, because each locks its task's
// row; so the job's final counts are complete. Workers notice at the next fence
// that their tasks are cancelled.
func (s *Store) Cancel(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error) {
	return s.control(ctx, kind, tenant, id, jobs.Cancelled, func(tx pgx.Tx) error {
		// Lock the tasks first and the job last, in the same order as Finish.
		_, err := tx.Exec(ctx, cancelTaskSQL, id)
		if err != nil {
			return err
		}
		j, err := lockJob(ctx, tx, id)
		if err != nil {
			return err
		}
		return s.closeJob(ctx, tx, j, func(jobs.Counts) jobs.State { return jobs.Cancelled })
	})
}

// Pause stops a job until it is resumed: before its start, or after the current
// chunks.
func (s *Store) Pause(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error) {
	return s.control(ctx, kind, tenant, id, jobs.Paused, func(tx pgx.Tx) error { return move(ctx, tx, id, jobs.Paused) })
}

// Resume continues a paused job. One that had not started is scheduled again. A
// blocked job continues without it, see Unblock.
func (s *Store) Resume(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error) {
	return s.control(ctx, kind, tenant, id, jobs.Running, func(tx pgx.Tx) error {
		j, err := lockJob(ctx, tx, id)
		if err != nil {
			return err
		}
		if j.state != jobs.Paused {
			return illegal(j.state, jobs.Running)
		}
		_, err = tx.Exec(ctx, `UPDATE oubli.jobs SET state = CASE WHEN started_at IS NULL THEN 'scheduled' ELSE 'running' END
			WHERE id = $1`, id)
		return err
	})
}

// control checks that the job belongs to the tenant and may become to, runs step,
// and reads the job again. The step checks the state once more under the lock.
func (s *Store) control(ctx context.Context, kind jobs.Kind, tenant, id string, to jobs.State, step func(pgx.Tx) error) (jobs.Job, error) {
	before, err := s.Job(ctx, kind, tenant, id)
	if err != nil {
		return jobs.Job{}, err
	}
	if !before.State.CanBecome(to) {
		return jobs.Job{}, illegal(before.State, to)
	}
	var job jobs.Job
	err = s.tx(ctx, string(to)+" job", func(tx pgx.Tx) error {
		if err := step(tx); err != nil {
			return err
		}
		job, err = readJob(ctx, tx, kind, tenant, id)
		return err
	})
	return job, err
}

// move sets a job's state, if the transition is allowed.
func move(ctx context.Context, tx pgx.Tx, id string, to jobs.State) error {
	j, err := lockJob(ctx, tx, id)
	if err != nil {
		return err
	}
	if !j.state.CanBecome(to) {
		return illegal(j.state, to)
	}
	_, err = tx.Exec(ctx, "UPDATE oubli.jobs SET state = $2, blocked_reason = '', blocked_until = NULL WHERE id = $1", id, to)
	return err
}

// Retry makes a new job for the clients that failed or were skipped in a job that
// has ended. The guards apply again. A second call returns the same new job.
func (s *Store) Retry(ctx context.Context, tenant, id string, by jobs.Caller) (jobs.Job, error) {
	old, err := s.Job(ctx, jobs.Erasure, tenant, id)
	if err != nil {
		return jobs.Job{}, err
	}
	if !old.State.Final() {
		return jobs.Job{}, &jobs.Error{Kind: jobs.Conflict, Code: "wrong_state",
			Msg: "a job that is " + string(old.State) + " cannot be retried: it has not ended"}
	}
	if old.Reason == jobs.Replay {
		return jobs.Job{}, &jobs.Error{Kind: jobs.Conflict, Code: "wrong_state",
			Msg: "a job of a replay cannot be retried: run oubli replay again"}
	}
	p, noPlan := s.basics(ctx) // a repeat is answered without a plan
	var job jobs.Job
	err = s.tx(ctx, "retry job", func(tx pgx.Tx) error {
		if _, err := lockJob(ctx, tx, id); err != nil {
			return err
		}
		var again string
		err := tx.QueryRow(ctx, "SELECT id::text FROM oubli.jobs WHERE retry_of = $1", id).Scan(&again)
		switch {
		case err == nil:
			job, err = readJob(ctx, tx, jobs.Erasure, tenant, again)
			return err
		case !errors.Is(err, pgx.ErrNoRows):
			return err
		case noPlan != nil:
			return noPlan
		}
		var emptied bool
		if err := tx.QueryRow(ctx, "SELECT keys_emptied_at IS NOT NULL FROM oubli.jobs WHERE id = $1", id).Scan(&emptied); err != nil {
			return err
		}
		if emptied {
			return keysEmptied()
		}
		rows, err := tx.Query(ctx, "SELECT client_id FROM oubli.exceptions WHERE job_id = $1 AND outcome IN ('failed', 'skipped')", id)
		if err != nil {
			return err
		}
		keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			return &jobs.Error{Kind: jobs.Conflict, Code: "nothing_to_retry", Msg: "no client of this job failed or was skipped"}
		}
		sortKeys(p.KeyKind, keys)
		job, err = s.repeatJob(ctx, tx, old, keys, by)
		return err
	})
	return job, err
}

// repeatJob inserts a job like the old one, for these clients only.
func (s *Store) repeatJob(ctx context.Context, tx pgx.Tx, old jobs.Job, keys []string, by jobs.Caller) (jobs.Job, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return jobs.Job{}, err
	}
	var runAt time.Time
	grace := s.opts.Grace
	if old.DryRun {
		grace = 0
	}
	err = tx.QueryRow(ctx, `
		INSERT INTO oubli.jobs (id, kind, tenant_id, state, reason, cutoff, activities, override, comment, created_by,
		  notify, locale, country, tenant_locale, requested, not_before, dry_run, listed_at, retry_of)
		SELECT $1, kind, tenant_id, 'scheduled', reason, cutoff, activities, override, comment, $3,
		  notify, locale, country, tenant_locale, $4, nullif(now() + $5::interval, now()), dry_run, coalesce(listed_at, created_at), id
		FROM oubli.jobs WHERE id = $2
		RETURNING coalesce(not_before, now())`, id, old.ID, by.Subject, len(keys), grace).Scan(&runAt)
	if err != nil {
		return jobs.Job{}, err
	}
	if err := s.insertBatches(ctx, tx, id, old.TenantID, keys, runAt); err != nil {
		return jobs.Job{}, err
	}
	if err := storeTrace(ctx, tx, id.String()); err != nil {
		return jobs.Job{}, err
	}
	return readJob(ctx, tx, jobs.Erasure, old.TenantID, id.String())
}
