package repository

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// profileLimit says that a tenant would need more profiles than the map allows.
type profileLimit struct {
	by     plan.Statement // counts the profiles that a unique index asks for
	wanted int
}

func (*profileLimit) Error() string { return "more anonymous profiles are needed than the map allows" }

// countProfiles counts, before the first chunk of an erasure, how many profiles its
// clients need. If the map allows fewer, the job is blocked before it has changed
// anything. A small job hardly can, and is not counted. Batches that run side by side use different profiles and may need more
// together: makeProfiles keeps the limit too.
func (s *Store) countProfiles(ctx context.Context, p *plan.Plan, c *jobs.Claim) error {
	if c.Terms.ProfilesCounted || c.Kind != jobs.BatchTask || len(p.CountJobProfiles) == 0 || c.Terms.Requested*2 <= p.Map.Profiles {
		return nil
	}
	var most int
	var by plan.Statement
	var cause error // before its SQLSTATE is wrapped
	err := s.tx(ctx, "count profiles", func(tx pgx.Tx) (err error) {
		defer func() { cause = err }()
		if err := pgsession.LimitStatements(ctx, tx); err != nil {
			return err
		}
		live, err := liveProfiles(ctx, tx, p, c.TenantID)
		if err != nil {
			return err
		}
		all := jobProfileParams{profileCountParams{forClients(p, c.TenantID, nil), allKeys(live)}, c.JobID}
		if most, by, err = mostProfiles(ctx, tx, p.CountJobProfiles, all); err != nil || most > p.Map.Profiles {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE oubli.jobs SET profiles_counted_at = now() WHERE id = $1", c.JobID)
		return err
	})
	switch {
	case pgfault.Is(cause, "57014"): // query_canceled: it takes too long, and makeProfiles keeps the limit
	case cause != nil:
		return s.explain(ctx, p, cause)
	case err != nil:
		return err
	case most > p.Map.Profiles:
		return s.explainLimit(ctx, p, &profileLimit{by, most})
	}
	c.Terms.ProfilesCounted = true
	return nil
}

// explainLimit blocks the job, unless the map was edited meanwhile: then the plan is
// stale.
func (s *Store) explainLimit(ctx context.Context, p *plan.Plan, l *profileLimit) error {
	if edited, err := s.readEdited(ctx); err == nil && edited {
		return errStalePlan
	}
	why := "rows of different clients"
	if l.by.Table != "" {
		why = fmt.Sprintf("the rows of %s that unique index %s", l.by.Table, l.by.Index)
	}
	return &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator, Msg: fmt.Sprintf(
		"%s keeps apart need %d anonymous profiles, and the map allows a tenant %d: "+
			"write profiles: %d or more in %s, or erase: delete for the table",
		why, l.wanted, p.Map.Profiles, l.wanted, p.Map.Client.Pos.File)}
}

func allKeys(profiles map[int]string) []string {
	keys := []string{}
	for _, key := range profiles {
		keys = append(keys, key)
	}
	return keys
}

// adoptProfiles compares the profiles of a tenant that an earlier version made with
// what client.anonymous says, and records what they hold.
func adoptProfiles(ctx context.Context, tx pgx.Tx, p *plan.Plan, c *jobs.Claim) error {
	if p.AdoptProfiles.SQL == "" {
		return nil
	}
	args, err := bind(forProfile(p, c, 0), p.AdoptProfiles)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, p.AdoptProfiles.SQL, args...)
	return err
}
