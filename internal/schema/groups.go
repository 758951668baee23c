package schema

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/plan"
)

// groupTimeout bounds the look for the largest group under one unique index.
const groupTimeout = "5s"

// groupWarnings measures, for each unique index that keeps rows of erased clients
// apart, the largest group of rows: so many anonymous profiles are needed once all of
// its clients are erased. A table that cannot be counted in time is left out: a job
// counts its own clients before it begins.
func groupWarnings(ctx context.Context, conn *pgx.Conn, p *plan.Plan) []plan.Warning {
	var all []plan.Warning
	for _, st := range p.LargestGroups {
		n, err := largestGroup(ctx, conn, st)
		if err != nil || n <= p.Map.Profiles {
			continue
		}
		all = append(all, plan.Warning{
			Table: st.Table,
			Why: fmt.Sprintf("unique index %s keeps up to %d rows of different clients apart: "+
				"an erasure of all of them needs %d anonymous profiles, "+
				"and is blocked beyond profiles: %d", st.Index, n, n, p.Map.Profiles),
			Fix: fmt.Sprintf("profiles: %d, or erase: delete for the table", n),
		})
	}
	return all
}

func largestGroup(ctx context.Context, conn *pgx.Conn, st plan.Statement) (n int, err error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // it only reads
	if _, err := tx.Exec(ctx, "SELECT set_config('statement_timeout', $1, true)", groupTimeout); err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, st.SQL).Scan(&n)
	return n, err
}
