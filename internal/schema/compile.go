package schema

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/internal/plan"
)

// Compile makes a plan from a map and a database: it reads the catalog, lets
// PostgreSQL check the map's expressions, and records which other tables they read.
// With gaps, the plan has no statements that erase. Without a client table, there
// is no plan.
func Compile(ctx context.Context, conn *pgx.Conn, m *erasuremap.Map) (*plan.Plan, plan.Gaps, *plan.Catalog, error) {
	c, err := compile(ctx, conn, m)
	return c.plan, c.gaps, c.catalog, err
}

// compiled is what [Compile] makes, and the tables of which it could not see a
// sample.
type compiled struct {
	plan    *plan.Plan
	gaps    plan.Gaps
	catalog *plan.Catalog
	unread  []string
}

func compile(ctx context.Context, conn *pgx.Conn, m *erasuremap.Map) (compiled, error) {
	path, err := pgsession.UsePath(ctx, conn, m.Client.Table.Schema, m.Client.Table.Relation)
	if err != nil {
		return compiled{}, err
	}
	var cat *plan.Catalog
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
		cat, err = ReadCatalog(ctx, tx)
		return err
	})
	if err != nil {
		return compiled{}, pgfault.Wrap("read catalog", err)
	}
	for _, o := range path.Open {
		cat.Open = append(cat.Open, plan.OpenSchema(o))
	}
	p, err := plan.Compile(m, cat)
	gaps, _ := errors.AsType[plan.Gaps](err)
	c := compiled{plan: p, gaps: gaps, catalog: cat}
	if p == nil {
		return c, nil
	}
	more, err := checkExpressions(ctx, conn, p)
	if err != nil {
		return compiled{}, err
	}
	needs, err := findTriggerNeeds(ctx, conn, p, cat.Open)
	if err != nil {
		return compiled{}, err
	}
	more = append(more, needs...)
	if len(gaps)+len(more) == 0 {
		if more, err = findReads(ctx, conn, p); err != nil {
			return compiled{}, err
		}
		spelled, unread, err := checkSpellings(ctx, conn, p)
		if err != nil {
			return compiled{}, err
		}
		more, c.unread = append(more, spelled...), unread
	}
	if len(more) > 0 {
		c.plan = p.Basics()
	}
	c.gaps = append(gaps, more...)
	return c, nil
}

// Check is [Compile] with warnings in addition, for the command oubli check. It
// changes nothing in the database.
func Check(ctx context.Context, url string, m *erasuremap.Map) (*plan.Plan, plan.Gaps, []plan.Warning, error) {
	conn, err := pgsession.Connect(ctx, url, "oubli check")
	if err != nil {
		return nil, nil, nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	c, err := compile(ctx, conn, m)
	if err != nil {
		return nil, nil, nil, err
	}
	p := c.plan
	published, err := publicationWarnings(ctx, conn, m, c.catalog)
	if err != nil {
		return nil, nil, nil, err
	}
	warnings := append(plan.Warnings(m, c.catalog), published...)
	if p != nil {
		warnings = append(warnings, groupWarnings(ctx, conn, p)...)
	}
	for _, table := range c.unread {
		warnings = append(warnings, plan.Warning{Table: table, Why: "its rows could not be sampled, to see whether a discriminator " +
			"is spelled otherwise than where says", Fix: "look at the values yourself: SELECT …, count(*) FROM " + table + " GROUP BY 1"})
	}
	if p != nil && p.Merge != nil {
		warnings = append(warnings, p.Merge.Warnings()...)
	}
	if why := pgsession.Untested(conn); why != "" {
		warnings = append(warnings, plan.Warning{Table: "server", Why: why, Fix: "update oubli, or try it on a copy first"})
	}
	slices.SortStableFunc(warnings, func(a, b plan.Warning) int { return strings.Compare(a.Table, b.Table) })
	return p, c.gaps, warnings, nil
}
