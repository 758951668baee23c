package pgsession

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oubli/oubli/internal/pgfault"
)

// DB is a pool with the transactions that all control tables are read and written
// in. PostgreSQL ends a transaction that is idle for longer than Idle, because its
// process was stopped: other processes would wait for its locks.
type DB struct {
	*pgxpool.Pool
	Idle time.Duration
}

// OncePlanned is for [DB.TxBy] and transactions whose statements search the control
// tables by ids: they are planned once for a connection, and by the indexes even
// while the tables are small.
const OncePlanned = "; set local plan_cache_mode = 'force_generic_plan'; set local enable_seqscan = off"

// Tx runs f in a READ COMMITTED transaction. op names the operation in its errors.
func (db DB) Tx(ctx context.Context, op string, f func(pgx.Tx) error) error {
	return db.TxBy(ctx, op, db.Begin(), f)
}

// TxBy is Tx with these statements to begin it.
func (db DB) TxBy(ctx context.Context, op, begin string, f func(pgx.Tx) error) error {
	conn, err := db.Acquire(ctx)
	if err != nil {
		return pgfault.Acquire(op, err)
	}
	defer conn.Release()
	return pgfault.Wrap(op, pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{BeginQuery: begin}, f))
}

// Snapshot runs f in a read-only transaction whose statements share one snapshot.
func (db DB) Snapshot(ctx context.Context, op string, f func(pgx.Tx) error) error {
	return pgfault.Wrap(op, pgx.BeginTxFunc(ctx, db.Pool, pgx.TxOptions{BeginQuery: db.beginAt("repeatable read read only")}, f))
}

// Begin starts a READ COMMITTED transaction.
func (db DB) Begin() string { return db.beginAt("read committed") }

func (db DB) beginAt(level string) string {
	return "begin isolation level " + level + "; set local idle_in_transaction_session_timeout = '" + Milliseconds(db.Idle) + "'"
}

// Milliseconds is a duration as PostgreSQL's settings read it.
func Milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }

// StatementTimeout bounds each statement of a transaction with [Settings]. When one
// takes too long, the server ends it and the connection lives on.
const StatementTimeout = 2 * time.Minute

// SettingsSQL is for one transaction that changes the application's rows: $1 is the
// longest wait for a lock, $2 how long the transaction may be idle, and $3 the
// longest time of a statement. The process may be stopped in the middle, so idle
// transactions end and free their locks. Generic plans and no JIT: planning anew or
// compiling costs more than it gains here. The commit need not wait for the disk: a
// crash takes the record of the work back together with the work, and the commit
// that ends the task waits for all before it.
const SettingsSQL = `SELECT set_config('lock_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $2, true),
  set_config('statement_timeout', $3, true), set_config('plan_cache_mode', 'force_generic_plan', true), set_config('jit', 'off', true),
  set_config('synchronous_commit', 'off', true)`

// Settings are the values for [SettingsSQL].
func (db DB) Settings(lockTimeout time.Duration) []any {
	return []any{Milliseconds(lockTimeout), Milliseconds(db.Idle), Milliseconds(StatementTimeout)}
}

// LimitStatements bounds each further statement of a transaction by [StatementTimeout].
func LimitStatements(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "SELECT set_config('statement_timeout', $1, true)", Milliseconds(StatementTimeout))
	return err
}
