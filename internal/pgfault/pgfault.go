// Package pgfault turns PostgreSQL's errors into those of package jobs. They
// keep the operation, the SQLSTATE, the table and the constraint, and no data:
// PostgreSQL quotes values of rows in messages and details.
package pgfault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oubli/oubli/jobs"
)

// Wrap turns an error of PostgreSQL or of the way there into one that names
// the operation, the SQLSTATE, the table and the constraint, and no value:
// PostgreSQL quotes the offending value in messages and details.
func Wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, jobs.ErrFenced) {
		return jobs.ErrFenced
	}
	if e, ok := errors.AsType[*jobs.Error](err); ok {
		return e
	}
	if errors.Is(err, context.Canceled) {
		// Never err itself: it can be joined with what PostgreSQL said.
		return fmt.Errorf("%s: %w", op, context.Canceled)
	}
	pg, answered := errors.AsType[*pgconn.PgError](err)
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		// A refused login is about this process, whatever its SQLSTATE's class.
		cause := fmt.Errorf("cannot connect to PostgreSQL: %s", broke(err))
		if answered {
			cause = fmt.Errorf("cannot connect to PostgreSQL: SQLSTATE %s", pg.Code)
		}
		return &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeUnavailable, Msg: op, Err: cause}
	}
	if answered {
		return &jobs.Error{Kind: Kind(pg.Code), Code: code(pg), Msg: op, Err: errors.New(Describe(pg))}
	}
	if _, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		return &jobs.Error{Kind: jobs.Invalid, Code: "bad_database_url", Msg: op + ": the database URL cannot be read"}
	}
	if ours(err) {
		return &jobs.Error{Kind: jobs.Internal, Code: "internal", Msg: op, Err: fmt.Errorf("%T", rootOf(err))}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		// Not CodeTimeout: it leaves open what the server did.
		return &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeUnavailable, Msg: op, Err: context.DeadlineExceeded}
	}
	// Whatever is left comes from the network; its text can hold addresses.
	return &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeUnavailable, Msg: op, Err: fmt.Errorf("connection to PostgreSQL: %s", broke(err))}
}

// broke says in which way a connection broke or never came to be, without the
// text of the error.
func broke(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return "no such host"
	}
	if slow, ok := errors.AsType[net.Error](err); ok && slow.Timeout() {
		return "no answer in time"
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed by the server"
	case errors.Is(err, net.ErrClosed):
		return "closed"
	}
	return fmt.Sprintf("broken (%T)", rootOf(err))
}

// ours reports whether the program misread an answer, which no waiting mends.
func ours(err error) bool {
	_, scan := errors.AsType[pgx.ScanArgError](err)
	_, syntax := errors.AsType[*json.SyntaxError](err)
	_, kind := errors.AsType[*json.UnmarshalTypeError](err)
	return scan || syntax || kind || errors.Is(err, pgx.ErrNoRows) || errors.Is(err, pgx.ErrTooManyRows)
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

// Describe names the SQLSTATE, the table and the constraint of an error, and
// nothing else of it.
func Describe(pg *pgconn.PgError) string {
	s := "SQLSTATE " + pg.Code
	if pg.TableName != "" {
		s += " on " + pg.TableName
	}
	if pg.ConstraintName != "" {
		s += " " + pg.ConstraintName
	}
	return s
}

func code(pg *pgconn.PgError) string {
	switch {
	case contention(pg.Code):
		return jobs.CodeContention
	case pg.Code == "57014": // query_canceled: by statement_timeout, or by hand
		return jobs.CodeTimeout
	case Kind(pg.Code) == jobs.Unavailable:
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

// Kind sorts SQLSTATEs. Classes 08, 53, 57 and 58 are the infrastructure's
// trouble, 40 and 55P03 that of the moment, and of class 25 there are 25006,
// which a server answers that has become a standby, and 25P03, which ends a
// transaction that idled because its process was stopped; all of it may work
// later.
func Kind(code string) jobs.ErrorKind {
	switch code[:min(2, len(code))] {
	case "08", "25", "40", "53", "57", "58":
		return jobs.Unavailable
	case "22", "23", "44", "P0":
		return jobs.Invalid
	case "42":
		return jobs.Conflict
	}
	if code == "55P03" {
		return jobs.Unavailable
	}
	return jobs.Internal
}

// Is reports whether PostgreSQL ended a statement with this SQLSTATE.
func Is(err error, state string) bool {
	return err != nil && State(err) == state
}

// State is the SQLSTATE of an error; empty when PostgreSQL did not answer.
func State(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}
