package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/internal/plan"
)

// trialTenants is for how many tenants a trial inserts anonymous profiles, each with
// two slots: a unique index may take the first and refuse the second.
const trialTenants = 2

// Try writes what the map says into the database, for two tenants, and rolls it back:
// anonymous profiles, and the rules of columns into rows that are there. What a
// CHECK, a NOT NULL, a domain, a unique index or a trigger refuses is a gap. Triggers
// run, and their effects in the database are rolled back too. What could not be
// tried, because a right is missing or somebody holds the rows, is a warning.
func Try(ctx context.Context, url string, p *plan.Plan) (plan.Gaps, []plan.Warning, error) {
	conn, err := pgsession.Connect(ctx, url, "oubli check")
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	client := p.Map.Client.Table
	if _, err := pgsession.UsePath(ctx, conn, client.Schema, client.Relation); err != nil {
		return nil, nil, err
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return nil, nil, pgfault.Wrap("try the map", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // nothing must stay
	t := trier{tx: tx, m: p.Map}
	if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '5s'"); err != nil {
		return nil, nil, pgfault.Wrap("try the map", err)
	}
	tenants, err := t.tenants(ctx, p)
	if err != nil {
		return nil, nil, pgfault.Wrap("read two tenants", err)
	}
	for _, trial := range p.Trials() {
		for _, tenant := range tenants {
			slots := 1
			if trial.Profile {
				slots = 2
			}
			for slot := range slots {
				if err := t.try(ctx, trial, tenant, slot+1); err != nil {
					return nil, nil, pgfault.Wrap("try "+trial.Name, err)
				}
			}
		}
	}
	return t.gaps, t.warnings, nil
}

// trier collects what PostgreSQL refuses.
type trier struct {
	tx       pgx.Tx
	m        *erasuremap.Map
	gaps     plan.Gaps
	warnings []plan.Warning
}

// tenant is one for which the map is tried.
type tenant struct{ id, locale string }

// tenants are two tenants; without tenants in the map, one without id. In an empty
// database there is none, and no profile can be inserted.
func (t *trier) tenants(ctx context.Context, p *plan.Plan) ([]tenant, error) {
	m := t.m.Tenant
	if m == nil {
		return []tenant{{locale: "en"}}, nil
	}
	locale := "'en'"
	if m.Locale != "" {
		locale = "coalesce(" + pgx.Identifier{m.Locale}.Sanitize() + "::text, 'en')"
	}
	table := pgx.Identifier{m.Table.Relation}
	if m.Table.Schema != "" {
		table = pgx.Identifier{m.Table.Schema, m.Table.Relation}
	}
	rows, err := t.tx.Query(ctx, fmt.Sprintf("SELECT %s::text, %s FROM %s ORDER BY 1 LIMIT %d",
		pgx.Identifier{m.Key}.Sanitize(), locale, table.Sanitize(), trialTenants))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (one tenant, err error) {
		err = row.Scan(&one.id, &one.locale)
		return one, err
	})
}

// try runs one trial under a savepoint.
func (t *trier) try(ctx context.Context, trial plan.Trial, of tenant, slot int) error {
	args := make([]any, len(trial.Args))
	for i, a := range trial.Args {
		switch a.Kind {
		case plan.ArgTenant:
			args[i] = of.id
		case plan.ArgSlot:
			args[i] = slot
		case plan.ArgLabel:
			args[i] = t.m.LabelText(a.Text, of.locale)
		case plan.ArgLiteral:
			args[i] = a.Text
		default:
			return fmt.Errorf("no value for parameter %s", a.Kind)
		}
	}
	save, err := t.tx.Begin(ctx)
	if err != nil {
		return err
	}
	_, err = save.Exec(ctx, trial.SQL, args...)
	if err == nil && trial.Profile {
		return save.Commit(ctx) // the second slot must fit beside the first
	}
	if rolled := save.Rollback(ctx); rolled != nil {
		return rolled
	}
	pg, answered := errors.AsType[*pgconn.PgError](err)
	switch {
	case err == nil:
		return nil
	case !answered:
		return err
	}
	switch pg.Code[:2] {
	case "42", "55", "57", "25", "40", "53":
		t.warn(trial, pg.Code)
		return nil
	}
	return t.refused(ctx, trial, pg)
}

// refused records a gap, once for each trial and constraint.
func (t *trier) refused(ctx context.Context, trial plan.Trial, pg *pgconn.PgError) error {
	columns := []string{pg.ColumnName}
	if pg.ConstraintName != "" {
		rows, err := t.tx.Query(ctx, `
			SELECT a.attname::text FROM (
			  SELECT conrelid AS rel, conkey AS keys, conname AS name FROM pg_constraint
			  UNION ALL
			  SELECT i.indrelid, i.indkey::int2[], c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid) AS known
			JOIN pg_attribute AS a ON a.attrelid = rel AND a.attnum = ANY(keys)
			WHERE name = $1 AND rel = to_regclass($2)`,
			pg.ConstraintName, pgx.Identifier{pg.SchemaName, pg.TableName}.Sanitize())
		if err != nil {
			return err
		}
		if columns, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return err
		}
	}
	g := trial.Refused(pg.Code, pg.ConstraintName, columns)
	if !slices.Contains(t.gaps, g) {
		t.gaps = append(t.gaps, g)
	}
	return nil
}

// warn says that something could not be tried.
func (t *trier) warn(trial plan.Trial, state string) {
	w := plan.Warning{
		Table: trial.Table,
		Why: fmt.Sprintf("%q could not be tried (SQLSTATE %s): whether CHECK, NOT NULL and domains take it is not known",
			trial.Name, state),
		Fix: "run oubli check under the workers' role, when nobody else holds the rows",
	}
	if !slices.Contains(t.warnings, w) {
		t.warnings = append(t.warnings, w)
	}
}
