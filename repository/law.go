package repository

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// law reads what decides for how long a tenant's records are kept, as the
// tenant's row says it now: a country that was mended counts from then on.
func (s *Store) law(ctx context.Context, p *plan.Plan, tenant string) (*jobs.Law, error) {
	now := s.opts.Today()
	if p.Law.SQL == "" {
		// Nobody says where the tenant is: its day has begun when it has begun
		// everywhere.
		return &jobs.Law{Today: jobs.Date{Time: day(now.In(time.FixedZone("", -12*60*60)))}}, nil
	}
	v := &values{claim: &jobs.Claim{TenantID: tenant}, m: p.Map, now: now}
	args, err := v.bind(p.Law)
	if err != nil {
		return nil, err
	}
	l := &jobs.Law{}
	err = s.pool.QueryRow(ctx, p.Law.SQL, args...).Scan(&l.Country, &l.FiscalYearEnd, &l.TimeZone, &l.Today.Time)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, &jobs.Error{Kind: jobs.Invalid, Code: "unknown_tenant", Msg: "no such tenant"}
	case is(err, "22023"): // invalid_parameter_value
		return nil, &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator, Msg: "the tenant's time zone is none that PostgreSQL knows"}
	}
	return l, err
}

// lawOf gives a claim the law of its tenant. A tenant who is gone has clients
// all the same where no foreign key says otherwise; then what was known when
// the job was accepted must do.
func (s *Store) lawOf(ctx context.Context, p *plan.Plan, c *jobs.Claim) error {
	if c.Terms.Law != nil || len(p.RetentionRules) == 0 {
		return nil
	}
	law, err := s.law(ctx, p, c.TenantID)
	if e, ok := errors.AsType[*jobs.Error](err); ok && e.Code == "unknown_tenant" {
		law, err = s.law(ctx, &plan.Plan{}, c.TenantID)
		law.Country = c.Terms.Country
	}
	if err != nil {
		return err
	}
	c.Terms.Law = law
	return nil
}

// day is a point in time as the day that its clock shows.
func day(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

// timeZone is where it is told on what day something was. Where nobody says,
// it was as late as it was anywhere on earth: kept for too long rather than too
// short. POSIX counts such zones westwards.
func timeZone(law *jobs.Law) string {
	if law.TimeZone == "" {
		return "Etc/GMT-14"
	}
	return law.TimeZone
}

// term is a retention as it applies to one tenant.
type term struct {
	periods []erasuremap.Period
	end     erasuremap.FiscalYearEnd
	today   time.Time
}

// applicable is what a retention of the map comes to under a tenant's law. A
// map or a tenant that leaves it open keeps everybody waiting: nothing is
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
			return t, &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator, Msg: "the end of the tenant's fiscal year cannot be read: " + err.Error()}
		}
		t.end = end
	}
	return t, nil
}

func (t term) firstKept() time.Time { return erasuremap.FirstKept(t.periods, t.today, t.end) }

func (t term) lastDay(since time.Time) time.Time {
	return erasuremap.LastDay(t.periods, since, t.end)
}

// lastDay is the last day on which anything is kept of a client whose latest
// records, rule by rule, are of these days; nil when nothing is.
func (v *values) lastDay(rules []string, latest []*time.Time) (*jobs.Date, error) {
	var last *jobs.Date
	for i, since := range latest {
		if since == nil {
			continue
		}
		t, err := applicable(v.m, rules[i], v.law)
		if err != nil {
			return nil, err
		}
		if day := t.lastDay(*since); last == nil || day.After(last.Time) {
			last = &jobs.Date{Time: day}
		}
	}
	return last, nil
}
