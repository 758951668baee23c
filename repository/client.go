package repository

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// never is later than every creation of a client: who is looked at by key is meant,
// whenever the client was created.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Client reads one client: its rows, table by table, and whether it can be erased.
// Nothing is locked, so that an erasure may decide otherwise later.
func (s *Store) Client(ctx context.Context, tenant, id string) (jobs.ClientDetail, error) {
	missing := &jobs.Error{Kind: jobs.Missing, Code: "not_found", Msg: "no such client"}
	p, err := s.covered(ctx)
	if err != nil {
		return jobs.ClientDetail{}, unavailableWithGaps(err)
	}
	if _, _, err := tenantFacts(ctx, s.pool, p, tenant); err != nil {
		if unknownTenant(err) { // or one that is spelled otherwise
			return jobs.ClientDetail{}, missing
		}
		return jobs.ClientDetail{}, pgfault.Wrap("find tenant", err)
	}
	var law *jobs.Law
	if p.NeedsLaw {
		law, err = s.readLaw(ctx, p, tenant)
		if unknownTenant(err) {
			law, err = s.lastLaw(ctx, tenant)
		}
		if err != nil {
			return jobs.ClientDetail{}, pgfault.Wrap("read the tenant's calendar", err)
		}
	}
	c := jobs.ClientDetail{Rows: map[string]int64{}}
	err = s.tx(ctx, "read client", func(tx pgx.Tx) error {
		k, err := readKeys(ctx, tx, p, tenant, id)
		if err != nil {
			return err
		}
		key, ok := k.key(id)
		if !ok {
			return missing
		}
		params := judgeParams{forClients(p, tenant, []string{key}), jobs.Terms{Listed: never, Law: law}, retention{p.Map, law}}
		if err := readNames(ctx, tx, p, params, &c); err != nil {
			if errors.Is(err, pgx.ErrNoRows) {
				return missing
			}
			return err
		}
		if err := judgeOne(ctx, tx, p, params, &c); err != nil {
			return err
		}
		return mayNotRead(countRows(ctx, tx, p, params, &c))
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return jobs.ClientDetail{}, missing // erased between two statements
	}
	return c, err
}

func readNames(ctx context.Context, tx pgx.Tx, p *plan.Plan, params judgeParams, c *jobs.ClientDetail) error {
	args, err := bind(params, p.Preview)
	if err != nil {
		return err
	}
	return tx.QueryRow(ctx, p.Preview.SQL, args...).Scan(&c.ClientID, &c.Name, &c.CreatedAt, &c.LastActivityAt)
}

// judgeOne asks the guards, as an erasure that a subject requests would.
func judgeOne(ctx context.Context, tx pgx.Tx, p *plan.Plan, params judgeParams, c *jobs.ClientDetail) error {
	args, err := bind(params, p.Guards)
	if err != nil {
		return err
	}
	rows, err := tx.Query(ctx, p.Guards.SQL, args...)
	if err != nil {
		return err
	}
	judged, err := readGuarded(rows)
	if err != nil {
		return err
	}
	g, there := judged[c.ClientID]
	if !there {
		return pgx.ErrNoRows
	}
	if c.Until, err = params.retention.lastDay(p.RetentionRules, g.kept); err != nil {
		return err
	}
	switch {
	case g.code != nil:
		c.Erasable, c.Code, c.Until = jobs.ErasableNever, *g.code, nil
	case c.Until != nil:
		c.Erasable, c.Code = jobs.ErasableLater, jobs.CodeRetained
	default:
		c.Erasable = jobs.ErasableNow
	}
	return nil
}

func countRows(ctx context.Context, tx pgx.Tx, p *plan.Plan, params judgeParams, c *jobs.ClientDetail) error {
	args, err := bind(params, p.Holdings)
	if err != nil {
		return err
	}
	rows, err := tx.Query(ctx, p.Holdings.SQL, args...)
	if err != nil {
		return err
	}
	var table string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&table, &n}, func() error { c.Rows[table] += n; return nil })
	return err
}

// mayNotRead says what to do when the API's role may not read a table of the map.
func mayNotRead(err error) error {
	if pgfault.Is(err, "42501") {
		return &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeOperator, Err: pgfault.Wrap("count rows", err),
			Msg: "the API's database role may not read a table of the map: run again what oubli grants prints"}
	}
	return err
}
