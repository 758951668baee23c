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

// explain decides what an error of a chunk means. It keeps the SQLSTATE of an
// answer, because its class does not prove whose fault it is: the worker finds
// that out by trying the clients one by one. Before it returns an error that
// fails a client, it checks that the map covers the schema and that the plan is
// still made for it. SQLSTATE class 42 can come from a changed schema, from a
// right that the role lacks, or from these clients' rows alone, for example
// through a trigger that names a table which does not exist.
func (s *Store) explain(ctx context.Context, p *plan.Plan, err error) error {
	pg := pgfault.Answered(err)
	ambiguous := pg != nil && (strings.HasPrefix(pg.Code, "42") || pg.Code == "26000" || pg.Code == "0A000")
	err = pgfault.Wrap("erase chunk", err)
	blamesClient := jobs.KindOf(err) == jobs.Invalid ||
		jobs.KindOf(err) == jobs.Internal && !errors.Is(err, jobs.ErrFenced) && !errors.Is(err, context.Canceled)
	if !blamesClient && !ambiguous {
		return withState(err, pg)
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
	if err := s.operatorsFault(ctx, p, pg); err != nil {
		return err
	}
	return &jobs.Error{Kind: jobs.Invalid, Code: pg.Code, Msg: "erase chunk", Err: errors.New(pgfault.Describe(pg)), State: pg.Code}
}

// withState adds the SQLSTATE of PostgreSQL's answer to an error.
func withState(err error, pg *pgconn.PgError) error {
	e, ok := errors.AsType[*jobs.Error](err)
	if !ok || pg == nil {
		return err
	}
	known := *e
	known.State = pg.Code
	return &known
}

// operatorsFault is an error that blocks the job, if only the operator can remove
// the cause; nil if rows can be the cause, for example through a trigger.
func (s *Store) operatorsFault(ctx context.Context, p *plan.Plan, pg *pgconn.PgError) error {
	cause := errors.New(pgfault.Describe(pg))
	switch {
	case pgfault.Raised(pg):
		return nil
	case pg.Code == "26000", pg.Code == "42P05": // invalid_sql_statement_name, duplicate_prepared_statement
		return &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator, Err: cause,
			Msg: "a pooler mixes up prepared statements: connect to PostgreSQL itself, or pool by session"}
	case pg.Code != "42501": // insufficient_privilege
		return nil
	}
	missing, err := s.missingRight(ctx, p)
	switch {
	case err != nil:
		return err
	case missing != "":
		return &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator, Err: cause,
			Msg: "the workers' database role lacks the right " + missing + ": run oubli grants"}
	case pg.Routine == "aclcheck_error" && pg.Where == "":
		// The plan's own statement lacks the right, not a function that it calls:
		// for example to call a function that the map names.
		return &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator, Err: cause,
			Msg: "the workers' database role lacks a right on something that the map's expressions use: run oubli grants"}
	}
	return nil
}
