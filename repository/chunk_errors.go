package repository

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// errStalePlan says that the schema is no longer the one the plan is for.
var errStalePlan = errors.New("the schema has changed")

// needProfiles says that the tenant has no live profile in these slots.
type needProfiles struct{ slots []int }

func (*needProfiles) Error() string { return "more anonymous profiles are needed" }

// explain decides what an error of a chunk means. Before it returns an error that
// fails a client, it checks that the map covers the schema and that the plan is
// still made for it. SQLSTATE class 42 can come from a changed schema, from a
// right that the role lacks, or from these clients' rows alone, for example
// through a trigger that names a table which does not exist.
func (s *Store) explain(ctx context.Context, p *plan.Plan, err error) error {
	pg, _ := errors.AsType[*pgconn.PgError](err)
	ambiguous := pg != nil && (strings.HasPrefix(pg.Code, "42") || pg.Code == "26000" || pg.Code == "0A000")
	err = pgfault.Wrap("erase chunk", err)
	blamesClient := jobs.KindOf(err) == jobs.Invalid ||
		jobs.KindOf(err) == jobs.Internal && !errors.Is(err, jobs.ErrFenced) && !errors.Is(err, context.Canceled)
	if !blamesClient && !ambiguous {
		return err
	}
	now, uncovered := s.planOrError(s.cover(ctx, ambiguous))
	switch {
	case uncovered != nil:
		return uncovered
	case now.Fingerprint != p.Fingerprint:
		return errStalePlan
	case !ambiguous:
		return err
	}
	cause := errors.New(pgfault.Describe(pg))
	switch pg.Code {
	case "42501": // insufficient_privilege
		return &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator, Err: cause,
			Msg: "the workers' database role lacks a right: run oubli grants"}
	case "26000", "42P05": // invalid_sql_statement_name, duplicate_prepared_statement
		return &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator, Err: cause,
			Msg: "a pooler mixes up prepared statements: connect to PostgreSQL itself, or pool by session"}
	}
	return &jobs.Error{Kind: jobs.Invalid, Code: pg.Code, Msg: "erase chunk", Err: cause}
}
