package repository

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oubli/oubli/jobs"
)

// fault turns an error of PostgreSQL or of the way there into one that names
// the operation, the SQLSTATE, the table and the constraint, and no value:
// PostgreSQL quotes the offending value in messages and details.
func fault(op string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if errors.Is(err, jobs.ErrFenced) {
		return jobs.ErrFenced
	}
	if e, ok := errors.AsType[*jobs.Error](err); ok {
		return e
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return &jobs.Error{Kind: kindOf(pg.Code), Code: codeOf(pg), Msg: op, Err: errors.New(describe(pg))}
	}
	if _, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		return &jobs.Error{Kind: jobs.Invalid, Code: "bad_database_url", Msg: op + ": the database URL cannot be read"}
	}
	// Whatever is left comes from the network or from a context's deadline.
	return &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeUnavailable, Msg: op, Err: connectionTrouble(err)}
}

// connectionTrouble names trouble of the connection without its addresses and
// parameters.
func connectionTrouble(err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	default:
		if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
			return errors.New("cannot connect to PostgreSQL")
		}
		return fmt.Errorf("connection to PostgreSQL: %T", rootOf(err))
	}
}

func rootOf(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

func describe(pg *pgconn.PgError) string {
	s := "SQLSTATE " + pg.Code
	if pg.TableName != "" {
		s += " on " + pg.TableName
	}
	if pg.ConstraintName != "" {
		s += " " + pg.ConstraintName
	}
	return s
}

func codeOf(pg *pgconn.PgError) string {
	switch {
	case contention(pg.Code):
		return jobs.CodeContention
	case kindOf(pg.Code) == jobs.Unavailable:
		return jobs.CodeUnavailable
	case strings.HasPrefix(pg.Code, "42"):
		return jobs.CodeSchema
	}
	if pg.ConstraintName != "" {
		return pg.Code + ":" + pg.ConstraintName
	}
	return pg.Code
}

// contention: serialization_failure, deadlock_detected, lock_not_available.
func contention(code string) bool {
	return strings.HasPrefix(code, "40") || code == "55P03"
}

// kindOf sorts SQLSTATEs. Classes 08, 53, 57 and 58 are the infrastructure's
// trouble, 40 and 55P03 that of the moment, and 25P03 ends a transaction that
// idled because its process was stopped; all of it may work later.
func kindOf(code string) jobs.ErrorKind {
	switch code[:min(2, len(code))] {
	case "08", "40", "53", "57", "58":
		return jobs.Unavailable
	case "22", "23", "44", "P0":
		return jobs.Invalid
	case "42":
		return jobs.Conflict
	}
	if code == "55P03" || code == "25P03" {
		return jobs.Unavailable
	}
	return jobs.Internal
}

// is reports whether PostgreSQL ended a statement with this SQLSTATE.
func is(err error, code string) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == code
}
