package repository

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// readLaw reads what decides for how long a tenant's records are kept. It reads
// the tenant's row anew each time, so that a corrected country counts at once.
func (s *Store) readLaw(ctx context.Context, p *plan.Plan, tenant string) (*jobs.Law, error) {
	l := &jobs.Law{}
	if p.Law.SQL == "" {
		return l, s.readEarliestDay(ctx, &l.Today)
	}
	args, err := bind(lawParams{forTenant(p, tenant), s.playedTime()}, p.Law)
	if err != nil {
		return nil, err
	}
	err = s.pool.QueryRow(ctx, p.Law.SQL, args...).Scan(&l.Country, &l.FiscalYearEnd, &l.TimeZone, &l.Today.Time)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, &jobs.Error{Kind: jobs.Invalid, Code: "unknown_tenant", Msg: "no such tenant"}
	case pgfault.Is(err, "22023"): // invalid_parameter_value
		return nil, &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator, Msg: "the tenant's time zone is none that PostgreSQL knows"}
	}
	return l, err
}

// addLaw adds the tenant's law to a claim, if the plan needs it.
func (s *Store) addLaw(ctx context.Context, p *plan.Plan, c *jobs.Claim) error {
	if c.Terms.Law != nil || !p.NeedsLaw {
		return nil
	}
	law, err := s.lawOf(ctx, p, c.TenantID)
	if err != nil {
		return err
	}
	c.Terms.Law = law
	return nil
}

// lawOf is the law of a tenant whose row may be gone: where no foreign key forbids
// it, the row can be deleted while clients, or rows that are kept of former ones,
// stay. So what a row says is remembered, if rows are kept by it, and applies from
// then on.
func (s *Store) lawOf(ctx context.Context, p *plan.Plan, tenant string) (*jobs.Law, error) {
	law, err := s.readLaw(ctx, p, tenant)
	if unknownTenant(err) {
		return s.lastLaw(ctx, tenant)
	}
	if err == nil && len(p.Sweeps) > 0 && p.Law.SQL != "" {
		err = s.rememberLaw(ctx, tenant, law)
	}
	return law, err
}

func unknownTenant(err error) bool {
	e, ok := errors.AsType[*jobs.Error](err)
	return ok && e.Code == "unknown_tenant"
}

func (s *Store) rememberLaw(ctx context.Context, tenant string, law *jobs.Law) error {
	_, err := s.pool.Exec(ctx, `
		INSERT INTO oubli.tenant_laws AS l (tenant_id, country, fiscal_year_end, time_zone) VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant_id) DO UPDATE SET country = excluded.country, fiscal_year_end = excluded.fiscal_year_end,
		  time_zone = excluded.time_zone, read_at = now()
		WHERE (l.country, l.fiscal_year_end, l.time_zone) IS DISTINCT FROM (excluded.country, excluded.fiscal_year_end, excluded.time_zone)`,
		tenant, law.Country, law.FiscalYearEnd, law.TimeZone)
	return pgfault.Wrap("remember the tenant's law", err)
}

// lastLaw is the law that was remembered of a tenant or, from before anything was,
// that of the country that its last job names. Of a tenant about whom nothing is
// known, `otherwise` applies.
func (s *Store) lastLaw(ctx context.Context, tenant string) (*jobs.Law, error) {
	l := &jobs.Law{}
	err := s.pool.QueryRow(ctx, `
		SELECT coalesce(l.country, (SELECT country FROM oubli.jobs WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1), ''),
		  coalesce(l.fiscal_year_end, ''), coalesce(l.time_zone, ''),
		  (coalesce($2::timestamptz, now()) AT TIME ZONE coalesce(nullif(l.time_zone, ''), 'Etc/GMT+12'))::date
		FROM (SELECT) AS one LEFT JOIN oubli.tenant_laws AS l ON l.tenant_id = $1`, tenant, s.playedTime()).
		Scan(&l.Country, &l.FiscalYearEnd, &l.TimeZone, &l.Today.Time)
	return l, pgfault.Wrap("read the tenant's last law", err)
}

// readEarliestDay reads the day for a tenant whose time zone is unknown: one that
// has begun in every time zone.
func (s *Store) readEarliestDay(ctx context.Context, today *jobs.Date) error {
	return s.pool.QueryRow(ctx, "SELECT (coalesce($1::timestamptz, now()) AT TIME ZONE 'Etc/GMT+12')::date", s.playedTime()).Scan(&today.Time)
}

// playedTime is the time that a demo or a test plays; nil: the database's clock
// decides.
func (s *Store) playedTime() *time.Time {
	if s.opts.Today == nil {
		return nil
	}
	now := s.opts.Today()
	return &now
}

// timeZone is the zone that decides on what day something happened. Without
// one, it is the zone where days begin first: records are dated late and kept
// for too long rather than too short. POSIX counts "Etc" zones westwards.
func timeZone(law *jobs.Law) string {
	if law.TimeZone == "" {
		return "Etc/GMT-14"
	}
	return law.TimeZone
}

// activityZone is the zone in which activity is dated, if the time zone of its
// column does not say. Without one, it is the zone where days end last: a day that
// is the cutoff's anywhere still counts as activity.
func activityZone(law *jobs.Law) (any, error) {
	switch {
	case law == nil:
		return nil, errNoValue
	case law.TimeZone == "":
		return "Etc/GMT+12", nil
	}
	return law.TimeZone, nil
}

// term is a retention rule as it applies to one tenant.
type term struct {
	periods []erasuremap.Period
	end     erasuremap.FiscalYearEnd
	today   time.Time
}

// applicable is a retention of the map under a tenant's law. When the map or
// the tenant's row leaves it open, the error asks the operator: nothing is
// cleared by a guess.
func applicable(m *erasuremap.Map, name string, law *jobs.Law) (term, error) {
	t := term{today: law.Today.Time}
	for _, r := range m.Retention {
		if r.Name == name {
			t.periods = r.In(law.Country)
		}
	}
	if len(t.periods) == 0 {
		return t, &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator,
			Msg: fmt.Sprintf("retention %s of the map knows neither country %q nor an otherwise", name, law.Country)}
	}
	if erasuremap.NeedsFiscalYear(t.periods) {
		end, err := erasuremap.ParseFiscalYearEnd(law.FiscalYearEnd)
		if err != nil {
			return t, &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator,
				Msg: "the end of the tenant's fiscal year cannot be read: " + err.Error()}
		}
		t.end = end
	}
	return t, nil
}

func (t term) firstKept() time.Time { return erasuremap.FirstKept(t.periods, t.today, t.end) }

func (t term) lastDay(since time.Time) time.Time {
	return erasuremap.LastDay(t.periods, since, t.end)
}

// retention is the map's retention rules under a tenant's law. The law is nil
// where nothing is retained; then no statement asks for it.
type retention struct {
	m   *erasuremap.Map
	law *jobs.Law
}

func (r retention) value(a plan.Arg) (any, error) {
	switch {
	case r.law == nil:
		return nil, errNoValue
	case a.Kind == plan.ArgTimeZone:
		return timeZone(r.law), nil
	case a.Kind == plan.ArgFirstKept:
		t, err := r.rule(a.Text)
		if err != nil {
			return nil, err
		}
		return t.firstKept(), nil
	}
	return nil, errNoValue
}

// rule is the retention of this name as it applies to the tenant.
func (r retention) rule(name string) (term, error) { return applicable(r.m, name, r.law) }

// lastDay is the last day on which anything is kept of a client whose latest
// records, rule by rule, are of these days; nil when nothing is kept.
func (r retention) lastDay(rules []string, latest []*time.Time) (*jobs.Date, error) {
	var last *jobs.Date
	for i, since := range latest {
		if since == nil {
			continue
		}
		t, err := r.rule(rules[i])
		if err != nil {
			return nil, err
		}
		if day := t.lastDay(*since); last == nil || day.After(last.Time) {
			last = &jobs.Date{Time: day}
		}
	}
	return last, nil
}
