package pgsession

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/jobs"
)

// Versions of PostgreSQL, as server_version_num has them divided by 10,000.
const (
	OldestVersion = 14 // the oldest that this program works with
	NewestVersion = 18 // the newest that it was tested on
)

// Connect opens one connection, which [Prepare] configures.
func Connect(ctx context.Context, url, application string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, pgfault.Wrap("read database URL", err)
	}
	Prepare(cfg, application)
	return ConnectConfig(ctx, cfg)
}

// ConnectConfig opens one connection by a configuration of [Prepare].
func ConnectConfig(ctx context.Context, cfg *pgx.ConnConfig) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, pgfault.Wrap("connect to database", err)
	}
	if err := Set(ctx, conn); err != nil {
		_ = conn.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return conn, nil
}

// Prepare makes a configuration independent of what the role, the database and the
// URL say about encoding and formats. Of several hosts it takes the one that
// accepts writes, unless the URL asks for another. Whoever opens a connection with
// it calls [Set] on the connection.
func Prepare(cfg *pgx.ConnConfig, application string) {
	p := cfg.RuntimeParams
	if p["application_name"] == "" {
		p["application_name"] = application
	}
	// Poolers pass these on in the startup message. They refuse most others there.
	p["client_encoding"] = "UTF8" // pgx sends and reads UTF-8, whatever the database stores
	p["timezone"] = "UTC"
	p["datestyle"] = "ISO, MDY"
	p["standard_conforming_strings"] = "on" // a backslash in a literal is a backslash
	if len(cfg.Fallbacks) > 0 && cfg.ValidateConnect == nil && severalHosts(&cfg.Config) {
		cfg.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	// After a failover the old primary is a standby and answers 25006 for ever.
	// Closing the connection lets the next one find the new primary.
	next := cfg.OnPgError
	cfg.OnPgError = func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		return !takesNoWrites(err) && (next == nil || next(conn, err))
	}
}

// takesNoWrites reports whether the server itself refused a write. A trigger may
// raise the same SQLSTATE for one row.
func takesNoWrites(err *pgconn.PgError) bool {
	return err.Code == "25006" && (err.Routine == "PreventCommandIfReadOnly" || err.Routine == "PreventCommandDuringRecovery")
}

// severalHosts reports whether the URL names more than one server. A fallback can
// also be the same server without TLS.
func severalHosts(cfg *pgconn.Config) bool {
	for _, f := range cfg.Fallbacks {
		if f.Host != cfg.Host || f.Port != cfg.Port {
			return true
		}
	}
	return false
}

// setSQL sets what a role or a database may have set otherwise, and reads what
// cannot be set. It changes only what differs, so that a session of a pooler is
// left as it was where nothing differed. A server that does not know a setting has
// no value for it, and keeps none.
const setSQL = `
SELECT pg_catalog.current_setting('server_version_num')::int4,
  pg_catalog.current_setting('server_encoding'),
  pg_catalog.current_setting('client_encoding'),
  pg_catalog.current_setting('session_replication_role'),
  (SELECT pg_catalog.count(pg_catalog.set_config(wanted.name, wanted.value, false))
   FROM (VALUES
     ('intervalstyle', 'postgres'),
     ('bytea_output', 'hex'),
     ('extra_float_digits', '1'),
     ('transform_null_equals', 'off'),
     ('array_nulls', 'on'),
     ('xmloption', 'content'),
     ('default_transaction_isolation', 'read committed'),
     ('default_transaction_deferrable', 'off'),
     ('row_security', 'on'),
     ('jit', 'off'),
     ('plan_cache_mode', 'force_custom_plan'),
     ('statement_timeout', '0'),
     ('lock_timeout', '0'),
     ('idle_in_transaction_session_timeout', '0'),
     ('transaction_timeout', '0'),
     ('idle_session_timeout', '0')
   ) AS wanted(name, value)
   WHERE pg_catalog.current_setting(wanted.name, true) IS NOT NULL AND pg_catalog.current_setting(wanted.name, true) <> wanted.value)
 + (SELECT pg_catalog.count(pg_catalog.set_config('synchronous_commit', 'on', false))
    WHERE pg_catalog.current_setting('synchronous_commit') = 'off')
 + (SELECT pg_catalog.count(pg_catalog.set_config('track_counts', 'on', false)) -- only superusers may; see schema.ReadWritten
    FROM pg_catalog.pg_roles WHERE rolname = current_user AND rolsuper AND pg_catalog.current_setting('track_counts') = 'off')`

// Set sets what changes the meaning of statements or keeps them from running, and
// refuses a server on which that is not possible. Names without a schema are looked
// up in pg_catalog only, until [UsePath].
//
// A role's limits on time are meant for the requests of its application. Statements
// of oubli that must be limited set limits of their own. A mail must not report what
// a crash of the server can undo, so commits wait for the disk; chunks turn that off
// for themselves.
func Set(ctx context.Context, conn *pgx.Conn) error {
	var s server
	read := func() error {
		if err := pin(ctx, conn); err != nil {
			return err
		}
		return conn.QueryRow(ctx, setSQL, pgx.QueryExecModeSimpleProtocol).
			Scan(&s.version, &s.encoding, &s.clientEncoding, &s.replicationRole, &s.changed)
	}
	err := read()
	if pgfault.Is(err, "57014") { // the limit is so short that even this was too long
		if _, err = conn.Exec(ctx, "SET statement_timeout = 0", pgx.QueryExecModeSimpleProtocol); err == nil {
			err = read()
		}
	}
	if err != nil {
		return pgfault.Wrap("set up the database session", err)
	}
	return s.refuse()
}

// server is what a new connection has found.
type server struct {
	version                  int32 // server_version_num
	encoding, clientEncoding string
	replicationRole          string
	changed                  int64 // settings
}

func (s server) refuse() error {
	refused := func(code, format string, args ...any) error {
		return &jobs.Error{Kind: jobs.Conflict, Code: code, Msg: fmt.Sprintf(format, args...)}
	}
	switch {
	case s.version < OldestVersion*10_000:
		return refused("server_too_old", "the server runs PostgreSQL %s, and oubli needs %d or newer: upgrade the server",
			versionText(s.version), OldestVersion)
	case s.encoding == "SQL_ASCII":
		return refused("server_encoding", "the encoding of the database is SQL_ASCII, so that PostgreSQL does not know which characters "+
			"its bytes mean: copy it into a database with encoding UTF8 (pg_dump, createdb --encoding UTF8, pg_restore)")
	case s.clientEncoding != "UTF8":
		return refused("client_encoding", "client_encoding is %s although the connection asked for UTF8: "+
			"let the pooler between oubli and PostgreSQL pass client_encoding on", s.clientEncoding)
	case s.replicationRole == "replica":
		return refused("session_replication_role", "session_replication_role is replica for this role or database, so that triggers and "+
			"foreign keys are ignored: ALTER ROLE or ALTER DATABASE … RESET session_replication_role")
	}
	return nil
}

// versionText writes server_version_num as people write versions.
func versionText(n int32) string {
	if n < 100_000 { // 9.6.24 is 90624
		return fmt.Sprintf("%d.%d", n/10_000, n/100%100)
	}
	return fmt.Sprintf("%d.%d", n/10_000, n%10_000)
}

// Untested returns a sentence for a server that is newer than the newest version
// on which this program was tested, else an empty text.
func Untested(conn *pgx.Conn) string {
	var major int
	if _, err := fmt.Sscan(conn.PgConn().ParameterStatus("server_version"), &major); err != nil || major <= NewestVersion {
		return ""
	}
	return fmt.Sprintf("the server runs PostgreSQL %d, and this version of oubli was tested on %d to %d",
		major, OldestVersion, NewestVersion)
}
