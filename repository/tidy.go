package repository

import (
	"context"
	"errors"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
)

// tidyAtMost is how many open jobs one call of Tidy looks at.
const tidyAtMost = 1000

// totalsAtMost is how much that has ended one call of Tidy adds to the totals.
const totalsAtMost = 100_000

// openJobsSQL lists open jobs after $1 by their ids, and those that have no open
// task although they are to go on.
const openJobsSQL = `
SELECT j.id, j.state IN ('scheduled', 'running')
  AND NOT EXISTS (SELECT FROM oubli.tasks AS t WHERE t.job_id = j.id AND t.kind <> 'mail' AND t.state IN ('pending', 'running'))
FROM (SELECT id, state FROM oubli.jobs WHERE finished_at IS NULL AND id > $1 ORDER BY id LIMIT $2) AS j
ORDER BY j.id`

// tidied is the last open job that Tidy has looked at.
type tidied struct {
	mu    sync.Mutex
	after uuid.UUID
}

// Tidy ends open jobs without an open task. Finish and Cancel already do that, so
// this only repairs what should not occur; each call looks at the next thousand
// open jobs. It also adds up totals, and deletes idempotency keys after seven days, selections a day
// after they expired, events after seven days, and sweeps after 13 months.
func (s *Store) Tidy(ctx context.Context) error {
	ended, err := s.jobsToEnd(ctx)
	if err != nil {
		return pgfault.Wrap("find jobs to end", err)
	}
	for _, id := range ended {
		if err := s.tx(ctx, "end job", func(tx pgx.Tx) error { return s.endJob(ctx, tx, id) }); err != nil {
			return err
		}
	}
	if _, err = s.pool.Exec(ctx, "SELECT oubli.add_totals($1)", totalsAtMost); err != nil {
		return pgfault.Wrap("add up totals", err)
	}
	if _, err = s.pool.Exec(ctx, "DELETE FROM oubli.idempotency_keys WHERE created_at < now() - interval '7 days'"); err != nil {
		return pgfault.Wrap("delete idempotency keys", err)
	}
	if _, err = s.pool.Exec(ctx, "DELETE FROM oubli.selections WHERE expires_at < now() - interval '1 day'"); err != nil {
		return pgfault.Wrap("delete selections", err)
	}
	if err := errors.Join(s.expireEvents(ctx), s.deleteSessions(ctx)); err != nil {
		return err
	}
	_, err = s.pool.Exec(ctx, "DELETE FROM oubli.retention_sweeps WHERE day < now() - interval '13 months'")
	return pgfault.Wrap("delete sweeps", err)
}

func (s *Store) jobsToEnd(ctx context.Context) (ids []string, err error) {
	s.tidied.mu.Lock()
	defer s.tidied.mu.Unlock()
	rows, err := s.pool.Query(ctx, openJobsSQL, s.tidied.after, tidyAtMost)
	if err != nil {
		return nil, err
	}
	var id uuid.UUID
	var end bool
	seen := 0
	_, err = pgx.ForEachRow(rows, []any{&id, &end}, func() error {
		seen++
		if end {
			ids = append(ids, id.String())
		}
		s.tidied.after = id
		return nil
	})
	if seen < tidyAtMost {
		s.tidied.after = uuid.Nil
	}
	return ids, err
}
