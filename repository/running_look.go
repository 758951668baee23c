package repository

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// A job can run for hours, and the application may write rows about its erased
// clients all the while. So they are looked for at once after each chunk, and every
// minute while the job runs. These looks record nothing: the looks after the end
// of the job find what they leave, and name what the database refuses.

// claimRunningLookSQL takes a running job whose turn it was at $2. Should the
// worker die, another one takes the job ten minutes later.
const claimRunningLookSQL = `
UPDATE oubli.jobs AS j SET next_look_at = now() + interval '10 minutes'
FROM (
  SELECT id FROM oubli.jobs
  WHERE finished_at IS NULL AND started_at <= now() - $1::interval AND NOT dry_run
    AND (kind = 'erasure' OR (merge ->> 'delete_source')::boolean) AND coalesce(next_look_at <= $2, true)
  ORDER BY next_look_at NULLS FIRST LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) AS due
WHERE j.id = due.id
RETURNING j.id::text, j.tenant_id, j.country, j.tenant_locale,
  CASE WHEN kind = 'merge' AND NOT (merge ->> 'anonymous')::boolean THEN merge END, now()`

// endRunningLookSQL lets the next look at the job come after a pause, and so late
// that looks take a twentieth of the time.
const endRunningLookSQL = `
UPDATE oubli.jobs SET next_look_at = now() + greatest($2::interval, 20 * (now() - $3::timestamptz))
WHERE id = $1 AND finished_at IS NULL`

// lookAtRunningJobs looks for rows about clients that running jobs have erased.
func (s *Store) lookAtRunningJobs(ctx context.Context, round time.Time, all *jobs.LateRows) error {
	for {
		var look secondLook
		var began time.Time
		err := s.pool.QueryRow(ctx, claimRunningLookSQL, s.opts.Pause, round).Scan(
			&look.JobID, &look.TenantID, &look.Terms.Country, &look.Terms.Locale, &look.Terms.Merge, &began)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return pgfault.Wrap("find running jobs to look at", err)
		}
		err = s.lookAtRunningJob(ctx, &look, all)
		if ctx.Err() != nil {
			return err
		}
		if _, endErr := s.pool.Exec(ctx, endRunningLookSQL, look.JobID, s.opts.Pause, began); err != nil || endErr != nil {
			return errors.Join(err, pgfault.Wrap("end look at running job", endErr))
		}
	}
}

// lookAtRunningJob looks at what a job has erased so far, batch by batch.
func (s *Store) lookAtRunningJob(ctx context.Context, look *secondLook, all *jobs.LateRows) error {
	p, err := s.covered(ctx)
	if err != nil || len(p.LateRows.Erase) == 0 {
		return err
	}
	for more := true; more; {
		err := s.tx(ctx, "look at running job", func(tx pgx.Tx) (err error) {
			more, err = look.readBatch(ctx, tx)
			return err
		})
		if err == nil && more {
			err = s.eraseLate(ctx, p, &look.Claim, all)
		}
		if errors.Is(err, errTenantBusy) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// eraseLate looks for rows about these clients and erases them, in a transaction
// of its own. What the database refuses to erase it leaves.
func (s *Store) eraseLate(ctx context.Context, p *plan.Plan, c *jobs.Claim, all *jobs.LateRows) error {
	for range 10 {
		e := &lateErasure{Store: s, plan: p, claim: c, erased: map[string]int64{}}
		err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{BeginQuery: s.db.Begin()}, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true)",
				pgsession.Milliseconds(s.opts.LockTimeout), pgsession.Milliseconds(pgsession.StatementTimeout)); err != nil {
				return err
			}
			e.tx = tx
			return e.eraseLateRows(ctx)
		})
		if want, need := errors.AsType[*needProfiles](err); need {
			if err := s.makeProfiles(ctx, p, c, want.slots); err != nil {
				return err
			}
			continue
		}
		if err == nil {
			all.Add(jobs.LateRows{Erased: e.erased})
		}
		if errors.Is(err, errTenantBusy) || errors.Is(err, errStalePlan) {
			return errTenantBusy // the next look comes soon enough
		}
		return pgfault.Wrap("erase late rows", err)
	}
	return errTenantBusy
}

// eraseAtOnce erases rows about clients that the chunk has just erased; its last
// round trip found them. If that fails, a later look erases them.
func (s *Store) eraseAtOnce(ctx context.Context, p *plan.Plan, of *jobs.Claim, found []string) map[string]int64 {
	if len(found) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.Lease/4) // what it erases does not extend the lease
	defer cancel()
	all := jobs.LateRows{Erased: map[string]int64{}}
	c := jobs.Claim{JobID: of.JobID, TenantID: of.TenantID, Terms: of.Terms, Keys: found}
	if m := c.Terms.Merge; m != nil && m.Anonymous {
		c.Terms.Merge = nil
	}
	if err := s.eraseLate(ctx, p, &c, &all); err != nil {
		return nil
	}
	return all.Erased
}

// lateFinds are the statements that look, right after the commit of a chunk, for
// rows about the clients whom it has erased: none if there can be no such rows.
func (ch chunk) lateFinds(v *verdict) []plan.Statement {
	m := ch.claim.Terms.Merge
	if len(v.erase) == 0 || ch.claim.Terms.DryRun || m != nil && !m.DeleteSource {
		return nil
	}
	return ch.plan.LateRows.Find
}
