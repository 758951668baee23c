package repository

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// viewsAreStale notes that materialized views may hold copies of what the
// transaction has erased.
func viewsAreStale(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "INSERT INTO oubli.stale_views DEFAULT VALUES")
	return err
}

// RefreshViews brings the map's materialized views up to date after jobs that
// erased somebody, however these ended, and after sweeps. It is apart from the
// end of a job: a view that cannot be refreshed must not keep the job open.
func (s *Store) RefreshViews(ctx context.Context) error {
	if len(s.erasureMap().Refresh) == 0 {
		return nil
	}
	// By their ids and not by their time: a note that commits after the refresh
	// has begun stays for the next.
	rows, err := s.pool.Query(ctx, "SELECT id FROM oubli.stale_views")
	if err != nil {
		return fault("look for stale views", err)
	}
	notes, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil || len(notes) == 0 {
		return fault("look for stale views", err)
	}
	p, err := s.covered(ctx)
	if err != nil {
		return err
	}
	for _, st := range p.Refresh {
		err := s.tx(ctx, "refresh materialized view", func(tx pgx.Tx) error {
			// Waiting in line for the view would keep its readers waiting too.
			if _, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true)", milliseconds(s.opts.LockTimeout)); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, st.SQL)
			return err
		})
		if err != nil {
			return err
		}
	}
	_, err = s.pool.Exec(ctx, "DELETE FROM oubli.stale_views WHERE id = ANY($1)", notes)
	return fault("note refreshed views", err)
}
