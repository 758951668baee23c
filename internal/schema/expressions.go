package schema

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
)

// checkExpressions lets PostgreSQL parse every expression of the map and
// evaluate every value, and then parse every statement of the plan. Only values
// are evaluated, and no table of the application is read. It must not run in a
// transaction, because the first error would abort it.
func checkExpressions(ctx context.Context, conn *pgx.Conn, p *plan.Plan) (plan.Gaps, error) {
	var gaps plan.Gaps
	for _, probe := range p.Probes() {
		if gap, calls := probe.CallsOpen(); calls {
			gaps = append(gaps, gap)
			continue
		}
		fits := true
		var err error
		if probe.Args == nil {
			_, err = conn.PgConn().Prepare(ctx, "", probe.SQL, nil)
		} else {
			err = conn.QueryRow(ctx, probe.SQL, append([]any{pgx.QueryExecModeExec}, toAny(probe.Args)...)...).Scan(nil, &fits)
		}
		pg, refused, err := refusal(err)
		switch {
		case err != nil:
			return nil, pgfault.Wrap("parse the map's expressions", err)
		case refused:
			gaps = append(gaps, probe.Refused(pg.Code, int(pg.Position)))
		case !fits:
			gaps = append(gaps, probe.TooLong())
		}
	}
	if len(gaps) > 0 {
		return gaps, nil
	}
	return checkStatements(ctx, conn, p)
}

// checkStatements finds faults that appear only in whole statements. As long as
// oubli migrate of this version has not run, statements that use schema oubli
// cannot be parsed, so they are left out. With a fault in a merge statement, merges
// are refused and erasures are not.
func checkStatements(ctx context.Context, conn *pgx.Conn, p *plan.Plan) (plan.Gaps, error) {
	var migrated bool
	const have = "SELECT to_regclass('oubli.former_values') IS NOT NULL"
	if err := conn.QueryRow(ctx, have).Scan(&migrated); err != nil {
		return nil, pgfault.Wrap("look for schema oubli", err)
	}
	refused := func(all []plan.Statement) (gaps plan.Gaps, err error) {
		for _, s := range all {
			if !migrated && strings.Contains(s.SQL, "oubli.") {
				continue
			}
			_, err := conn.PgConn().Prepare(ctx, "", s.SQL, nil)
			pg, refused, err := refusal(err)
			if err != nil {
				return nil, pgfault.Wrap("parse the plan", err)
			}
			if refused {
				gaps = append(gaps, p.Refused(s, pg.Code))
			}
		}
		return gaps, nil
	}
	gaps, err := refused(p.All())
	if err != nil || p.Merge == nil {
		return gaps, err
	}
	merging, err := refused(p.Merge.All())
	p.Merge.Refuse(merging)
	return gaps, err
}

// refusal reports whether PostgreSQL refused the expression itself. A right that
// the role lacks is ignored; any other error has nothing to do with the
// expression and is returned as other.
func refusal(err error) (pg *pgconn.PgError, refused bool, other error) {
	pg, answered := errors.AsType[*pgconn.PgError](err)
	switch {
	case err == nil, answered && pg.Code == "42501":
		return nil, false, nil
	case !answered:
		return nil, false, err
	}
	switch pg.Code[:min(2, len(pg.Code))] {
	case "0A", "22", "23", "3F", "42":
		return pg, true, nil
	}
	return nil, false, err
}

func toAny(list []string) []any {
	all := make([]any, len(list))
	for i, s := range list {
		all[i] = s
	}
	return all
}
