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
	path, err := pgsession.UsePath(ctx, conn, m.Client.Table.Schema, m.Client.Table.Relation)
	if err != nil {
		return nil, nil, nil, err
	}
	var cat *plan.Catalog
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
		cat, err = ReadCatalog(ctx, tx)
		return err
	})
	if err != nil {
		return nil, nil, nil, pgfault.Wrap("read catalog", err)
	}
	for _, o := range path.Open {
		cat.Open = append(cat.Open, plan.OpenSchema(o))
	}
	p, err := plan.Compile(m, cat)
	gaps, _ := errors.AsType[plan.Gaps](err)
	if p == nil {
		return nil, gaps, cat, nil
	}
	more, err := checkExpressions(ctx, conn, p)
	if err != nil {
		return nil, nil, nil, err
	}
	needs, err := findTriggerNeeds(ctx, conn, p, cat.Open)
	if err != nil {
		return nil, nil, nil, err
	}
	more = append(more, needs...)
	if len(gaps)+len(more) == 0 {
		if more, err = findReads(ctx, conn, p); err != nil {
			return nil, nil, nil, err
		}
	}
	if len(more) > 0 {
		p = p.Basics()
	}
	return p, append(gaps, more...), cat, nil
}

// Check is [Compile] with warnings in addition, for the command oubli check. It
// changes nothing in the database.
func Check(ctx context.Context, url string, m *erasuremap.Map) (*plan.Plan, plan.Gaps, []plan.Warning, error) {
	conn, err := pgsession.Connect(ctx, url, "oubli check")
	if err != nil {
		return nil, nil, nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	p, gaps, cat, err := Compile(ctx, conn, m)
	if err != nil {
		return nil, nil, nil, err
	}
	published, err := publicationWarnings(ctx, conn, m, cat)
	if err != nil {
		return nil, nil, nil, err
	}
	warnings := append(plan.Warnings(m, cat), published...)
	if p != nil {
		warnings = append(warnings, groupWarnings(ctx, conn, p)...)
	}
	if p != nil && p.Merge != nil {
		warnings = append(warnings, p.Merge.Warnings()...)
	}
	if why := pgsession.Untested(conn); why != "" {
		warnings = append(warnings, plan.Warning{Table: "server", Why: why, Fix: "update oubli, or try it on a copy first"})
	}
	slices.SortStableFunc(warnings, func(a, b plan.Warning) int { return strings.Compare(a.Table, b.Table) })
	return p, gaps, warnings, nil
}
