package repository

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

const (
	// openTransactionWait is how long the first look waits for transactions that
	// were open when the job ended. It is limited because transaction numbers
	// start again after a restore.
	openTransactionWait = "1 hour"
	// dailyLooks is for how long after a job rows about its clients are looked for
	// once a day.
	dailyLooks = "30 days"
	// lookTries is how often rows that the database refuses to erase are tried
	// again, a pause apart, before the look goes on without them; rows that other
	// sessions lock for lookLockPatience at least. From then on they are tried once
	// a day.
	lookTries        = 5
	lookLockPatience = "10 minutes"
)

// writesLate reports whether rows about clients may be written after these were
// erased, or something is kept for the looks, as far as this process knows.
func (s *Store) writesLate() bool {
	p := s.plan.Load()
	return p == nil || len(p.Erase) == 0 || len(p.LateRows.Erase) > 0 || p.KeepsValues
}

// scheduleSecondLook records, before the job ends, that rows about its erased
// clients are looked for afterwards. A transaction that inserts a row with a
// foreign key to a client waits for the client's lock, and fails once the client
// is gone. But a transaction that had read the client before the chunk began can
// still insert a soft reference, because nothing checks it. So can, later, an
// application that remembers the client's key.
//
// Of a merge into a client the look keeps the target, because late rows move
// there.
func (j lockedJob) scheduleSecondLook(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO oubli.second_looks (job_id, open, merge)
		SELECT id, ARRAY(`+openTransactions+`), CASE WHEN kind = 'merge' AND NOT (merge ->> 'anonymous')::boolean THEN merge END
		FROM oubli.jobs WHERE id = $1 AND (kind = 'erasure' OR (merge ->> 'delete_source')::boolean)`, j.id)
	return err
}

// openTransactions lists the transactions that are open in this database. The
// database's own background work writes no rows about clients.
const openTransactions = `SELECT l.virtualtransaction FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
  WHERE l.locktype = 'virtualxid' AND l.granted AND l.pid <> pg_backend_pid()
    AND a.datid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND a.backend_type IS DISTINCT FROM 'autovacuum worker' AND a.backend_type IS DISTINCT FROM 'walsender'`

// nextLookSQL locks the job whose look was due at $1; first looks come before others,
// because mails wait for them. A first look waits until every transaction has
// ended that was open at the end of the job; a transaction that was prepared for
// a two-phase commit has no other name than its number.
const nextLookSQL = `
WITH open AS MATERIALIZED (SELECT ARRAY(` + openTransactions + `) AS ids)
SELECT l.job_id::text, l.pass, l.batch, l.only_refused, l.next_at, l.merge, j.tenant_id, j.country, j.tenant_locale
FROM oubli.second_looks AS l
CROSS JOIN LATERAL (SELECT tenant_id, country, tenant_locale FROM oubli.jobs WHERE id = l.job_id OFFSET 0) AS j -- never all jobs
WHERE l.next_at <= $1
  AND (l.pass > 1 OR l.since < now() - interval '` + openTransactionWait + `'
    OR NOT l.open && (SELECT ids FROM open) AND NOT EXISTS (
      SELECT FROM pg_prepared_xacts AS x WHERE x.database = current_database() AND age(x.transaction) >= age(l.xid::xid)))
ORDER BY l.pass > 1, l.next_at LIMIT 1
FOR UPDATE OF l SKIP LOCKED`

// nextBatchSQL lists the erased clients of the job's next batch.
const nextBatchSQL = `
SELECT t.number, NOT EXISTS (
  SELECT FROM oubli.tasks AS o WHERE o.job_id = $1 AND o.kind <> 'mail' AND o.number > t.number AND o.position > 0), ARRAY(
  SELECT k FROM unnest(t.keys[:t.position]) AS k
  WHERE NOT EXISTS (SELECT FROM oubli.exceptions AS e WHERE e.job_id = t.job_id AND e.client_id = k AND e.outcome <> 'erased_retained'))
FROM oubli.tasks AS t
WHERE t.job_id = $1 AND t.kind <> 'mail' AND t.number > $2 AND t.position > 0
ORDER BY t.number LIMIT 1`

// nextRefusedSQL lists clients whose rows this pass has not tried again yet.
const nextRefusedSQL = `
SELECT coalesce(array_agg(client_id), '{}') FROM (
  SELECT client_id FROM oubli.late_rows WHERE job_id = $1 AND tried < $2 ORDER BY client_id LIMIT 1000) AS r`

// secondLook is a job whose second look is due, and its next batch.
type secondLook struct {
	jobs.Claim
	pass        int
	onlyRefused bool
	nextAt      time.Time
	last        bool // there are no more batches
}

const dueLooksSQL = `
SELECT coalesce($1, now()), EXISTS (SELECT FROM oubli.second_looks WHERE next_at <= coalesce($1, now())),
  EXISTS (SELECT FROM oubli.second_looks WHERE tried IS NOT NULL)`

// RunSecondLooks erases rows that were written about clients after these were
// erased, or moves them to the target of a merge. It looks when the transactions
// have ended that were open at the end of the job, a pause later, and then once a
// day. Before that it looks every pause at what running jobs have erased. Rows that
// the database refuses to erase keep no others.
func (s *Store) RunSecondLooks(ctx context.Context) (jobs.LateRows, error) {
	all := jobs.LateRows{Erased: map[string]int64{}, Refused: map[string]int{}}
	var round *time.Time // when it began: what is postponed in this round is for a later one
	var p *plan.Plan
	for again := 0; ; {
		var due, failed bool
		err := s.pool.QueryRow(ctx, dueLooksSQL, round).Scan(&round, &due, &failed)
		if err != nil {
			return all, pgfault.Wrap("find second looks", err)
		}
		if last := s.looks.Load(); !due && failed && last != nil { // between two tries, repeat the last error
			return all, errors.Join(*last, s.lookAtRunningJobs(ctx, *round, &all))
		}
		if !due {
			return all, s.lookAtRunningJobs(ctx, *round, &all)
		}
		if p == nil {
			if p, err = s.covered(ctx); err != nil {
				return all, err
			}
		}
		look := &secondLook{}
		var found jobs.LateRows
		err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{BeginQuery: s.db.Begin()}, func(tx pgx.Tx) (err error) {
			found, err = s.lookAtBatch(ctx, tx, p, look, *round)
			return err
		})
		want, need := errors.AsType[*needProfiles](err)
		if need {
			err = s.makeProfiles(ctx, p, &look.Claim, want.slots)
		}
		switch {
		case errors.Is(err, errTenantBusy): // not a failure
			if err := s.postponeLook(ctx, look, false); err != nil {
				return all, err
			}
		case errors.Is(err, errStalePlan), need && err == nil:
			p = nil
			if again++; again > chunkTries {
				return all, errUnsteady
			}
		case err != nil && ctx.Err() != nil: // this process stops; the second look did not fail
			return all, pgfault.Wrap("second look", err)
		case err != nil && look.JobID != "":
			err = fmt.Errorf("second look at job %s is postponed: %w", look.JobID, pgfault.Wrap("second look", err))
			s.looks.Store(&err)
			return all, errors.Join(err, s.postponeLook(ctx, look, true))
		case err != nil:
			return all, pgfault.Wrap("second look", err)
		case look.JobID == "": // what is due waits for open transactions
			return all, s.lookAtRunningJobs(ctx, *round, &all)
		}
		all.Add(found)
	}
}

// errTenantBusy says that other work of the tenant holds its lock.
var errTenantBusy = errors.New("other work holds the tenant's lock")

// postponeLook lets a look be tried again after a pause. It is never given up: as
// long as it fails, the metrics of its loop and the log say so.
func (s *Store) postponeLook(ctx context.Context, look *secondLook, failed bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, err := s.pool.Exec(ctx, `
		UPDATE oubli.second_looks SET next_at = now() + $2::interval, tried = CASE WHEN $3 THEN now() END
		WHERE job_id = $1`, look.JobID, s.opts.Pause, failed)
	return pgfault.Wrap("postpone second look", err)
}

// lookAtBatch looks at one batch of the job that is due, or ends its look when
// there are no more. When no job is due, look.JobID stays empty.
func (s *Store) lookAtBatch(
	ctx context.Context, tx pgx.Tx, p *plan.Plan, look *secondLook, round time.Time,
) (jobs.LateRows, error) {
	if _, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true)",
		pgsession.Milliseconds(s.opts.LockTimeout), pgsession.Milliseconds(pgsession.StatementTimeout)); err != nil {
		return jobs.LateRows{}, err
	}
	err := tx.QueryRow(ctx, nextLookSQL, round).Scan(&look.JobID, &look.pass, &look.Number, &look.onlyRefused, &look.nextAt,
		&look.Terms.Merge, &look.TenantID, &look.Terms.Country, &look.Terms.Locale)
	if errors.Is(err, pgx.ErrNoRows) {
		return jobs.LateRows{}, nil
	}
	if err != nil {
		return jobs.LateRows{}, err
	}
	more, err := look.readBatch(ctx, tx)
	if err != nil {
		return jobs.LateRows{}, err
	}
	if !more || len(p.LateRows.Erase) == 0 {
		return s.endLook(ctx, tx, p, look)
	}
	e := &lateErasure{Store: s, tx: tx, plan: p, claim: &look.Claim, erased: map[string]int64{}}
	if err := e.eraseLateRows(ctx); err != nil {
		return jobs.LateRows{}, err
	}
	if err := look.recordRefused(ctx, tx, e.refused); err != nil {
		return jobs.LateRows{}, err
	}
	found := jobs.LateRows{Erased: e.erased}
	if look.last {
		over, err := s.endLook(ctx, tx, p, look)
		over.Erased = found.Erased
		return over, err
	}
	_, err = tx.Exec(ctx, "UPDATE oubli.second_looks SET batch = $2, tried = NULL WHERE job_id = $1", look.JobID, look.Number)
	return found, err
}

// readBatch reads the clients of the next batch. It reports whether there is one.
func (l *secondLook) readBatch(ctx context.Context, tx pgx.Tx) (more bool, err error) {
	if l.onlyRefused {
		err := tx.QueryRow(ctx, nextRefusedSQL, l.JobID, l.nextAt).Scan(&l.Keys)
		return len(l.Keys) > 0, err
	}
	err = tx.QueryRow(ctx, nextBatchSQL, l.JobID, l.Number).Scan(&l.Number, &l.last, &l.Keys)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// recordRefused records clients of the batch whose rows the database refuses to
// erase, and takes others back that it refused before.
func (l *secondLook) recordRefused(ctx context.Context, tx pgx.Tx, refused []jobs.Exception) error {
	keys, codes, details := make([]string, len(refused)), make([]string, len(refused)), make([]string, len(refused))
	for i, r := range refused {
		keys[i], codes[i], details[i] = r.ClientID, r.Code, r.Detail
	}
	_, err := tx.Exec(ctx, "DELETE FROM oubli.late_rows WHERE job_id = $1 AND client_id = ANY($2) AND client_id <> ALL($3)",
		l.JobID, l.Keys, keys)
	if err == nil && len(refused) > 0 {
		_, err = tx.Exec(ctx, `
			INSERT INTO oubli.late_rows AS r (job_id, client_id, code, detail)
			SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[])
			ON CONFLICT (job_id, client_id) DO UPDATE
			SET code = excluded.code, detail = excluded.detail, tries = r.tries + 1, tried = clock_timestamp()`,
			l.JobID, keys, codes, details)
	}
	return err
}

// giveUpSQL gives up, for the day, clients that have been tried often enough, and
// reports them by code.
const giveUpSQL = `
WITH over AS (
  UPDATE oubli.late_rows SET given_up = true
  WHERE job_id = $1 AND NOT given_up AND tries >= $2
    AND (code NOT LIKE '40%' AND code NOT LIKE '55P03%' OR since < now() - interval '` + lookLockPatience + `')
  RETURNING code)
SELECT code, count(*) FROM over GROUP BY code`

// releaseMails lets the job's mails go, with what the first look could not erase.
// One that is being sent stays as it is.
func releaseMails(ctx context.Context, tx pgx.Tx, jobID string) error {
	_, err := tx.Exec(ctx, `
		UPDATE oubli.tasks SET run_at = CASE attempt WHEN 0 THEN least(run_at, now()) ELSE run_at END,
		  letter = letter - 'late_rows' || coalesce((
		    SELECT jsonb_build_object('late_rows', jsonb_build_object('refused', jsonb_object_agg(code, n)))
		    FROM (SELECT code, count(*) AS n FROM oubli.late_rows WHERE job_id = $1 GROUP BY code) AS r HAVING count(*) > 0), '{}')
		WHERE job_id = $1 AND kind = 'mail' AND state = 'pending' AND letter ? 'late_rows'`, jobID)
	return err
}

// forgetValues removes what the job's clients had in columns to which references
// refer, except of clients about whom there are rows that the database refuses to
// erase. From then on the job's residue counts.
func forgetValues(ctx context.Context, tx pgx.Tx, jobID string) error {
	tag, err := tx.Exec(ctx, `
		DELETE FROM oubli.former_values AS f WHERE job_id = $1 AND NOT EXISTS (
		  SELECT FROM oubli.late_rows AS r WHERE r.job_id = f.job_id AND r.client_id = f.client_key)`, jobID)
	if err == nil && tag.RowsAffected() > 0 {
		_, err = tx.Exec(ctx, "UPDATE oubli.residues SET since = clock_timestamp() WHERE job_id = $1 AND level < 2", jobID)
	}
	return err
}

// endLook ends a look at all of a job's clients. While there are rows that the
// database refuses to erase, it is not over: these are tried again first.
func (s *Store) endLook(ctx context.Context, tx pgx.Tx, p *plan.Plan, look *secondLook) (jobs.LateRows, error) {
	over := jobs.LateRows{Refused: map[string]int{}}
	if len(p.LateRows.Erase) == 0 {
		over.Ended = 1
		_, err := tx.Exec(ctx, "DELETE FROM oubli.second_looks WHERE job_id = $1", look.JobID)
		if err == nil {
			err = releaseMails(ctx, tx, look.JobID)
		}
		if err == nil {
			err = forgetValues(ctx, tx, look.JobID)
		}
		return over, err
	}
	rows, err := tx.Query(ctx, giveUpSQL, look.JobID, lookTries)
	if err != nil {
		return over, err
	}
	var code string
	var n int
	if _, err := pgx.ForEachRow(rows, []any{&code, &n}, func() error { over.Refused[code] = n; return nil }); err != nil {
		return over, err
	}
	var again, left bool
	err = tx.QueryRow(ctx, "SELECT coalesce(bool_or(NOT given_up), false), count(*) > 0 FROM oubli.late_rows WHERE job_id = $1",
		look.JobID).Scan(&again, &left)
	if err != nil {
		return over, err
	}
	if again {
		_, err := tx.Exec(ctx, `
			UPDATE oubli.second_looks SET only_refused = true, next_at = now() + $2::interval, tried = NULL
			WHERE job_id = $1`, look.JobID, s.opts.Pause)
		return over, err
	}
	if look.pass == 1 {
		over.Ended = 1
		if err := releaseMails(ctx, tx, look.JobID); err != nil {
			return over, err
		}
	}
	if look.pass > 1 {
		if err := forgetValues(ctx, tx, look.JobID); err != nil {
			return over, err
		}
	}
	// The second look is a pause later, all others a day. In the end only what is
	// refused is tried again, until nothing is.
	_, err = tx.Exec(ctx, `
		WITH ended AS (
		  DELETE FROM oubli.second_looks WHERE job_id = $1 AND NOT $3 AND since < now() - interval '`+dailyLooks+`' RETURNING 1)
		UPDATE oubli.second_looks SET pass = pass + 1, batch = 0, tried = NULL,
		  only_refused = since < now() - interval '`+dailyLooks+`',
		  next_at = CASE pass WHEN 1 THEN now() + $2::interval ELSE now() + interval '1 day' END
		WHERE job_id = $1 AND NOT EXISTS (SELECT FROM ended)`, look.JobID, s.opts.Pause, left)
	return over, err
}
