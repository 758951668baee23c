package pgsession

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oubli/oubli/jobs"
)

func TestAServerThatIsTooOldIsRefusedByItsVersion(t *testing.T) {
	t.Parallel()
	fine := server{version: 140_000, encoding: "UTF8", clientEncoding: "UTF8", replicationRole: "origin"}
	if err := fine.refuse(); err != nil {
		t.Errorf("PostgreSQL 14.0: %v", err)
	}
	for version, text := range map[int32]string{130_014: "13.14", 90_624: "9.6", 100_023: "10.23"} {
		old := fine
		old.version = version
		err := old.refuse()
		if codeOf(err) != "server_too_old" || !strings.Contains(err.Error(), "PostgreSQL "+text+",") {
			t.Errorf("%d: got %v", version, err)
		}
	}
}

// A pooler may drop client_encoding from the startup message.
func TestASessionThatDoesNotSpeakUTF8IsRefused(t *testing.T) {
	t.Parallel()
	err := server{version: 150_000, encoding: "LATIN1", clientEncoding: "LATIN1", replicationRole: "origin"}.refuse()
	if codeOf(err) != "client_encoding" {
		t.Errorf("got %v", err)
	}
}

func codeOf(err error) string {
	e, _ := errors.AsType[*jobs.Error](err)
	if e == nil {
		return ""
	}
	return e.Code
}

// A trigger may raise any SQLSTATE for one row. The connection must live on then.
func TestOnlyTheServersOwnRefusalOfAWriteClosesAConnection(t *testing.T) {
	t.Parallel()
	for routine, want := range map[string]bool{
		"PreventCommandIfReadOnly": true, "PreventCommandDuringRecovery": true, "exec_stmt_raise": false, "": false,
	} {
		if got := takesNoWrites(&pgconn.PgError{Code: "25006", Routine: routine}); got != want {
			t.Errorf("25006 from %q: closes the connection: %t, want %t", routine, got, want)
		}
	}
}
