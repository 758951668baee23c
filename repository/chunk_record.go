package repository

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/jobs"
)

// progressSQL records outcomes and progress in the usual case: nobody was deferred,
// so the keys keep their order and are not written again.
const progressSQL = "UPDATE oubli.tasks SET " + progressColumns

// recordSQL is progressSQL after clients were deferred.
const recordSQL = "UPDATE oubli.tasks SET keys = $19, " + progressColumns

// progressColumns include the transaction's number, so that the rows that it leaves
// can be mixed with others'; see MixRows.
const progressColumns = `
  position = $3, erased = $4, erased_retained = $5, skipped = $6, failed = $7, not_found = $8,
  codes = $9, rows = $10, retained_until = $11, crashes = $12, lease_until = clock_timestamp() + $13::interval,
  ledger_intent = nullif($18::bigint, 0),
  deferrals = $14, deferred_since = CASE WHEN $14 > 0 THEN coalesce(deferred_since, clock_timestamp()) END,
  small_clients = CASE WHEN $15::int > 0 THEN small_clients || $15::int ELSE small_clients END,
  small_xids = CASE WHEN $15 > 0 THEN small_xids || pg_current_xact_id() ELSE small_xids END,
  small_times = CASE WHEN $15 > 0 THEN small_times || tstzrange(now(), clock_timestamp(), '[]') ELSE small_times END,
  large_clients = large_clients + $16, trigger_rows = trigger_rows OR $17,
  large_xid = CASE WHEN $16 > 0 THEN pg_current_xact_id() ELSE large_xid END,
  large_xid_clients = CASE WHEN $16 > 0 THEN $16 ELSE large_xid_clients END
WHERE id = $1 AND attempt = $2 AND state = 'running'`

// waitingSQL counts the sessions that wait for a row that this transaction has
// locked: the first in the queue for a row waits for the transaction's id.
const waitingSQL = `
SELECT count(*) FROM pg_locks
WHERE locktype = 'transactionid' AND transactionid = pg_current_xact_id()::xid AND NOT granted`

// record writes the outcomes and the progress and commits, in one round trip.
// It says how many sessions waited for the chunk's locks just before. After the
// commit, in the same round trip, it looks for rows that were written about the
// erased clients meanwhile, and lists these clients. It sees what others have
// committed until then. If it fails, the chunk is committed all the same.
func (s *Store) record(
	ctx context.Context, conn *pgx.Conn, ch chunk, n *jobs.Claim, v *verdict,
) (waiting int, late []string, err error) {
	b := &pgx.Batch{}
	if len(v.exceptions) > 0 {
		b.Queue(exceptionsSQL, exceptionArgs(n.JobID, v.exceptions)...)
	}
	k := n.Counts
	small, large := s.smallOrLarge(v)
	args := []any{
		n.TaskID, n.Attempt, n.Position, k.Erased, k.ErasedRetained, k.Skipped, k.Failed, k.NotFound,
		n.Codes, n.Rows, dateArg(n.RetainedUntil), n.Crashes, s.opts.Lease, n.Deferrals, small, large, v.triggerRows, n.Intent,
	}
	if len(v.deferred) > 0 {
		b.Queue(recordSQL, append(args, n.Keys)...)
	} else {
		b.Queue(progressSQL, args...)
	}
	if len(v.conflicts) > 0 {
		b.Queue(conflictsSQL, n.TaskID, v.conflicts)
	}
	writes := b.Len()
	b.Queue(waitingSQL)
	b.Queue("commit")
	finds := ch.lateFinds(v)
	if len(finds) > 0 {
		if err := queue(b, ch.clients(v.erase), finds...); err != nil {
			return 0, nil, err
		}
	}
	results := conn.SendBatch(ctx, b)
	for range writes {
		if _, err := results.Exec(); err != nil {
			return 0, nil, errors.Join(err, results.Close())
		}
	}
	if err := results.QueryRow().Scan(&waiting); err != nil {
		return 0, nil, errors.Join(err, results.Close())
	}
	if _, err = results.Exec(); err != nil || len(finds) == 0 {
		return waiting, nil, errors.Join(err, results.Close())
	}
	late, _, _ = readLate(results, finds)
	_ = results.Close() // an error is that of the look, after the commit
	return waiting, late, nil
}

const exceptionsSQL = `
INSERT INTO oubli.exceptions (job_id, client_id, outcome, code, retained_until, detail)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::date[], $6::text[])`

func exceptionArgs(job string, all []jobs.Exception) []any {
	ids, outcomes := make([]string, len(all)), make([]string, len(all))
	codes, details := make([]string, len(all)), make([]string, len(all))
	until := make([]*time.Time, len(all))
	for i, e := range all {
		ids[i], outcomes[i], codes[i], until[i] = e.ClientID, string(e.Outcome), e.Code, dateArg(e.RetainedUntil)
		details[i] = e.Detail
	}
	return []any{job, ids, outcomes, codes, until, details}
}

func dateArg(d *jobs.Date) *time.Time {
	if d == nil {
		return nil
	}
	return &d.Time
}

// claimAfter is the claim as it will be when the verdict on these keys, the next
// of the batch, has committed: deferred clients go to the end, the others have
// their outcome.
func claimAfter(c *jobs.Claim, keys []string, v *verdict, rows map[string]int64) *jobs.Claim {
	n := *c
	n.Codes, n.Rows = map[string]int{}, map[string]int64{}
	for code, count := range c.Codes {
		n.Codes[code] = count
	}
	for table, count := range c.Rows {
		n.Rows[table] = count
	}
	for table, count := range rows {
		n.Rows[table] += count
	}
	for _, o := range jobs.Outcomes() {
		n.Counts.Add(o, v.counts.Of(o))
	}
	for _, e := range v.exceptions {
		if e.Outcome != jobs.ErasedRetained {
			n.Codes[e.Code]++
		}
		if e.RetainedUntil != nil && (n.RetainedUntil == nil || e.RetainedUntil.After(n.RetainedUntil.Time)) {
			n.RetainedUntil = e.RetainedUntil
		}
	}
	if len(v.deferred) > 0 {
		rest := c.Keys[c.Position+len(keys):]
		n.Keys = slices.Clone(c.Keys[:c.Position])
		for _, k := range keys {
			if !slices.Contains(v.deferred, k) {
				n.Keys = append(n.Keys, k)
			}
		}
		n.Keys = append(append(n.Keys, rest...), v.deferred...)
	}
	if done := len(keys) - len(v.deferred); done > 0 {
		n.Position += done
		n.Crashes = 0
	}
	switch served := len(keys) - len(v.deferred) - v.counts.Failed; {
	case served > 0:
		n.Deferrals, n.DeferredSince = 0, time.Time{}
	case len(v.deferred) > 0:
		if n.Deferrals == 0 {
			n.DeferredSince = time.Now()
		}
		n.Deferrals += len(v.deferred)
	}
	return &n
}

// smallOrLarge is how many clients the transaction has erased, as the one or the
// other. The rows that a small one leaves tell by their xmin, and by where they
// stand, that they were of few clients.
func (s *Store) smallOrLarge(v *verdict) (small, large int) {
	n := v.counts.Erased + v.counts.ErasedRetained
	switch {
	case !v.leavesRows:
		return 0, 0
	case n < s.opts.MixClients:
		return n, 0
	}
	return 0, n
}
