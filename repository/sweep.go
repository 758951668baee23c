package repository

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// sweepRows is how many rows one transaction of a sweep takes.
const sweepRows = 500

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
	var total int64
	for _, tenant := range tenants {
		n, err := s.sweepTenant(ctx, p, tenant)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// sweepTenant sweeps one tenant's tables until nothing is due.
func (s *Store) sweepTenant(ctx context.Context, p *plan.Plan, tenant string) (int64, error) {
	var total int64
	for _, st := range p.Sweep {
		for more := true; more; {
			var n int64
			err := s.tx(ctx, "sweep retained columns", func(tx pgx.Tx) (err error) {
				n, err = s.sweepSome(ctx, tx, p, st, tenant)
				more = n == sweepRows
				return err
			})
			if err != nil {
				return total, err
			}
			total += n
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
