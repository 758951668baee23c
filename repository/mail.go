package repository

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/jobs"
)

// Deliver checks the fence, runs send and records that the mail was sent, in one
// transaction: during the SMTP dialogue the task's row is locked, so that nobody
// recovers the task as lost. When send succeeds and the COMMIT fails, the record
// is written again on new connections until the lease has run out. Only if all of
// these attempts fail is the mail sent twice, with the same Message-ID (RFC 1047).
func (s *Store) Deliver(ctx context.Context, c *jobs.Claim, send func(context.Context) error) error {
	sent := false
	var lease time.Duration
	err := s.idTx(ctx, "deliver mail", func(tx pgx.Tx) error {
		// A process that is stopped during the dialogue holds the row's lock no
		// longer than its lease.
		err := tx.QueryRow(ctx, `SELECT lease_until - now(),
			  set_config('idle_in_transaction_session_timeout',
			    greatest(1000, ceil(extract(epoch FROM lease_until - now()) * 1000))::bigint::text, true)
			FROM oubli.tasks WHERE id = $1 AND attempt = $2 AND state = 'running' FOR UPDATE`, c.TaskID, c.Attempt).Scan(&lease, nil)
		if errors.Is(err, pgx.ErrNoRows) {
			return jobs.ErrFenced
		}
		if err != nil {
			return err
		}
		s.opts.Failpoint("mail:before")
		if err := send(ctx); err != nil {
			return err
		}
		sent = true
		s.opts.Failpoint("mail:sent")
		_, err = tx.Exec(ctx, finishMailSQL, c.TaskID, c.Attempt)
		return err
	})
	if err == nil {
		s.opts.Failpoint("mail:recorded")
	}
	if !sent || err == nil {
		return err
	}
	until := time.Now().Add(lease)
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		if _, err = s.pool.Exec(ctx, finishMailSQL, c.TaskID, c.Attempt); err == nil {
			return nil
		}
		if ctx.Err() != nil || time.Now().After(until) {
			return pgfault.Wrap("record sent mail", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// GiveUp records that a mail could not be sent and is not tried again. It does
// not change the job.
func (s *Store) GiveUp(ctx context.Context, c *jobs.Claim, reason string) error {
	_, err := s.pool.Exec(ctx, giveUpMailSQL, c.TaskID, c.Attempt, reason)
	return pgfault.Wrap("give up mail", err)
}
