package repository

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/jobs"
)

// Deliver runs send between the fence and the record that it was sent, in one
// transaction: while the SMTP dialogue lasts the task's row is locked, so that
// nobody else takes the mail for lost. When send succeeds and the COMMIT does
// not, the record is tried again on new connections; only if all of these fail
// too is the mail sent twice, under the same Message-ID (RFC 1047).
func (s *Store) Deliver(ctx context.Context, c *jobs.Claim, send func(context.Context) error) error {
	sent := false
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "SELECT FROM oubli.tasks WHERE id = $1 AND attempt = $2 AND state = 'running' FOR UPDATE", c.TaskID, c.Attempt)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return jobs.ErrFenced
		}
		s.opts.Failpoint("mail:before")
		if err := send(ctx); err != nil {
			return err
		}
		sent = true
		s.opts.Failpoint("mail:sent")
		_, err = tx.Exec(ctx, sentSQL, c.TaskID, c.Attempt)
		return err
	})
	if !sent || err == nil {
		return fault("deliver mail", err)
	}
	for pause := 100 * time.Millisecond; pause < 10*time.Second; pause *= 2 {
		if _, err = s.pool.Exec(ctx, sentSQL, c.TaskID, c.Attempt); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fault("record sent mail", err)
		case <-time.After(pause):
		}
	}
	return fault("record sent mail", err)
}

const sentSQL = `UPDATE oubli.tasks SET state = 'done', lease_until = NULL, last_error = ''
	WHERE id = $1 AND attempt = $2 AND state = 'running'`

// GiveUp ends a mail that was refused for good. The job is not changed by it.
func (s *Store) GiveUp(ctx context.Context, c *jobs.Claim, reason string) error {
	_, err := s.pool.Exec(ctx, `UPDATE oubli.tasks SET state = 'failed', lease_until = NULL, failures = failures + 1, last_error = $3
		WHERE id = $1 AND attempt = $2 AND state = 'running'`, c.TaskID, c.Attempt, reason)
	return fault("give up mail", err)
}
