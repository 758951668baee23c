package repository

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/jobs"
)

// runnable selects tasks that may be dispatched and claimed: mails, and batches
// and merges of jobs that are scheduled or running.
const runnable = `(t.kind = 'mail' OR EXISTS (SELECT FROM oubli.jobs AS j WHERE j.id = t.job_id AND j.state IN ('scheduled', 'running')))`

// dispatchSQL marks due tasks as dispatched. At most Window hints of a queue wait
// in Redis, so that little is lost if Redis loses its data. A tenant has at most as
// many dispatched batches as lanes, and no second one while another tenant waits
// for its first. Where $3 is the profile owner of all tenants, they share the
// lanes and count as one tenant. Bulk hints that still wait in the queue do not
// count against the same tenant's interactive batches, which would otherwise wait
// for them; if both are then taken at once, the one without a lane is handed back.
const dispatchSQL = `
WITH out AS (
  SELECT coalesce($3, tenant_id) AS owner, kind, queue, state = 'running' AS running, count(*) AS n FROM oubli.tasks
  WHERE state = 'running' OR (state = 'pending' AND dispatched_at IS NOT NULL)
  GROUP BY 1, 2, 3, 4),
busy AS (
  SELECT owner, sum(n) AS lanes, sum(n) FILTER (WHERE running OR queue = 'interactive') AS urgent
  FROM out WHERE kind <> 'mail' GROUP BY 1),
waiting AS (
  SELECT queue, sum(n) AS n FROM out WHERE NOT running GROUP BY 1),
due AS (
  SELECT t.id, t.queue, t.kind, t.run_at, coalesce($3, t.tenant_id) AS owner,
    row_number() OVER (PARTITION BY coalesce($3, t.tenant_id), t.kind = 'mail' ORDER BY t.queue <> 'interactive', t.run_at, t.id)
      + coalesce(CASE WHEN t.kind = 'mail' THEN 0 WHEN t.queue = 'interactive' THEN busy.urgent ELSE busy.lanes END, 0) AS turn
  FROM oubli.tasks AS t LEFT JOIN busy ON busy.owner = coalesce($3, t.tenant_id)
  WHERE t.state = 'pending' AND t.dispatched_at IS NULL AND t.run_at <= now() AND ` + runnable + `
    -- Leave out what cannot be dispatched anyway, so that it is not sorted.
    AND NOT EXISTS (SELECT FROM waiting WHERE waiting.queue = t.queue AND waiting.n >= $2)
    AND (t.kind = 'mail' OR coalesce(busy.urgent, 0) < $1)),
turns AS (
  SELECT *, count(*) FILTER (WHERE turn = 1) OVER (PARTITION BY queue)
    - count(*) FILTER (WHERE turn = 1) OVER (PARTITION BY queue, owner) AS others
  FROM due WHERE kind = 'mail' OR turn <= $1),
placed AS (
  SELECT id, row_number() OVER (PARTITION BY queue ORDER BY turn, run_at, id) + coalesce(waiting.n, 0) AS place
  FROM turns LEFT JOIN waiting USING (queue)
  WHERE kind = 'mail' OR turn = 1 OR waiting.n IS NULL AND others = 0),
mine AS (
  SELECT id FROM oubli.tasks
  WHERE id IN (SELECT id FROM placed WHERE place <= $2) AND state = 'pending' AND dispatched_at IS NULL
  FOR UPDATE SKIP LOCKED)
UPDATE oubli.tasks AS t SET dispatched_at = now(), dispatch_no = dispatch_no + 1
FROM mine WHERE t.id = mine.id
RETURNING t.id::text, t.kind, t.queue, t.dispatch_no, interval '0', (SELECT traceparent FROM oubli.jobs AS j WHERE j.id = t.job_id)`

// Dispatch marks the tasks that are due and returns them; the caller enqueues
// a hint for each and takes back the marks of those it could not enqueue.
func (s *Store) Dispatch(ctx context.Context) ([]jobs.Dispatch, error) {
	rows, err := s.pool.Query(ctx, dispatchSQL, s.opts.Lanes, s.opts.Window, s.sharedOwner())
	if err != nil {
		return nil, pgfault.Wrap("dispatch", err)
	}
	due, err := pgx.CollectRows(rows, scanDispatch)
	if len(due) > 0 {
		s.opts.Failpoint("dispatch:marked")
	}
	return due, pgfault.Wrap("dispatch", err)
}

func scanDispatch(row pgx.CollectableRow) (d jobs.Dispatch, err error) {
	err = row.Scan(&d.TaskID, &d.Kind, &d.Queue, &d.No, &d.Age, &d.Trace)
	return d, err
}

// Undispatch removes the dispatch marks of tasks whose hints are not in Redis, so
// that they are dispatched again. It keeps the mark if the task was dispatched
// again since, or is being claimed at this moment.
func (s *Store) Undispatch(ctx context.Context, lost []jobs.Dispatch) error {
	ids, nos := make([]string, len(lost)), make([]int, len(lost))
	for i, d := range lost {
		ids[i], nos[i] = d.TaskID, d.No
	}
	_, err := s.pool.Exec(ctx, `
		WITH mine AS (
		  SELECT t.id FROM oubli.tasks AS t JOIN unnest($1::uuid[], $2::int[]) AS lost(id, no) ON t.id = lost.id AND t.dispatch_no = lost.no
		  WHERE t.state = 'pending' FOR UPDATE OF t SKIP LOCKED)
		UPDATE oubli.tasks AS t SET dispatched_at = NULL FROM mine WHERE t.id = mine.id`, ids, nos)
	return pgfault.Wrap("take back dispatch", err)
}

// Overdue lists tasks that were dispatched longer than age ago and are not
// claimed: their hints may wait in a long queue or be lost.
func (s *Store) Overdue(ctx context.Context, age time.Duration) ([]jobs.Dispatch, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT id::text, kind, queue, dispatch_no, now() - dispatched_at, '' FROM oubli.tasks
		WHERE state = 'pending' AND dispatched_at < now() - $1::interval
		ORDER BY dispatched_at LIMIT 500`, age)
	if err != nil {
		return nil, pgfault.Wrap("find overdue hints", err)
	}
	due, err := pgx.CollectRows(rows, scanDispatch)
	return due, pgfault.Wrap("find overdue hints", err)
}

// Recover gives tasks back whose lease has run out. It skips a task whose row is
// locked: a worker still processes it, although its lease is over.
func (s *Store) Recover(ctx context.Context) (int, error) {
	tag, err := s.pool.Exec(ctx, recoverTaskSQL)
	return int(tag.RowsAffected()), pgfault.Wrap("recover tasks", err)
}

// Tidy ends open jobs without an open task. Finish and Cancel already do that, so
// this only repairs what should not occur. It also deletes idempotency keys after
// seven days, selections a day after they expired, and sweeps after 13 months.
func (s *Store) Tidy(ctx context.Context) error {
	rows, err := s.pool.Query(ctx, `
		SELECT j.id::text FROM oubli.jobs AS j
		WHERE j.finished_at IS NULL AND j.state IN ('scheduled', 'running')
		  AND NOT EXISTS (SELECT FROM oubli.tasks AS t WHERE t.job_id = j.id AND t.kind <> 'mail' AND t.state IN ('pending', 'running'))`)
	if err != nil {
		return pgfault.Wrap("find jobs to end", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return pgfault.Wrap("find jobs to end", err)
	}
	for _, id := range ids {
		if err := s.tx(ctx, "end job", func(tx pgx.Tx) error { return s.endJob(ctx, tx, id) }); err != nil {
			return err
		}
	}
	if _, err = s.pool.Exec(ctx, "DELETE FROM oubli.idempotency_keys WHERE created_at < now() - interval '7 days'"); err != nil {
		return pgfault.Wrap("delete idempotency keys", err)
	}
	if _, err = s.pool.Exec(ctx, "DELETE FROM oubli.selections WHERE expires_at < now() - interval '1 day'"); err != nil {
		return pgfault.Wrap("delete selections", err)
	}
	_, err = s.pool.Exec(ctx, "DELETE FROM oubli.retention_sweeps WHERE day < now() - interval '13 months'")
	return pgfault.Wrap("delete sweeps", err)
}

// Block stops a job until the map covers the schema again, and at least for
// atLeast. The reason names tables and columns, never a value.
func (s *Store) Block(ctx context.Context, jobID, reason string, atLeast time.Duration) error {
	_, err := s.pool.Exec(ctx, `UPDATE oubli.jobs SET state = 'blocked', blocked_reason = $2, blocked_until = now() + $3::interval
		WHERE id = $1 AND state = 'running'`, jobID, reason, atLeast)
	return pgfault.Wrap("block job", err)
}

// Unblock resumes blocked jobs when the map covers the schema. It returns their
// number.
func (s *Store) Unblock(ctx context.Context) (int, error) {
	var blocked bool
	err := s.pool.QueryRow(ctx, `SELECT EXISTS (
		SELECT FROM oubli.jobs WHERE state = 'blocked' AND finished_at IS NULL AND blocked_until <= now())`).Scan(&blocked)
	if err != nil || !blocked {
		return 0, pgfault.Wrap("look for blocked jobs", err)
	}
	if _, err := s.covered(ctx); err != nil {
		e, ok := errors.AsType[*jobs.Error](err)
		if !ok || e.Code != jobs.CodeSchema {
			return 0, err
		}
		// Keep the reason current: what is missing changes while somebody fixes it.
		_, err = s.pool.Exec(ctx, `UPDATE oubli.jobs SET blocked_reason = $1
			WHERE state = 'blocked' AND blocked_until <= now() AND blocked_reason <> $1`, e.Error())
		return 0, pgfault.Wrap("renew blocked jobs' reason", err)
	}
	tag, err := s.pool.Exec(ctx, `UPDATE oubli.jobs SET state = 'running', blocked_reason = '', blocked_until = NULL
		WHERE state = 'blocked' AND blocked_until <= now()`)
	return int(tag.RowsAffected()), pgfault.Wrap("resume blocked jobs", err)
}
