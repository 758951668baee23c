package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// scheduleSecondLook records that rows of the job's erased clients are looked for
// once more. A transaction that inserts a row with a foreign key to a client waits
// for the client's lock, and fails once the client is gone. But a transaction that
// had read the client before the chunk began can still insert a soft reference,
// because nothing checks it.
func (j lockedJob) scheduleSecondLook(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO oubli.second_looks (job_id, open)
		SELECT id, ARRAY(SELECT virtualtransaction FROM pg_locks WHERE locktype = 'virtualxid' AND granted AND pid <> pg_backend_pid())
		FROM oubli.jobs WHERE id = $1 AND (kind = 'erasure' OR (merge ->> 'anonymous')::boolean AND (merge ->> 'delete_source')::boolean)`, j.id)
	return err
}

const (
	// openTransactionWait is how long a second look waits for transactions that
	// were open when the job ended. It is limited because transaction numbers
	// start again after a restore.
	openTransactionWait = "1 hour"
	// secondLookRetry is how long a second look that fails is tried again.
	secondLookRetry = "1 day"
)

// nextLookSQL locks the job that has waited longest for its second look.
const nextLookSQL = `
SELECT l.job_id::text, l.batch, j.tenant_id, j.country, j.tenant_locale, l.since < now() - interval '` + secondLookRetry + `'
FROM oubli.second_looks AS l JOIN oubli.jobs AS j ON j.id = l.job_id
WHERE l.since <= now() - $1::interval AND (l.tried IS NULL OR l.tried <= now() - $1::interval)
  AND (l.since < now() - interval '` + openTransactionWait + `' OR l.xid < pg_snapshot_xmin(pg_current_snapshot()) AND NOT EXISTS (
    SELECT FROM pg_locks WHERE locktype = 'virtualxid' AND granted AND virtualtransaction = ANY(l.open)))
ORDER BY l.since LIMIT 1
FOR UPDATE OF l SKIP LOCKED`

// nextBatchSQL lists the erased clients of the job's next batch.
const nextBatchSQL = `
SELECT t.number, ARRAY(
  SELECT k FROM unnest(t.keys[:t.position]) AS k
  WHERE NOT EXISTS (SELECT FROM oubli.exceptions AS e WHERE e.job_id = t.job_id AND e.client_id = k AND e.outcome <> 'erased_retained'))
FROM oubli.tasks AS t
WHERE t.job_id = $1 AND t.kind <> 'mail' AND t.number > $2
ORDER BY t.number LIMIT 1`

// RunSecondLooks erases rows that were written about clients while they were being
// erased. It runs a pause after the end of their job, and returns how many rows of
// which tables it erased. A second look that fails is tried again after a pause,
// for a day.
func (s *Store) RunSecondLooks(ctx context.Context) (map[string]int64, error) {
	all := map[string]int64{}
	for again := 0; ; {
		var due, failed bool
		err := s.pool.QueryRow(ctx, `SELECT count(*) > 0, coalesce(bool_or(tried IS NOT NULL), false)
			FROM oubli.second_looks WHERE since <= now() - $1::interval`, s.opts.Pause).Scan(&due, &failed)
		if err != nil || !due {
			return all, pgfault.Wrap("find second looks", err)
		}
		p, err := s.covered(ctx)
		if err != nil {
			return all, err
		}
		look := &secondLook{}
		var rows map[string]int64
		err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{BeginQuery: s.begin()}, func(tx pgx.Tx) (err error) {
			rows, err = s.lookAtBatch(ctx, tx, p, look)
			return err
		})
		want, need := errors.AsType[*needProfiles](err)
		if need {
			err = s.makeProfiles(ctx, p, &look.Claim, want.slots)
		}
		switch {
		case errors.Is(err, errTenantBusy): // not a failure, so the look is not given up after a day
			if _, err := s.pool.Exec(ctx, postponeLookSQL, look.JobID); err != nil {
				return all, pgfault.Wrap("postpone second look", err)
			}
			continue
		case errors.Is(err, errStalePlan), need && err == nil:
			if again++; again > chunkTries {
				return all, errUnsteady
			}
			continue
		case err != nil && ctx.Err() != nil: // this process stops; the second look did not fail
			return all, pgfault.Wrap("second look", err)
		case err != nil && look.JobID != "":
			err = s.postponeLook(ctx, look, pgfault.Wrap("second look", err))
			s.looks.Store(&err)
			return all, err
		case err != nil:
			return all, pgfault.Wrap("second look", err)
		case look.JobID == "":
			if last := s.looks.Load(); last != nil && failed { // between two tries, repeat the last error
				return all, *last
			}
			return all, nil
		}
		for table, n := range rows {
			all[table] += n
		}
	}
}

// secondLook is a job whose second look is due, and its next batch.
type secondLook struct {
	jobs.Claim
	old bool // secondLookRetry is over
}

// postponeLookSQL lets a second look be tried again after a pause.
const postponeLookSQL = "UPDATE oubli.second_looks SET tried = now() WHERE job_id = $1"

// errTenantBusy says that other work of the tenant holds its lock.
var errTenantBusy = errors.New("other work holds the tenant's lock")

// postponeLook lets a second look that failed be tried again after a pause, or
// gives it up when it is old.
func (s *Store) postponeLook(ctx context.Context, look *secondLook, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	sql, what := postponeLookSQL, "postponed"
	if look.old {
		sql, what = "DELETE FROM oubli.second_looks WHERE job_id = $1", "given up"
	}
	_, err := s.pool.Exec(ctx, sql, look.JobID)
	return errors.Join(fmt.Errorf("second look at job %s is %s: %w", look.JobID, what, cause), pgfault.Wrap("postpone second look", err))
}

// lookAtBatch runs the second look at one batch, or ends the second look of a job
// that has no more batches. When no job is due, look.JobID stays empty.
func (s *Store) lookAtBatch(ctx context.Context, tx pgx.Tx, p *plan.Plan, look *secondLook) (map[string]int64, error) {
	if _, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true)",
		milliseconds(s.opts.LockTimeout), milliseconds(statementTimeout)); err != nil {
		return nil, err
	}
	err := tx.QueryRow(ctx, nextLookSQL, s.opts.Pause).
		Scan(&look.JobID, &look.Number, &look.TenantID, &look.Terms.Country, &look.Terms.Locale, &look.old)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	err = tx.QueryRow(ctx, nextBatchSQL, look.JobID, look.Number).Scan(&look.Number, &look.Keys)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && len(p.EraseLateRows) == 0 {
		_, err = tx.Exec(ctx, "DELETE FROM oubli.second_looks WHERE job_id = $1", look.JobID)
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	// Only a claim has a lane. A look holds the tenant's lock alone instead, as a
	// merge does, and may use every profile.
	_, err = tx.Exec(ctx, lockTenantSQL, profileOwner(p.Map, look.TenantID))
	if pgfault.Is(err, "55P03") { // lock_not_available
		return nil, errTenantBusy
	}
	if err != nil {
		return nil, err
	}
	rows, err := s.eraseLateRows(ctx, tx, p, &look.Claim)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, "UPDATE oubli.second_looks SET batch = $2 WHERE job_id = $1", look.JobID, look.Number)
	return rows, err
}

// eraseLateRows erases rows that refer to these clients, who are gone. A key that
// belongs to a new client by now is left alone: after the statements a query lists
// the keys in use; if there are any, the statements are rolled back and run again
// without them. The query comes last, so that it sees the row of every new client
// of whom the statements saw a row.
func (s *Store) eraseLateRows(ctx context.Context, tx pgx.Tx, p *plan.Plan, c *jobs.Claim) (map[string]int64, error) {
	if err := s.addLaw(ctx, p, c); err != nil {
		return nil, err
	}
	profiles, err := liveProfiles(ctx, tx, p, c.TenantID)
	if err != nil {
		return nil, err
	}
	if profiles[1] == "" && plan.UsesSharedProfile(p.EraseLateRows) {
		return nil, &needProfiles{[]int{1}}
	}
	ch, lane := chunk{plan: p, claim: c, keys: c.Keys, writes: p.EraseLateRows}, s.lane(profiles, c.Lane)
	for {
		if _, err := tx.Exec(ctx, "savepoint late"); err != nil {
			return nil, err
		}
		late := changes{statements: ch.writes, params: ch.writeParams(ch.keys, profiles[1], lane, nil), clients: len(ch.keys)}
		rows, err := runPlan(ctx, tx.Conn(), p, late)
		if pgfault.Is(err, needProfilesState) {
			err = &needProfiles{s.moreSlots(len(lane), c.Lane)}
		}
		if err != nil {
			return nil, err
		}
		inUse, err := keysInUse(ctx, tx, ch)
		if err != nil {
			return nil, err
		}
		if before := len(ch.keys); len(inUse) > 0 {
			ch.keys = slices.DeleteFunc(slices.Clone(ch.keys), func(k string) bool { return slices.Contains(inUse, k) })
			if len(ch.keys) == before {
				return nil, &jobs.Error{Kind: jobs.Internal, Code: "internal",
					Msg: "the statement for keys in use returned keys that it was not asked about"}
			}
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
			err = recordResidue(ctx, tx, nil)
		}
		return rows, err
	}
}

// keysInUse lists those of the keys that belong to a client.
func keysInUse(ctx context.Context, tx pgx.Tx, ch chunk) ([]string, error) {
	args, err := bind(ch.clients(ch.keys), ch.plan.KeysInUse)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, ch.plan.KeysInUse.SQL, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
