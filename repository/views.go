package repository

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
)

// markViewsStale records that materialized views may hold copies of values that
// this transaction has erased.
func markViewsStale(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "INSERT INTO oubli.stale_views DEFAULT VALUES")
	return err
}

// RefreshViews refreshes the map's materialized views after every job that erased
// a client and after sweeps. It runs after the end of the job, so that a view
// that cannot be refreshed does not keep the job open.
func (s *Store) RefreshViews(ctx context.Context) error {
	if len(s.erasureMap().Refresh) == 0 {
		_, err := s.pool.Exec(ctx, "DELETE FROM oubli.stale_views")
		return pgfault.Wrap("forget stale views, because the map names none to refresh", err)
	}
	if failed := s.viewsFailed.Load(); failed != nil && time.Since(failed.at) < s.opts.Pause {
		return failed.err
	}
	// Rows are deleted by their ids and not by their time: one that commits after
	// the refresh has begun stays for the next refresh.
	rows, err := s.pool.Query(ctx, "SELECT id FROM oubli.stale_views")
	if err != nil {
		return pgfault.Wrap("look for stale views", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil || len(ids) == 0 {
		return pgfault.Wrap("look for stale views", err)
	}
	p, err := s.covered(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, st := range p.Refresh {
		err := s.tx(ctx, "refresh materialized view "+st.Table, func(tx pgx.Tx) error {
			// A long wait for the view's lock would block the view's readers too.
			if _, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true)", milliseconds(s.opts.LockTimeout)); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, st.SQL)
			return err
		})
		errs = append(errs, err) // a view that fails does not keep the others stale
	}
	if err := errors.Join(errs...); err != nil {
		s.viewsFailed.Store(&viewsFailure{time.Now(), err})
		return err
	}
	s.viewsFailed.Store(nil)
	_, err = s.pool.Exec(ctx, "DELETE FROM oubli.stale_views WHERE id = ANY($1)", ids)
	return pgfault.Wrap("record refreshed views", err)
}

// viewsFailure is the last round of refreshing in which a view failed. The next
// one is a pause later.
type viewsFailure struct {
	at  time.Time
	err error
}
