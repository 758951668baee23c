package repository

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// markViewsStale records that materialized views may hold copies of values that
// this transaction has erased.
func markViewsStale(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "INSERT INTO oubli.stale_views DEFAULT VALUES")
	return err
}

// viewTries is how often a view that fails is tried again, a pause apart, before
// that happens once in sixty pauses only.
const viewTries = 10

// RefreshViews refreshes the map's materialized views after every job that erased
// a client and after sweeps. It runs after the end of the job, so that a view
// that cannot be refreshed does not keep the job open. Each view is stale or not
// by itself: one that fails keeps no other stale, and is tried again a pause
// later. The error names every view whose last refresh failed.
func (s *Store) RefreshViews(ctx context.Context) error {
	var stale bool
	err := s.pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM oubli.stale_views) OR EXISTS (SELECT FROM oubli.refreshes)").Scan(&stale)
	if err != nil || !stale {
		return pgfault.Wrap("look for stale views", err)
	}
	p, err := s.covered(ctx)
	if err != nil {
		return err
	}
	if err := s.noteStaleViews(ctx, p); err != nil {
		return err
	}
	for _, st := range p.Refresh {
		if err := s.refreshView(ctx, st); err != nil {
			return err
		}
	}
	return s.failedViews(ctx)
}

// noteStaleViews turns the occasions to refresh into one row for each view. An
// occasion that commits after a view's refresh has begun raises the view's number
// again, so that the view stays stale.
func (s *Store) noteStaleViews(ctx context.Context, p *plan.Plan) error {
	views := make([]string, len(p.Refresh))
	for i, st := range p.Refresh {
		views[i] = st.Table
	}
	_, err := s.pool.Exec(ctx, `
		WITH forgotten AS (DELETE FROM oubli.refreshes WHERE view <> ALL($1)),
		occasions AS (DELETE FROM oubli.stale_views RETURNING since)
		INSERT INTO oubli.refreshes AS r (view, since, occasions)
		SELECT v, o.since, o.n FROM unnest($1::text[]) AS v, (SELECT min(since) AS since, count(*) AS n FROM occasions) AS o WHERE o.n > 0
		ON CONFLICT (view) DO UPDATE SET since = least(r.since, excluded.since), occasions = r.occasions + excluded.occasions`, views)
	return pgfault.Wrap("note stale views", err)
}

// lockViewSQL keeps other workers from refreshing the same view, until the
// transaction ends.
const lockViewSQL = "SELECT pg_try_advisory_xact_lock(hashtextextended('oubli:view:' || $1::text, 0)), set_config('lock_timeout', $2, true)"

// dueViewSQL reads a stale view, if its last try is long enough ago.
const dueViewSQL = `
SELECT occasions FROM oubli.refreshes
WHERE view = $1 AND (tried IS NULL OR tried < now() - $2::interval * CASE WHEN tries < $3 THEN 1 ELSE 60 END)`

// refreshView refreshes a view if it is stale and its turn has come. That the view
// fails is recorded with it, and is no error here as long as the database takes
// that write: otherwise there is an outage.
func (s *Store) refreshView(ctx context.Context, st plan.Statement) error {
	op := "refresh materialized view " + st.Table
	err := s.tx(ctx, op, func(tx pgx.Tx) error {
		var mine bool
		// A long wait for the view's lock would block the view's readers too.
		if err := tx.QueryRow(ctx, lockViewSQL, st.Table, pgsession.Milliseconds(s.opts.LockTimeout)).Scan(&mine, nil); err != nil || !mine {
			return err
		}
		var occasions int64
		err := tx.QueryRow(ctx, dueViewSQL, st.Table, s.opts.Pause, viewTries).Scan(&occasions)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, st.SQL); err != nil {
			return withState(pgfault.Wrap(op, err), pgfault.Answered(err))
		}
		// If something was erased meanwhile, the view is stale again.
		_, err = tx.Exec(ctx, `
			WITH fresh AS (DELETE FROM oubli.refreshes WHERE view = $1 AND occasions = $2 RETURNING 1)
			UPDATE oubli.refreshes SET since = now(), occasions = occasions - $2, tried = NULL, tries = 0, code = ''
			WHERE view = $1 AND NOT EXISTS (SELECT FROM fresh)`, st.Table, occasions)
		return err
	})
	if err == nil || ctx.Err() != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, failed := s.pool.Exec(ctx, "UPDATE oubli.refreshes SET tried = now(), tries = tries + 1, code = $2 WHERE view = $1",
		st.Table, codeOf(err))
	return pgfault.Wrap("record that a view failed", failed)
}

// codeOf is the SQLSTATE of an error that PostgreSQL answered, or else its code or
// kind.
func codeOf(err error) string {
	e, ok := errors.AsType[*jobs.Error](err)
	switch {
	case ok && e.State != "":
		return e.State
	case ok && e.Code != "":
		return e.Code
	}
	return jobs.KindOf(err).String()
}

// failedViews is an error that names the views whose last refresh failed; nil if
// there are none.
func (s *Store) failedViews(ctx context.Context) error {
	rows, err := s.pool.Query(ctx, "SELECT view, code FROM oubli.refreshes WHERE code <> '' ORDER BY view")
	if err != nil {
		return pgfault.Wrap("look for views that failed", err)
	}
	var errs []error
	var view, code string
	_, err = pgx.ForEachRow(rows, []any{&view, &code}, func() error {
		errs = append(errs, fmt.Errorf("refresh materialized view %s: %s", view, code))
		return nil
	})
	return errors.Join(append(errs, pgfault.Wrap("look for views that failed", err))...)
}
