package repository

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

const (
	sweepRows = 500    // rows in one transaction of a sweep
	sweepRuns = 20_000 // transactions for one table of a tenant in one go
)

// SweepRetained applies the rules of retained columns to rows whose period is
// over: once a day for each tenant and table, whoever comes first; a day that
// nobody came is made up for by the next, because what is due stays due. It
// gives the number of rows.
func (s *Store) SweepRetained(ctx context.Context) (int64, error) {
	p, err := s.covered(ctx)
	if err != nil {
		return 0, err
	}
	if len(p.Sweep) == 0 {
		return 0, nil
	}
	today := s.opts.Today()
	rows, err := s.pool.Query(ctx, `
		SELECT tenant_id FROM oubli.anonymous_profiles GROUP BY tenant_id
		HAVING $2 > (SELECT count(*) FROM oubli.retention_sweeps AS r
		             WHERE r.tenant_id = anonymous_profiles.tenant_id AND r.day = $1::date AND r.finished)
		ORDER BY tenant_id`, today, len(p.Sweep))
	if err != nil {
		return 0, fault("find tenants to sweep", err)
	}
	tenants, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, fault("find tenants to sweep", err)
	}
	// One tenant's trouble is not the next one's.
	var total int64
	var errs []error
	for _, tenant := range tenants {
		for _, st := range p.Sweep {
			n, err := s.sweepTable(ctx, p, st, tenant)
			total += n
			if err != nil {
				errs = append(errs, err)
			}
		}
	}
	return total, errors.Join(errs...)
}

// sweepTable sweeps one tenant's table until nothing is due. A rule whose
// value never reads back as it was written would always find the same rows;
// then the runs of the day are bounded.
func (s *Store) sweepTable(ctx context.Context, p *plan.Plan, st plan.Statement, tenant string) (int64, error) {
	var total int64
	for range sweepRuns {
		var n int64
		err := s.tx(ctx, "sweep retained columns", func(tx pgx.Tx) (err error) {
			if n, err = s.sweepSome(ctx, tx, p, st, tenant); err == nil && n > 0 {
				err = viewsAreStale(ctx, tx)
			}
			return err
		})
		total += n
		if err != nil || n < sweepRows {
			return total, err
		}
	}
	return total, nil
}

// sweepSome takes the next rows of one table. When none are left it records
// that the day is done, so that every other process passes by.
func (s *Store) sweepSome(ctx context.Context, tx pgx.Tx, p *plan.Plan, st plan.Statement, tenant string) (int64, error) {
	today := s.opts.Today()
	var mine bool
	err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock(hashtextextended('oubli:sweep:' || $1::text || ':' || $2::text, 0))
		AND NOT EXISTS (SELECT FROM oubli.retention_sweeps WHERE tenant_id = $1 AND name = $2 AND day = $3::date AND finished)`, tenant, st.Name, today).Scan(&mine)
	if err != nil || !mine {
		return 0, err
	}
	country, locale, err := tenantFacts(ctx, tx, p, tenant)
	if jobs.KindOf(err) == jobs.Invalid { // the tenant is gone, and its rows with it
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	v := &values{claim: &jobs.Claim{TenantID: tenant, Terms: jobs.Terms{Country: country, Locale: locale}}, m: p.Map, today: today, keys: []string{}}
	live, err := liveProfiles(ctx, tx, p, v)
	if err != nil {
		return 0, err
	}
	for _, key := range live {
		v.keys = append(v.keys, key)
	}
	args, err := v.bind(st)
	if err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true)", milliseconds(s.opts.LockTimeout)); err != nil {
		return 0, err
	}
	tag, err := tx.Exec(ctx, st.SQL, args...)
	if err != nil {
		return 0, err
	}
	n := tag.RowsAffected()
	_, err = tx.Exec(ctx, `INSERT INTO oubli.retention_sweeps AS r (tenant_id, name, day, rows, finished) VALUES ($1, $2, $3::date, $4, $5)
		ON CONFLICT (tenant_id, name, day) DO UPDATE SET rows = r.rows + excluded.rows, finished = excluded.finished`, tenant, st.Name, today, n, n < sweepRows)
	return n, err
}
