package pgfault_test

import (
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
)

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
