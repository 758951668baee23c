package repository

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// wantsSecondLook has the clients of an erasure looked for again. Whoever writes
// a row with a foreign key to a client waits for its lock, and is refused once
// it is gone. A soft reference is written without asking, by a transaction that
// had the client in its hands when the chunk began.
func (j lockedJob) wantsSecondLook(ctx context.Context, tx pgx.Tx) error {
	if j.kind != jobs.Erasure {
		return nil // a merge looks before it commits, and its sources live on
	}
	_, err := tx.Exec(ctx, "INSERT INTO oubli.second_looks (job_id) VALUES ($1)", j.id)
	return err
}

// nextLookSQL takes the job that has waited longest. Where transaction numbers
// have begun anew, as after a restore, an hour must do.
const nextLookSQL = `
SELECT l.job_id::text, l.batch, j.tenant_id, j.country, j.tenant_locale
FROM oubli.second_looks AS l JOIN oubli.jobs AS j ON j.id = l.job_id
WHERE l.since <= now() - $1::interval
  AND (l.xid < pg_snapshot_xmin(pg_current_snapshot()) OR l.since <= now() - interval '1 hour')
ORDER BY l.since LIMIT 1
FOR UPDATE OF l SKIP LOCKED`

// nextBatchSQL lists the clients of the job's next batch that were erased.
const nextBatchSQL = `
SELECT t.number, ARRAY(
  SELECT k FROM unnest(t.keys[:t.position]) AS k
  WHERE NOT EXISTS (SELECT FROM oubli.exceptions AS e WHERE e.job_id = t.job_id AND e.client_id = k AND e.outcome <> 'erased_retained'))
FROM oubli.tasks AS t
WHERE t.job_id = $1 AND t.kind = 'batch' AND t.number > $2
ORDER BY t.number LIMIT 1`

// LookAgain erases what was written of clients while they were erased, a pause
// after the end of their job. It says how many rows of which tables that were.
func (s *Store) LookAgain(ctx context.Context) (map[string]int64, error) {
	all := map[string]int64{}
	for {
		var due bool
		err := s.pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM oubli.second_looks WHERE since <= now() - $1::interval)", s.opts.Pause).Scan(&due)
		if err != nil || !due {
			return all, fault("look for second looks", err)
		}
		p, err := s.covered(ctx)
		if err != nil {
			return all, err
		}
		var c *jobs.Claim
		var rows map[string]int64
		err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{BeginQuery: s.begin()}, func(tx pgx.Tx) (err error) {
			c, rows, err = s.lookAgain(ctx, tx, p)
			return err
		})
		want, need := errors.AsType[*needProfiles](err)
		if need {
			err = s.makeProfiles(ctx, p, c, want.slots)
		}
		switch {
		case errors.Is(err, errStalePlan), need && err == nil:
			continue
		case err != nil && c != nil:
			_, postponed := s.pool.Exec(ctx, "UPDATE oubli.second_looks SET since = now() WHERE job_id = $1", c.JobID)
			return all, errors.Join(fault("look again", err), fault("postpone second look", postponed))
		case err != nil || c == nil:
			return all, fault("look again", err)
		}
		for table, n := range rows {
			all[table] += n
		}
	}
}

// lookAgain deals with one batch, or with the end of a job that has no more.
// Without a claim there is none whose time has come.
func (s *Store) lookAgain(ctx context.Context, tx pgx.Tx, p *plan.Plan) (*jobs.Claim, map[string]int64, error) {
	if _, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true)",
		milliseconds(s.opts.LockTimeout), milliseconds(statementTimeout)); err != nil {
		return nil, nil, err
	}
	c := &jobs.Claim{Lane: 1}
	err := tx.QueryRow(ctx, nextLookSQL, s.opts.Pause).Scan(&c.JobID, &c.Number, &c.TenantID, &c.Terms.Country, &c.Terms.Locale)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	err = tx.QueryRow(ctx, nextBatchSQL, c.JobID, c.Number).Scan(&c.Number, &c.Keys)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && len(p.Late) == 0 {
		_, err = tx.Exec(ctx, "DELETE FROM oubli.second_looks WHERE job_id = $1", c.JobID)
		return c, nil, err
	}
	if err != nil {
		return c, nil, err
	}
	rows, err := s.eraseLate(ctx, tx, p, c)
	if err != nil {
		return c, nil, err
	}
	_, err = tx.Exec(ctx, "UPDATE oubli.second_looks SET batch = $2 WHERE job_id = $1", c.JobID, c.Number)
	return c, rows, err
}

// eraseLate erases rows that refer to these clients, who are gone. A key that is
// somebody's again is left alone. That is looked at afterwards: what the
// statements could see of a newcomer, they can see of the newcomer's own row too.
func (s *Store) eraseLate(ctx context.Context, tx pgx.Tx, p *plan.Plan, c *jobs.Claim) (map[string]int64, error) {
	if err := s.lawOf(ctx, p, c); err != nil {
		return nil, err
	}
	v := &values{claim: c, law: c.Terms.Law, m: p.Map, keys: c.Keys, run: p.Late}
	profiles, err := liveProfiles(ctx, tx, p, v)
	if err != nil {
		return nil, err
	}
	v.profile, v.profiles = profiles[1], s.lane(profiles, c.Lane)
	if v.profile == "" && p.SharedProfile {
		return nil, &needProfiles{[]int{1}}
	}
	for {
		if _, err := tx.Exec(ctx, "savepoint late"); err != nil {
			return nil, err
		}
		rows, err := erase(ctx, tx.Conn(), p, v)
		if is(err, needProfilesState) {
			err = &needProfiles{s.moreSlots(len(v.profiles), c.Lane)}
		}
		if err != nil {
			return nil, err
		}
		back, err := keysBack(ctx, tx, p, v)
		if err != nil {
			return nil, err
		}
		if len(back) > 0 {
			v.keys = slices.DeleteFunc(slices.Clone(v.keys), func(k string) bool { return slices.Contains(back, k) })
			if _, err := tx.Exec(ctx, "rollback to savepoint late"); err != nil {
				return nil, err
			}
			continue
		}
		for table, n := range rows {
			if n == 0 {
				delete(rows, table)
			}
		}
		if len(rows) > 0 {
			err = leavesResidue(ctx, tx, nil)
		}
		return rows, err
	}
}

// keysBack lists those of the keys that are a client's.
func keysBack(ctx context.Context, tx pgx.Tx, p *plan.Plan, v *values) ([]string, error) {
	if p.Back.SQL == "" || len(v.keys) == 0 {
		return nil, nil
	}
	args, err := v.bind(p.Back)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, p.Back.SQL, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
