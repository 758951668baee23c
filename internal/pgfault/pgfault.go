// Package pgfault translates errors of PostgreSQL, and of the connection to it,
// into [jobs.Error]. The translation keeps the operation, the SQLSTATE, the table
// and the constraint. It drops the text, because PostgreSQL quotes values of rows
// in messages and details.
package pgfault

import (
	"cmp"
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

// Wrap translates an error and names the operation that it ended. Wrap of nil is
// nil. Errors that are translated already, and [jobs.ErrFenced], stay as they are.
// An error that neither PostgreSQL nor the connection caused is a fault of this
// program: its kind is Internal, and only its Go type is kept.
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
		// Do not wrap err itself: PostgreSQL's own error can be joined to it.
		return fmt.Errorf("%s: %w", op, context.Canceled)
	}
	pg, answered := errors.AsType[*pgconn.PgError](err)
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		// A login that the server refuses is never a client's fault, whatever the
		// SQLSTATE's class.
		cause := fmt.Errorf("cannot connect to PostgreSQL: %s", connectionFault(err))
		if answered {
			cause = fmt.Errorf("cannot connect to PostgreSQL: %s", refusedLogin(pg.Code))
		}
		return &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeUnavailable, Msg: op, Err: cause}
	}
	if answered {
		return &jobs.Error{Kind: Kind(pg.Code), Code: codeOf(pg), Msg: op, Err: errors.New(Describe(pg))}
	}
	if _, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		return &jobs.Error{Kind: jobs.Invalid, Code: "bad_database_url", Msg: op + ": " + unreadableURL(err)}
	}
	if misread(err) {
		return faultOfProgram(op, err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		// Not CodeTimeout: nobody knows what the server did.
		return &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeUnavailable, Msg: op, Err: context.DeadlineExceeded}
	}
	if !ofConnection(err) {
		return faultOfProgram(op, err)
	}
	// The error's own text can hold addresses.
	return &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeUnavailable, Msg: op,
		Err: fmt.Errorf("connection to PostgreSQL: %s", connectionFault(err))}
}

// Acquire is Wrap for an error of getting a connection from the pool. pgxpool
// reports some of them by text alone, so what Wrap does not know is Unavailable.
func Acquire(op string, err error) error {
	err = Wrap(op, err)
	if e, ok := errors.AsType[*jobs.Error](err); ok && e.Kind == jobs.Internal {
		return &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeUnavailable, Msg: op,
			Err: errors.New("no connection to PostgreSQL from the pool")}
	}
	return err
}

func faultOfProgram(op string, err error) error {
	return &jobs.Error{Kind: jobs.Internal, Code: "internal", Msg: op, Err: fmt.Errorf("fault of this program (%s)", typeOf(err))}
}

// ofConnection reports whether the connection caused an error. pgconn hides some
// of these behind types of its own, which it calls safe to retry or a timeout.
func ofConnection(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if _, ok := errors.AsType[syscall.Errno](err); ok {
		return true
	}
	for _, known := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed} {
		if errors.Is(err, known) {
			return true
		}
	}
	return pgconn.SafeToRetry(err) || pgconn.Timeout(err)
}

// connectionFault says how a connection failed, without the text of the error.
func connectionFault(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return "no such host"
	}
	if s := tlsFault(err); s != "" {
		return s
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
	return fmt.Sprintf("broken (%s)", typeOf(err))
}

// misread reports whether this program could not read an answer of the server.
// To try again does not help then.
func misread(err error) bool {
	_, scan := errors.AsType[pgx.ScanArgError](err)
	_, syntax := errors.AsType[*json.SyntaxError](err)
	_, kind := errors.AsType[*json.UnmarshalTypeError](err)
	return scan || syntax || kind || errors.Is(err, pgx.ErrNoRows) || errors.Is(err, pgx.ErrTooManyRows)
}

// fixed are errors of pgx whose text is constant, and so holds no value.
var fixed = []error{pgx.ErrNoRows, pgx.ErrTooManyRows, pgx.ErrTxClosed, pgx.ErrTxCommitRollback}

// typeOf names the Go type of an error and that of its root, or gives the text of
// a fixed error.
func typeOf(err error) string {
	for _, known := range fixed {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	outer, root := fmt.Sprintf("%T", err), fmt.Sprintf("%T", rootOf(err))
	if outer == root {
		return outer
	}
	return outer + " of " + root
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

// Describe names the SQLSTATE, the table and the constraint of an error. It
// quotes nothing else.
func Describe(pg *pgconn.PgError) string {
	s := "SQLSTATE " + pg.Code
	if pg.TableName != "" && namesAreReal(pg) {
		s += " on " + pg.TableName
	}
	if name := Constraint(pg); name != "" {
		s += " " + name
	}
	return s
}

// Constraint is the constraint that an error violates; empty without one.
func Constraint(pg *pgconn.PgError) string {
	if !namesAreReal(pg) {
		return ""
	}
	return pg.ConstraintName
}

// checkers are the functions of the server that report a violated constraint.
var checkers = map[string]bool{
	"_bt_check_unique":                     true,
	"check_exclusion_or_unique_constraint": true,
	"comparetup_index_btree":               true,
	"comparetup_index_btree_tiebreak":      true,
	"ExecConstraints":                      true,
	"ReportNotNullViolationError":          true,
	"ExecPartitionCheckEmitError":          true,
	"ExecEvalConstraintNotNull":            true,
	"ExecEvalConstraintCheck":              true,
	"domain_check_input":                   true,
	"ri_ReportViolation":                   true,
}

// namesAreReal reports whether the names in an error are names of tables and
// constraints. A function of the application may raise an error whose table and
// constraint are any text, such as the name of a client.
func namesAreReal(pg *pgconn.PgError) bool { return checkers[pg.Routine] }

func codeOf(pg *pgconn.PgError) string {
	switch {
	case Contention(pg):
		return jobs.CodeContention
	case pg.Code == "57014": // query_canceled: by statement_timeout, or by hand
		return jobs.CodeTimeout
	case Kind(pg.Code) == jobs.Unavailable:
		return jobs.CodeUnavailable
	case strings.HasPrefix(pg.Code, "42"):
		return jobs.CodeSchema
	}
	if name := Constraint(pg); name != "" {
		return pg.Code + ":" + name
	}
	return pg.Code
}

// Contention reports whether another session's lock or write caused an error:
// serialization_failure, deadlock_detected, lock_not_available. A function that
// raises such a state by itself says nothing about other sessions.
func Contention(pg *pgconn.PgError) bool {
	return (strings.HasPrefix(pg.Code, "40") || pg.Code == "55P03") && !Raised(pg)
}

// Raised reports whether a function of the application raised an error, with
// whatever SQLSTATE it chose. The place in the server's source tells.
func Raised(pg *pgconn.PgError) bool { return pg.Routine == "exec_stmt_raise" }

// Answered is PostgreSQL's answer to a statement, after which the connection lives
// on; nil for every other error.
func Answered(err error) *pgconn.PgError {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if _, login := errors.AsType[*pgconn.ConnectError](err); !ok || login {
		return nil
	}
	switch cmp.Or(pg.SeverityUnlocalized, pg.Severity) {
	case "FATAL", "PANIC":
		return nil
	}
	return pg
}

// Kind is the kind of an error with this SQLSTATE. Unavailable, which may work
// later, are: classes 08, 53, 57 and 58 (the infrastructure), class 40 and 55P03
// (locks of others), and class 25, of which two occur: 25006, when the server has
// become a standby, and 25P03, when a transaction idled because its process was
// stopped.
func Kind(state string) jobs.ErrorKind {
	switch state[:min(2, len(state))] {
	case "08", "25", "40", "53", "57", "58":
		return jobs.Unavailable
	case "22", "23", "44", "P0":
		return jobs.Invalid
	case "42":
		return jobs.Conflict
	}
	if state == "55P03" {
		return jobs.Unavailable
	}
	return jobs.Internal
}

// Is reports whether PostgreSQL ended a statement with this SQLSTATE.
func Is(err error, state string) bool {
	return err != nil && State(err) == state
}

// State is the SQLSTATE of an error, or empty when PostgreSQL did not answer.
func State(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}
