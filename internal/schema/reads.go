package schema

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
)

// findReads records in the plan which other tables the map's expressions read;
// oubli grants needs them. If row security hides rows of such a table from this
// role, it returns a gap, because a guard would not see the hidden rows.
//
// PostgreSQL locks every table of a statement that it parses. So each expression
// is parsed in a transaction of its own, and the tables that are locked at its end
// are those that it reads. For a view this includes the view's tables, although the
// role needs no right on them. Tables that only a function reads are not found.
func findReads(ctx context.Context, conn *pgx.Conn, p *plan.Plan) (plan.Gaps, error) {
	var gaps plan.Gaps
	for _, probe := range p.Probes() {
		if probe.Args != nil {
			continue
		}
		tables, err := tablesRead(ctx, conn, probe.SQL)
		if err != nil {
			return nil, pgfault.Wrap("find what the map's expressions read", err)
		}
		for _, t := range tables {
			p.NoteReads(probe, t.Name)
			if t.hidden {
				gaps = append(gaps, probe.ReadsHidden(t.Name))
			}
		}
	}
	return gaps, nil
}

// tableRead is a relation that an expression reads.
type tableRead struct {
	erasuremap.Name
	hidden bool // row security may hide some of its rows from this role
}

const lockedSQL = `
SELECT n.nspname, c.relname, c.relkind IN ('r', 'p') AND row_security_active(c.oid) FROM pg_locks AS l
JOIN pg_class AS c ON c.oid = l.relation JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'oubli')
ORDER BY 1, 2`

// tablesRead lists the relations that a statement names, its own table included.
func tablesRead(ctx context.Context, conn *pgx.Conn, sql string) ([]tableRead, error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // nothing was changed
	if _, err := conn.PgConn().Prepare(ctx, "", sql, nil); err != nil {
		_, _, err := refusal(err) // ignore a missing right, which refusal does not return
		return nil, err
	}
	rows, err := tx.Query(ctx, lockedSQL)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (t tableRead, err error) {
		err = row.Scan(&t.Schema, &t.Relation, &t.hidden)
		return t, err
	})
}
