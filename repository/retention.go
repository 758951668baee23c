package repository

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// retainedCount counts the retained rows of one table of a tenant.
type retainedCount struct {
	years   map[string]int64 // rows whose period is not over, by the year of its last day
	kept    int64            // the sum of years
	due     int64            // rows whose period is over, overdue ones included
	overdue int64            // rows whose period was over a day ago
	at      time.Time        // when the count began
}

// count counts the rows of a sweep that are not cleared yet. It keeps one number
// for each year in memory, however many rows there are.
func (s *Store) count(ctx context.Context, sw plan.Sweep, params sweepParams) (retainedCount, error) {
	k := retainedCount{years: map[string]int64{}}
	t, err := params.retention.rule(sw.Rule)
	if err != nil {
		return k, err
	}
	args, err := bind(params, sw.Count)
	if err != nil {
		return k, err
	}
	yesterday := t.today.AddDate(0, 0, -1)
	err = s.tx(ctx, "count what is retained", func(tx pgx.Tx) error {
		if err := pgsession.LimitStatements(ctx, tx); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, "SELECT now()").Scan(&k.at); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, sw.Count.SQL, args...)
		if err != nil {
			return err
		}
		var dated time.Time
		var n int64
		_, err = pgx.ForEachRow(rows, []any{&dated, &n}, func() error {
			switch last := t.lastDay(dated); {
			case last.Before(yesterday):
				k.overdue += n
				k.due += n
			case last.Before(t.today):
				k.due += n
			default:
				k.years[strconv.Itoa(last.Year())] += n
				k.kept += n
			}
			return nil
		})
		return err
	})
	return k, err
}

// storeCount stores a count.
func storeCount(ctx context.Context, tx pgx.Tx, tenant string, sw plan.Sweep, k retainedCount) error {
	if k.years == nil {
		k.years = map[string]int64{}
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO oubli.retained (tenant_id, name, rule, table_name, years, kept, due, overdue, counted_at, cleared)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9, now()),
		  coalesce((SELECT sum(rows) FROM oubli.retention_sweeps WHERE tenant_id = $1 AND name = $2), 0))
		ON CONFLICT (tenant_id, name) DO UPDATE SET rule = excluded.rule, table_name = excluded.table_name, years = excluded.years,
		  kept = excluded.kept, due = excluded.due, overdue = excluded.overdue, counted_at = excluded.counted_at`,
		tenant, sw.Name, sw.Rule, sw.Table, k.years, k.kept, k.due, k.overdue, orNull(k.at))
	return err
}

// orNull is the time as a parameter; NULL when it is zero.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// recount counts again for tenants of whom a job has ended since their last count,
// so that readers need not wait for the next day's sweep.
func (s *Store) recount(ctx context.Context, p *plan.Plan) error {
	rows, err := s.pool.Query(ctx, `
		SELECT r.tenant_id FROM oubli.retained AS r
		WHERE r.counted_at < now() - interval '1 minute'
		  AND EXISTS (SELECT FROM oubli.jobs AS j WHERE j.tenant_id = r.tenant_id AND j.finished_at >= r.counted_at AND NOT j.dry_run)
		GROUP BY 1 ORDER BY 1`)
	if err != nil {
		return pgfault.Wrap("find tenants to count again", err)
	}
	tenants, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return pgfault.Wrap("find tenants to count again", err)
	}
	var errs []error
	for _, tenant := range tenants {
		errs = append(errs, s.recountTenant(ctx, p, tenant))
	}
	return errors.Join(errs...)
}

func (s *Store) recountTenant(ctx context.Context, p *plan.Plan, tenant string) error {
	law, err := s.lawOf(ctx, p, tenant)
	if err != nil {
		return pgfault.Wrap("count again", err)
	}
	params, err := s.sweepParams(ctx, p, tenant, law)
	if err != nil {
		return pgfault.Wrap("count again", err)
	}
	for _, sw := range p.Sweeps {
		k, err := s.count(ctx, sw, params)
		if err == nil {
			err = s.tx(ctx, "count again", func(tx pgx.Tx) error { return storeCount(ctx, tx, tenant, sw, k) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sweepsShown is how many of the last sweeps Retention returns.
const sweepsShown = 50

// Retention reads the last counts of what is kept of a tenant's former clients,
// and what the last sweeps did. It reads only control tables.
func (s *Store) Retention(ctx context.Context, tenant string) (jobs.Retention, error) {
	r := jobs.Retention{TenantID: tenant, Kept: []jobs.Kept{}, Sweeps: []jobs.Sweep{}}
	owner := s.erasureMap().ProfileOwner(tenant)
	err := s.db.Snapshot(ctx, "read retention", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT rule, table_name, kept + due, years, due, overdue, refused, cleared, counted_at
			FROM oubli.retained WHERE tenant_id = $1 ORDER BY table_name, name`, owner)
		if err != nil {
			return err
		}
		r.Kept, err = pgx.AppendRows(r.Kept, rows, scanKept)
		if err != nil {
			return err
		}
		if rows, err = tx.Query(ctx, `SELECT table_name, day,
			CASE WHEN finished_at IS NOT NULL THEN 'finished' WHEN lease_until > now() THEN 'running' ELSE 'waiting' END,
			rows, refused, last_error, started_at, finished_at
			FROM oubli.retention_sweeps WHERE tenant_id = $1 ORDER BY day DESC, table_name, name LIMIT $2`, owner, sweepsShown); err != nil {
			return err
		}
		r.Sweeps, err = pgx.AppendRows(r.Sweeps, rows, func(row pgx.CollectableRow) (w jobs.Sweep, err error) {
			err = row.Scan(&w.Table, &w.Day.Time, &w.State, &w.Rows, &w.Refused, &w.Trouble, &w.StartedAt, &w.FinishedAt)
			return w, err
		})
		return err
	})
	return r, err
}

func scanKept(row pgx.CollectableRow) (jobs.Kept, error) {
	k := jobs.Kept{Years: []jobs.KeptYear{}}
	years := map[string]int64{}
	if err := row.Scan(&k.Rule, &k.Table, &k.Rows, &years, &k.Due, &k.Overdue, &k.Refused, &k.Cleared, &k.CountedAt); err != nil {
		return k, err
	}
	for _, text := range slices.Sorted(maps.Keys(years)) {
		year, err := strconv.Atoi(text)
		if err != nil {
			return k, err
		}
		k.Years = append(k.Years, jobs.KeptYear{Year: year, Rows: years[text]})
	}
	return k, nil
}

// RetentionStats sums up retention by table, over all tenants.
func (s *Store) RetentionStats(ctx context.Context) ([]jobs.RetentionStats, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT table_name, sum(kept)::bigint, sum(due)::bigint, sum(overdue)::bigint, sum(refused)::bigint, sum(cleared)::bigint,
		  greatest(now() - min(coalesce(swept_at, counted_at)), interval '0')
		FROM oubli.retained GROUP BY 1 ORDER BY 1`)
	if err != nil {
		return nil, pgfault.Wrap("read statistics of retention", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[jobs.RetentionStats])
	return all, pgfault.Wrap("read statistics of retention", err)
}
