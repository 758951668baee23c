package repository

import (
	"context"
	"errors"
	"time"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/jobs"
)

// Block stops a job until the map covers the schema again, and at least for
// atLeast. The reason names tables and columns, never a value.
func (s *Store) Block(ctx context.Context, jobID, reason string, atLeast time.Duration) error {
	_, err := s.pool.Exec(ctx, `UPDATE oubli.jobs SET state = 'blocked', blocked_reason = $2, blocked_until = now() + $3::interval
		WHERE id = $1 AND state = 'running'`, jobID, reason, atLeast)
	return pgfault.Wrap("block job", err)
}

// Unblock resumes blocked jobs when the map covers the schema and the ledger
// answers, if there is one. It returns their number.
func (s *Store) Unblock(ctx context.Context) (int, error) {
	var blocked bool
	err := s.pool.QueryRow(ctx, `SELECT EXISTS (
		SELECT FROM oubli.jobs WHERE state = 'blocked' AND finished_at IS NULL AND blocked_until <= now())`).Scan(&blocked)
	if err != nil || !blocked {
		return 0, pgfault.Wrap("look for blocked jobs", err)
	}
	err = s.ledgerReady(ctx)
	if err == nil {
		_, err = s.covered(ctx)
	}
	if err != nil {
		e, ok := errors.AsType[*jobs.Error](err)
		if !ok || e.Code != jobs.CodeSchema && e.Code != jobs.CodeLedger {
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
