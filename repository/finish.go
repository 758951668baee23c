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

// Finish ends a batch whose clients all have an outcome. If it was the last batch
// of the job, it ends the job and inserts its mails in the same transaction.
func (s *Store) Finish(ctx context.Context, c *jobs.Claim) error {
	err := s.idTx(ctx, "finish batch", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, finishTaskSQL, c.TaskID, c.Attempt)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return jobs.ErrFenced
		}
		err = s.endJob(ctx, tx, c.JobID)
		s.opts.Failpoint("finish:stored")
		return err
	})
	if err == nil {
		s.opts.Failpoint("finish:committed")
	}
	return err
}

// endJob ends a job if none of its tasks is open. It locks the job's row first and
// reads the tasks by a separate statement: when the last two batches finish at the
// same moment, the second one to get the lock sees what the first has committed.
// This requires READ COMMITTED.
func (s *Store) endJob(ctx context.Context, tx pgx.Tx, jobID string) error {
	j, err := lockJob(ctx, tx, jobID)
	if err != nil {
		return err
	}
	var open bool
	err = tx.QueryRow(ctx, `SELECT EXISTS (
		SELECT FROM oubli.tasks WHERE job_id = $1 AND kind <> 'mail' AND state IN ('pending', 'running'))`, jobID).Scan(&open)
	if err != nil || open || j.state.Final() {
		return err
	}
	return s.closeJob(ctx, tx, j, jobs.EndState)
}

// lockedJob is a job whose row is locked, with the fields that close needs.
type lockedJob struct {
	id     string
	kind   jobs.Kind
	state  jobs.State
	notify []string
	locale string
}

func lockJob(ctx context.Context, tx pgx.Tx, id string) (lockedJob, error) {
	j := lockedJob{id: id}
	err := tx.QueryRow(ctx, "SELECT kind, state, notify, locale FROM oubli.jobs WHERE id = $1 FOR NO KEY UPDATE", id).
		Scan(&j.kind, &j.state, &j.notify, &j.locale)
	return j, err
}

// closeJob ends the job and stores its report in one mail task for each recipient.
// No task of the job may be open. Where rows may be written about its clients
// after these were erased, the mails wait for the first look.
func (s *Store) closeJob(ctx context.Context, tx pgx.Tx, j lockedJob, stateFor func(jobs.Counts) jobs.State) error {
	job, err := readJob(ctx, tx, j.kind, jobs.AnyTenant, j.id)
	if err != nil {
		return err
	}
	end := stateFor(job.Counts)
	if !j.state.CanBecome(end) {
		return illegal(j.state, end)
	}
	erased := job.Counts.Erased+job.Counts.ErasedRetained > 0 && !job.DryRun
	var late *jobs.LateReport
	if erased && s.writesLate() {
		late = &jobs.LateReport{Looking: true}
		if err := j.scheduleSecondLook(ctx, tx); err != nil { // as long as a merge knows its target
			return err
		}
	}
	var finished time.Time
	err = tx.QueryRow(ctx, `
		UPDATE oubli.jobs
		SET state = $2, finished_at = now(), blocked_reason = '', blocked_until = NULL, merge = merge - 'target'
		WHERE id = $1 RETURNING finished_at`, j.id, end).Scan(&finished)
	if err != nil {
		return err
	}
	if erased {
		if err := recordResidue(ctx, tx, &j.id); err != nil {
			return err
		}
	}
	return s.insertMails(ctx, tx, job.TenantID, j.notify, jobs.Report{
		JobID: j.id, Kind: j.kind, State: end, Locale: j.locale, Requested: job.Requested, Counts: job.Counts,
		Exceptions: job.Exceptions, RetainedUntil: job.RetainedUntil, LateRows: late,
		CreatedAt: job.CreatedAt, StartedAt: job.StartedAt, FinishedAt: finished,
	})
}

// illegal is the error for a transition that a job's state does not allow.
func illegal(from, to jobs.State) error {
	return &jobs.Error{Kind: jobs.Conflict, Code: "wrong_state", Msg: fmt.Sprintf("a job that is %s cannot become %s", from, to)}
}

// insertMails stores the report in one task for each recipient. It does not change
// after that, but for what the first look for late rows adds. Without that look's
// result a mail goes when it has waited for MailWait, and says so.
func (s *Store) insertMails(ctx context.Context, tx pgx.Tx, tenant string, notify []string, report jobs.Report) error {
	for i, to := range notify {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		mail, err := json.Marshal(jobs.ReportMail{ID: id.String(), To: to, Report: report})
		if err != nil {
			return err
		}
		var wait time.Duration
		if report.LateRows != nil {
			wait = s.opts.MailWait
		}
		_, err = tx.Exec(ctx, `INSERT INTO oubli.tasks (id, job_id, tenant_id, kind, queue, number, letter, run_at)
			VALUES ($1, $2, $3, 'mail', 'mail', $4, $5, now() + $6::interval)`,
			id, report.JobID, tenant, i+1, mail, max(0, wait))
		if err != nil {
			return err
		}
	}
	return nil
}
