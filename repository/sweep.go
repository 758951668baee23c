package repository

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/jobs"
)

const (
	sweepRows  = 500             // rows in one transaction of a sweep
	sweepFinds = 20_000          // rows found by one query; a sweep holds their keys in memory
	sweepLease = 5 * time.Minute // how long a worker keeps its sweep without a commit: counting a big table commits nothing
	sweepPause = 5 * time.Minute // before a sweep is tried again after locked rows or an error
)

// SweepRetained applies the rules of retained columns to rows whose retention
// period is over, once a day for each tenant and table; the first worker to claim
// the sweep does it. If a day is missed, the next sweep clears its rows too. Then
// it counts the rows that are kept. With them go personal keys and profiles that
// nothing needs any more. It returns what was done, by table, and the
// first error; every error is stored with its sweep.
func (s *Store) SweepRetained(ctx context.Context) ([]jobs.Swept, error) {
	p, err := s.covered(ctx)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.emptyPersonalKeys(ctx), s.removeUnusedProfiles(ctx, p)); err != nil || len(p.Sweeps) == 0 {
		return nil, err
	}
	tenants, err := s.tenantsToSweep(ctx, p)
	if err != nil {
		return nil, err
	}
	done := map[string]*jobs.Swept{}
	var firstErr error
	for _, tenant := range tenants {
		// Continue after an error of one tenant, but not when the database is
		// unavailable.
		err := s.sweepTenant(ctx, p, tenant, done)
		firstErr = cmp.Or(firstErr, err)
		if e, ok := errors.AsType[*jobs.Error](err); ctx.Err() != nil || ok && e.Code == jobs.CodeUnavailable {
			break
		}
	}
	if firstErr == nil {
		firstErr = s.recount(ctx, p)
	}
	all := make([]jobs.Swept, 0, len(done))
	for _, table := range slices.Sorted(maps.Keys(done)) {
		all = append(all, *done[table])
	}
	return all, firstErr
}

func (s *Store) sweepTenant(ctx context.Context, p *plan.Plan, tenant string, done map[string]*jobs.Swept) error {
	var errs []error
	for _, sw := range p.Sweeps {
		run := sweep{Store: s, plan: p, Sweep: sw, tenant: tenant, refused: map[string]int64{}}
		errs = append(errs, run.run(ctx))
		run.addTotals(done)
	}
	return errors.Join(errs...)
}

// tenantsToSweep lists tenants that have erased clients and a sweep still to do
// today. A sweep counts until the tenant's next day begins. Sweeps dated in the future in
// every time zone are ignored: the clock that wrote them was wrong.
func (s *Store) tenantsToSweep(ctx context.Context, p *plan.Plan) ([]string, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT tenant_id FROM (SELECT tenant_id FROM oubli.anonymous_profiles UNION SELECT tenant_id FROM oubli.retained_rows) AS t
		WHERE cardinality($1::text[]) > (SELECT count(DISTINCT r.name) FROM oubli.retention_sweeps AS r
		  WHERE r.tenant_id = t.tenant_id AND r.name = ANY($1)
		    AND r.day <= (coalesce($2::timestamptz, now()) AT TIME ZONE 'Etc/GMT-14')::date
		    AND CASE WHEN r.finished_at IS NULL THEN greatest(r.run_at, r.lease_until) > now() ELSE r.next_at > coalesce($2, now()) END)
		ORDER BY tenant_id`, sweepNames(p), s.playedTime())
	if err != nil {
		return nil, pgfault.Wrap("find tenants to sweep", err)
	}
	tenants, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return tenants, pgfault.Wrap("find tenants to sweep", err)
}

func sweepNames(p *plan.Plan) []string {
	names := make([]string, len(p.Sweeps))
	for i, sw := range p.Sweeps {
		names[i] = sw.Name
	}
	return names
}

// sweep is one day's sweep of one table of a tenant.
type sweep struct {
	*Store
	plan *plan.Plan
	plan.Sweep
	tenant string

	law     *jobs.Law // nil: it could not be read
	params  sweepParams
	day     time.Time
	attempt int
	rows    int64            // cleared
	refused map[string]int64 // by code, rows that the database refuses to clear
}

// addTotals adds what the sweep did to the totals of its table.
func (w *sweep) addTotals(done map[string]*jobs.Swept) {
	if w.rows == 0 && len(w.refused) == 0 {
		return
	}
	t := done[w.Table]
	if t == nil {
		t = &jobs.Swept{Table: w.Table, Refused: map[string]int64{}}
		done[w.Table] = t
	}
	t.Rows += w.rows
	for code, n := range w.refused {
		t.Refused[code] += n
	}
}

// run sweeps if it can claim the sweep. After an error it stores the reason with
// the sweep, which is tried again later.
func (w *sweep) run(ctx context.Context) error {
	err := w.prepare(ctx)
	if w.day.IsZero() { // the database does not answer
		return err
	}
	mine, claimErr := w.claim(ctx)
	if claimErr != nil || !mine {
		return claimErr
	}
	if err == nil {
		err = w.clearDue(ctx)
	}
	if err == nil || errors.Is(err, jobs.ErrFenced) {
		return nil
	}
	return errors.Join(err, w.recordFailure(ctx, err))
}

// prepare reads the tenant's law, its language and its anonymous profiles.
func (w *sweep) prepare(ctx context.Context) (err error) {
	if w.law, err = w.lawOf(ctx, w.plan, w.tenant); err != nil {
		var today jobs.Date
		unknown := w.readEarliestDay(ctx, &today)
		w.law, w.day = nil, today.Time
		return pgfault.Wrap("prepare sweep", cmp.Or(err, unknown))
	}
	w.day = w.law.Today.Time
	w.params, err = w.sweepParams(ctx, w.plan, w.tenant, w.law)
	if err == nil {
		_, err = w.params.retention.rule(w.Rule)
	}
	return pgfault.Wrap("prepare sweep", err)
}

// sweepParams are those of statements about a tenant's former clients.
func (s *Store) sweepParams(ctx context.Context, p *plan.Plan, tenant string, law *jobs.Law) (sweepParams, error) {
	_, locale, err := tenantFacts(ctx, s.pool, p, tenant)
	if unknownTenant(err) { // its row is gone: the language of its last job
		err = s.pool.QueryRow(ctx, `SELECT coalesce((SELECT tenant_locale FROM oubli.jobs
			WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1), '')`, tenant).Scan(&locale)
	}
	if err != nil {
		return sweepParams{}, err
	}
	profiles, err := allProfiles(ctx, s.pool, p, tenant)
	if err != nil {
		return sweepParams{}, err
	}
	return sweepParams{forClients(p, tenant, profiles), labels{p.Map, locale}, retention{p.Map, law}}, nil
}

// claim claims the day's sweep, unless it is finished, another worker has it, or
// it is paused.
func (w *sweep) claim(ctx context.Context) (bool, error) {
	err := w.pool.QueryRow(ctx, `
		INSERT INTO oubli.retention_sweeps AS r (tenant_id, name, day, table_name, attempt, lease_until)
		VALUES ($1, $2, $3::date, $4, 1, clock_timestamp() + $5::interval)
		ON CONFLICT (tenant_id, name, day) DO UPDATE
		SET attempt = r.attempt + 1, lease_until = clock_timestamp() + $5::interval, refused = '{}', last_error = ''
		WHERE r.finished_at IS NULL AND r.run_at <= now() AND (r.lease_until IS NULL OR r.lease_until < now())
		RETURNING attempt`, w.tenant, w.Name, w.day, w.Table, sweepLease).Scan(&w.attempt)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, pgfault.Wrap("claim sweep", err)
}

// fenced runs f in a transaction, if this worker still holds the sweep and the
// schema is still the plan's.
func (w *sweep) fenced(ctx context.Context, op string, f func(pgx.Tx) error) error {
	err := w.tx(ctx, op, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true)",
			pgsession.Milliseconds(w.opts.LockTimeout), pgsession.Milliseconds(pgsession.StatementTimeout)); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `SELECT attempt FROM oubli.retention_sweeps
			WHERE tenant_id = $1 AND name = $2 AND day = $3::date AND attempt = $4 AND finished_at IS NULL FOR UPDATE`,
			w.tenant, w.Name, w.day, w.attempt).Scan(nil)
		if errors.Is(err, pgx.ErrNoRows) {
			return jobs.ErrFenced
		}
		if err == nil {
			err = f(tx)
		}
		if err == nil {
			err = w.sameSchema(ctx, tx)
		}
		return err
	})
	if err != nil && !errors.Is(err, jobs.ErrFenced) && ctx.Err() == nil { // a migration, and no row, may be the cause
		err = cmp.Or[error](w.tx(ctx, op, func(tx pgx.Tx) error { return w.sameSchema(ctx, tx) }), err)
	}
	return err
}

// sameSchema returns an error if the schema has changed, because the map may not
// cover it any more.
func (w *sweep) sameSchema(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, w.plan.LockTables.SQL); err != nil {
		return err
	}
	var live string
	err := tx.QueryRow(ctx, schema.FingerprintSQL).Scan(&live)
	if err == nil && live != w.plan.Fingerprint {
		return &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeSchema, Msg: "the schema has changed"}
	}
	return err
}

// recordFailure pauses the sweep and stores the error's reason.
func (w *sweep) recordFailure(ctx context.Context, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	why := jobs.KindOf(cause).String()
	if e, ok := errors.AsType[*jobs.Error](cause); ok && e.Code == jobs.CodeOperator {
		why = e.Msg // it says what to fix
	} else if ok && e.Code != "" {
		why += ": " + e.Code
	}
	return w.pause(ctx, why)
}

// pause lets the sweep be claimed again after sweepPause.
func (w *sweep) pause(ctx context.Context, why string) error {
	_, err := w.pool.Exec(ctx, `UPDATE oubli.retention_sweeps SET lease_until = NULL, run_at = now() + $5::interval, last_error = $6
		WHERE tenant_id = $1 AND name = $2 AND day = $3::date AND attempt = $4 AND finished_at IS NULL`,
		w.tenant, w.Name, w.day, w.attempt, sweepPause, why)
	return pgfault.Wrap("give sweep back", err)
}
