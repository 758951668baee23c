package repository

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/jobs"
)

// Finish ends a batch all of whose clients have their outcome and, when it was
// the job's last, ends the job and inserts its mails in the same transaction.
func (s *Store) Finish(ctx context.Context, c *jobs.Claim) error {
	return s.tx(ctx, "finish batch", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE oubli.tasks SET state = 'done', lease_until = NULL, lane = NULL
			WHERE id = $1 AND attempt = $2 AND state = 'running' AND position = cardinality(keys)`, c.TaskID, c.Attempt)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return jobs.ErrFenced
		}
		return s.endJob(ctx, tx, c.JobID)
	})
}

// endJob ends a job none of whose tasks is open. The job's row is locked
// first and the tasks are read by a statement of their own: of two last
// batches that finish in the same instant, the second to get the lock sees
// what the first has committed. This is why the transaction must be READ
// COMMITTED.
func (s *Store) endJob(ctx context.Context, tx pgx.Tx, jobID string) error {
	var state jobs.State
	var notify []string
	var locale string
	var kind jobs.Kind
	err := tx.QueryRow(ctx, "SELECT state, notify, locale, kind FROM oubli.jobs WHERE id = $1 FOR UPDATE", jobID).Scan(&state, &notify, &locale, &kind)
	if err != nil {
		return err
	}
	var open bool
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM oubli.tasks WHERE job_id = $1 AND kind <> 'mail' AND state IN ('pending', 'running'))`, jobID).Scan(&open)
	if err != nil || open || state.Final() {
		return err
	}
	job, err := readJob(ctx, tx, kind, jobs.AnyTenant, jobID)
	if err != nil {
		return err
	}
	end := jobs.EndState(job.Counts)
	if !state.CanBecome(end) {
		return fmt.Errorf("a job that is %s cannot become %s", state, end)
	}
	var finished time.Time
	err = tx.QueryRow(ctx, "UPDATE oubli.jobs SET state = $2, finished_at = now(), blocked_reason = '' WHERE id = $1 RETURNING finished_at", jobID, end).Scan(&finished)
	if err != nil {
		return err
	}
	report := jobs.Report{JobID: jobID, Kind: kind, State: end, Locale: locale, Requested: job.Requested, Counts: job.Counts,
		Exceptions: job.Exceptions, RetainedUntil: job.RetainedUntil, CreatedAt: job.CreatedAt, StartedAt: job.StartedAt, FinishedAt: finished}
	return insertMails(ctx, tx, job.TenantID, notify, report)
}

// insertMails freezes the report in one task for each recipient.
func insertMails(ctx context.Context, tx pgx.Tx, tenant string, notify []string, report jobs.Report) error {
	for i, to := range notify {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		letter, err := json.Marshal(jobs.Letter{ID: id.String(), To: to, Report: report})
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO oubli.tasks (id, job_id, tenant_id, kind, queue, number, letter) VALUES ($1, $2, $3, 'mail', 'mail', $4, $5)`,
			id, report.JobID, tenant, i+1, letter)
		if err != nil {
			return err
		}
	}
	return nil
}
