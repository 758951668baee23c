package repository

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/jobs"
)

// jobSQL reads jobs with the sums of their tasks' counts. Counts are stored only
// with the task, whose row each chunk locks anyway.
const jobSQL = `
SELECT j.id::text, j.tenant_id, j.state, j.blocked_reason,
  CASE WHEN j.finished_at IS NULL AND j.waits_until > now() THEN j.waits_for ELSE '' END, coalesce(j.reason, ''), j.dry_run, j.requested,
  coalesce(sums.erased, 0), coalesce(sums.erased_retained, 0), coalesce(sums.skipped, 0), coalesce(sums.failed, 0),
  coalesce(sums.not_found, 0),
  coalesce(codes.n, '{}'), coalesce(rows.n, '{}'), sums.retained_until,
  j.created_at, j.not_before, j.started_at, j.finished_at,
  CASE WHEN cardinality(j.notify) = 0 THEN 'none'
       WHEN j.finished_at IS NULL THEN 'waiting'
       WHEN mail.failed > 0 THEN 'failed'
       WHEN mail.open > 0 THEN 'pending'
       ELSE 'sent' END, coalesce(mail.attempts, 0),
  j.comment, j.created_by, j.merge - 'target', coalesce(conflicts.n, '{}'), residue.level, residue.reached,
  EXISTS (SELECT FROM oubli.second_looks WHERE job_id = j.id AND pass = 1), coalesce(late.n, '{}'),
  residue.since, residue.mix IS NOT NULL, residue.mixed_at, coalesce(residue.mix_reason, ''), stale.n
FROM oubli.jobs AS j
LEFT JOIN oubli.residues AS residue ON residue.job_id = j.id
CROSS JOIN LATERAL (
  SELECT sum(erased) AS erased, sum(erased_retained) AS erased_retained, sum(skipped) AS skipped,
    sum(failed) AS failed, sum(not_found) AS not_found, max(retained_until) AS retained_until
  FROM oubli.tasks WHERE job_id = j.id AND kind <> 'mail') AS sums
CROSS JOIN LATERAL (
  SELECT jsonb_object_agg(key, total) AS n FROM (
    SELECT key, sum(value::bigint) AS total FROM oubli.tasks, jsonb_each_text(codes) WHERE job_id = j.id GROUP BY key) AS c) AS codes
CROSS JOIN LATERAL (
  SELECT jsonb_object_agg(key, total) AS n FROM (
    SELECT key, sum(value::bigint) AS total FROM oubli.tasks AS t, jsonb_each_text(t.rows) WHERE job_id = j.id GROUP BY key) AS r) AS rows
CROSS JOIN LATERAL (
  SELECT jsonb_object_agg(key, value::bigint) AS n
  FROM oubli.tasks AS t, jsonb_each_text(t.conflicts) WHERE job_id = j.id AND kind = 'merge') AS conflicts
CROSS JOIN LATERAL (
  SELECT sum(attempt) AS attempts, count(*) FILTER (WHERE state = 'failed') AS failed,
    count(*) FILTER (WHERE state IN ('pending', 'running')) AS open
  FROM oubli.tasks WHERE job_id = j.id AND kind = 'mail') AS mail
CROSS JOIN LATERAL (
  SELECT jsonb_object_agg(code, clients) AS n FROM (
    SELECT code, count(*) AS clients FROM oubli.late_rows WHERE job_id = j.id GROUP BY code) AS l) AS late
CROSS JOIN LATERAL ( -- a minute: the end of a job may have begun before a refresh that did not see it
  SELECT jsonb_object_agg(view, code) AS n FROM oubli.refreshes AS v WHERE residue.since + interval '1 minute' >= v.since) AS stale
WHERE j.kind = $1 AND ($2 = '*' OR j.tenant_id = $2)`

func scanJob(row pgx.CollectableRow) (jobs.Job, error) {
	var j jobs.Job
	var until, reached, since *time.Time
	var mixing jobs.Mixing
	var level *jobs.ResidueLevel
	var found map[string]int64
	var stale map[string]string
	var late jobs.LateReport
	c := &j.Counts
	err := row.Scan(&j.ID, &j.TenantID, &j.State, &j.BlockedReason, &j.WaitingFor, &j.Reason, &j.DryRun, &j.Requested,
		&c.Erased, &c.ErasedRetained, &c.Skipped, &c.Failed, &c.NotFound,
		&j.Exceptions, &j.Rows, &until,
		&j.CreatedAt, &j.NotBefore, &j.StartedAt, &j.FinishedAt,
		&j.Mail.State, &j.Mail.Attempts, &j.Comment, &j.CreatedBy, &j.Merge, &found, &level, &reached, &late.Looking, &late.Refused,
		&since, &mixing.Needed, &mixing.Done, &mixing.Why, &stale)
	c.Pending = j.Requested - c.Done()
	if until != nil {
		j.RetainedUntil = &jobs.Date{Time: *until}
	}
	if j.Merge != nil {
		j.Merge.Found = found
	}
	if late.Looking || len(late.Refused) > 0 {
		j.LateRows = &late
	}
	if level != nil && reached != nil && since != nil {
		j.Residue = jobs.NewResidue(*level, *reached, *since, mixing)
		j.Residue.StaleViews = stale
	}
	return j, err
}

func readJob(ctx context.Context, tx pgx.Tx, kind jobs.Kind, tenant, id string) (jobs.Job, error) {
	rows, err := tx.Query(ctx, jobSQL+" AND j.id = $3", kind, tenant, id)
	if err != nil {
		return jobs.Job{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scanJob)
}

// Job reads one job. A job of another tenant is missing, as if it did not exist.
func (s *Store) Job(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error) {
	missing := &jobs.Error{Kind: jobs.Missing, Code: "not_found", Msg: "no such " + string(kind)}
	if _, err := uuid.Parse(id); err != nil {
		return jobs.Job{}, missing
	}
	var job jobs.Job
	err := s.tx(ctx, "read job", func(tx pgx.Tx) (err error) {
		job, err = readJob(ctx, tx, kind, tenant, id)
		if errors.Is(err, pgx.ErrNoRows) {
			return missing
		}
		return err
	})
	return job, err
}

// Jobs lists jobs, the newest first.
func (s *Store) Jobs(ctx context.Context, f jobs.Filter) (jobs.List[jobs.Job], error) {
	before := "ffffffff-ffff-ffff-ffff-ffffffffffff"
	if f.Cursor != "" {
		id, err := uuid.Parse(f.Cursor)
		if err != nil {
			return jobs.List[jobs.Job]{}, badCursor()
		}
		before = id.String()
	}
	rows, err := s.pool.Query(ctx, jobSQL+" AND j.id < $3 AND ($4 = '' OR j.state = $4) ORDER BY j.id DESC LIMIT $5",
		f.Kind, f.TenantID, before, f.State, f.Limit+1)
	if err != nil {
		return jobs.List[jobs.Job]{}, pgfault.Wrap("list jobs", err)
	}
	items, err := pgx.CollectRows(rows, scanJob)
	if err != nil {
		return jobs.List[jobs.Job]{}, pgfault.Wrap("list jobs", err)
	}
	return page(items, f.Limit, func(j jobs.Job) string { return j.ID }), nil
}

// Exceptions lists the clients of a job whose outcome is not simply erased.
func (s *Store) Exceptions(ctx context.Context, f jobs.ExceptionFilter) (jobs.List[jobs.Exception], error) {
	if _, err := s.Job(ctx, f.Kind, f.TenantID, f.JobID); err != nil {
		return jobs.List[jobs.Exception]{}, err
	}
	var secret uuid.UUID
	if err := s.pool.QueryRow(ctx, "SELECT cursor_secret FROM oubli.jobs WHERE id = $1", f.JobID).Scan(&secret); err != nil {
		return jobs.List[jobs.Exception]{}, pgfault.Wrap("list exceptions", err)
	}
	after := ""
	if f.Cursor != "" {
		var err error
		if after, err = decryptCursor(secret, f.Cursor); err != nil {
			return jobs.List[jobs.Exception]{}, err
		}
	}
	rows, err := s.pool.Query(ctx, `
		SELECT client_id, outcome, code, retained_until, detail FROM oubli.exceptions
		WHERE job_id = $1 AND client_id > $2 AND ($3 = '' OR outcome = $3)
		ORDER BY client_id LIMIT $4`, f.JobID, after, f.Outcome, f.Limit+1)
	if err != nil {
		return jobs.List[jobs.Exception]{}, pgfault.Wrap("list exceptions", err)
	}
	items, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (jobs.Exception, error) {
		var e jobs.Exception
		var until *time.Time
		err := row.Scan(&e.ClientID, &e.Outcome, &e.Code, &until, &e.Detail)
		if until != nil {
			e.RetainedUntil = &jobs.Date{Time: *until}
		}
		return e, err
	})
	if err != nil {
		return jobs.List[jobs.Exception]{}, pgfault.Wrap("list exceptions", err)
	}
	l := page(items, f.Limit, func(e jobs.Exception) string { return encryptCursor(secret, e.ClientID) })
	for i, e := range l.Items {
		if strings.HasPrefix(e.ClientID, emptiedKey) {
			l.Items[i].ClientID = ""
		}
	}
	return l, nil
}

// page removes the extra item that was read to know whether more follow.
func page[T any](items []T, limit int, cursor func(T) string) jobs.List[T] {
	l := jobs.List[T]{Items: items}
	if len(items) > limit {
		l.Items = items[:limit]
		l.Next = cursor(l.Items[limit-1])
	}
	if l.Items == nil {
		l.Items = []T{}
	}
	return l
}

func badCursor() error {
	return &jobs.Error{Kind: jobs.Invalid, Code: "bad_cursor", Msg: "cursor was not returned by this list: leave it out to start again"}
}
