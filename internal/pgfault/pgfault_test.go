package pgfault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/jobs"
)

// An error that neither PostgreSQL nor the connection caused is a fault of this
// program, and its message names the Go type but not the text.
func TestAnUnknownErrorIsAFaultOfThisProgramAndNotOfTheConnection(t *testing.T) {
	t.Parallel()
	secret := errors.New("anna@private.example")
	var number int
	scan := json.Unmarshal([]byte(`"anna@private.example"`), &number)
	dial := &net.OpError{
		Op:   "dial",
		Net:  "tcp",
		Addr: &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3)},
		Err:  os.NewSyscallError("connect", syscall.ECONNREFUSED),
	}
	for _, c := range []struct {
		err  error
		kind jobs.ErrorKind
		text string
	}{
		{secret, jobs.Internal, "erase: fault of this program (*errors.errorString)"},
		{fmt.Errorf("bind anna: %w", secret), jobs.Internal, "erase: fault of this program (*fmt.wrapError of *errors.errorString)"},
		{errors.Join(secret, secret), jobs.Internal, "erase: fault of this program (*errors.joinError)"},
		{scan, jobs.Internal, "erase: fault of this program (*json.UnmarshalTypeError)"},
		{fmt.Errorf("read anna: %w", pgx.ErrNoRows), jobs.Internal, "erase: fault of this program (no rows in result set)"},
		{pgx.ErrTxCommitRollback, jobs.Internal, "erase: fault of this program (commit unexpectedly resulted in rollback)"},
		{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), jobs.Unavailable, "erase: connection to PostgreSQL: closed by the server"},
		{net.ErrClosed, jobs.Unavailable, "erase: connection to PostgreSQL: closed"},
		{io.ErrClosedPipe, jobs.Unavailable, "erase: connection to PostgreSQL: broken (*errors.errorString)"},
		{dial, jobs.Unavailable, "erase: connection to PostgreSQL: connection refused"},
		{fmt.Errorf("query: %w", context.DeadlineExceeded), jobs.Unavailable, "erase: context deadline exceeded"},
		{&pgconn.PgError{Code: "23514", ConstraintName: "keep", Routine: "ExecConstraints", Message: "anna"},
			jobs.Invalid, "erase: SQLSTATE 23514 keep"},
		{&pgconn.PgError{Code: "P0001", TableName: "anna", ConstraintName: "anna", Routine: "exec_stmt_raise"},
			jobs.Invalid, "erase: SQLSTATE P0001"},
		{&pgconn.PgError{Code: "23505", TableName: "anna", ConstraintName: "anna", Routine: "PLy_elog_impl"},
			jobs.Invalid, "erase: SQLSTATE 23505"},
	} {
		err := pgfault.Wrap("erase", c.err)
		if jobs.KindOf(err) != c.kind || err.Error() != c.text {
			t.Errorf("%T: got %s, %q; want %s, %q", c.err, jobs.KindOf(err), err, c.kind, c.text)
		}
	}
	if err := pgfault.Acquire("claim", secret); jobs.KindOf(err) != jobs.Unavailable || strings.Contains(err.Error(), "anna") {
		t.Errorf("no connection from the pool: got %s, %q", jobs.KindOf(err), err)
	}
}

// An error about an unreachable database says how the connection failed, but
// names neither the address nor the user.
func TestAFailedConnectionIsNamedWithoutAddressAndUser(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	open := func() string {
		_, err := pgx.Connect(t.Context(), "postgres://anna:secret@"+l.Addr().String()+"/booking?sslmode=disable")
		if err == nil {
			t.Fatal("opened")
		}
		err = pgfault.Wrap("open database", err)
		if text := err.Error(); strings.Contains(text, "127.0.0.1") || strings.Contains(text, "anna") || strings.Contains(text, "booking") {
			t.Errorf("names the address or the user: %s", text)
		}
		return err.Error()
	}
	if got, want := open(), "cannot connect to PostgreSQL: closed by the server"; !strings.HasSuffix(got, want) {
		// Some systems answer a close with unread data by a reset.
		if !strings.HasSuffix(got, "connection reset by peer") {
			t.Errorf("got %q, want … %s", got, want)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := open(), "cannot connect to PostgreSQL: connection refused"; !strings.HasSuffix(got, want) {
		t.Errorf("got %q, want … %s", got, want)
	}
}
