package repository

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/jobs"
)

const (
	// pendingLease is how long a process may write an object that it has announced:
	// longer than one call of a store takes.
	pendingLease = 15 * time.Second
	// mostPending is how many announced digests are kept while the ledger takes none.
	mostPending = 64
)

// epochSQL reads the epoch. A clock that was set back must not make others wait
// longer than for one write, so what is left of the lease is never more than that.
const epochSQL = `
SELECT database_id::text, sequence, digest, pending,
  CASE WHEN pending_until - clock_timestamp() <= $1::interval THEN pending_until - clock_timestamp() ELSE '0' END,
  clock_timestamp(), oubli.server(), wrote_on, restored
FROM oubli.epoch`

func readEpoch(ctx context.Context, q querier, lock string) (e jobs.Epoch, err error) {
	var left *time.Duration
	err = q.QueryRow(ctx, epochSQL+lock, pendingLease).
		Scan(&e.DatabaseID, &e.Sequence, &e.Digest, &e.Pending, &left, &e.Now, &e.System, &e.WroteOn, &e.Restored)
	if left != nil {
		e.PendingFor = *left
	}
	return e, err
}

// Epoch reads how far the database knows its ledger.
func (s *Store) Epoch(ctx context.Context) (jobs.Epoch, error) {
	e, err := readEpoch(ctx, s.pool, "")
	return e, pgfault.Acquire("read epoch", err)
}

const announceSQL = `
UPDATE oubli.epoch SET pending = pending[greatest(1, cardinality(pending) + 2 - $1::int):] || $2::bytea,
  pending_until = clock_timestamp() + $3::interval, wrote_on = $4`

// ReserveObject announces the digest of the object that is to follow the epoch. seal
// makes the object while nobody else can announce one. The commit waits for the disk:
// an object in the ledger that the database does not know means that the database was
// restored.
//
// While another object is announced it announces nothing, unless these are exactly
// the digests in instead: then those objects were looked for and are not there. They
// stay announced, because they may still appear.
func (s *Store) ReserveObject(ctx context.Context, instead [][]byte, seal func(jobs.Epoch) ([]byte, error)) (
	e jobs.Epoch, reserved bool, err error,
) {
	err = s.tx(ctx, "announce ledger object", func(tx pgx.Tx) error {
		if e, err = readEpoch(ctx, tx, " FOR UPDATE"); err != nil {
			return err
		}
		if e.Restored != "" || !slices.EqualFunc(e.Pending, instead, bytes.Equal) {
			return nil
		}
		digest, err := seal(e)
		if err != nil {
			return err
		}
		reserved = true
		e.Pending = append(e.Pending, digest)
		_, err = tx.Exec(ctx, announceSQL, mostPending, digest, pendingLease, e.System)
		return err
	})
	return e, reserved && err == nil, err
}

const advanceSQL = `
WITH epoch AS (
  UPDATE oubli.epoch SET sequence = $1, digest = $2, pending = '{}', pending_until = NULL
  WHERE sequence = $1 - 1 AND $2 = ANY(pending) RETURNING 1)
INSERT INTO oubli.ledger_objects (sequence, digest, intents, outcomes, keys, bytes)
SELECT $1, $2, $3, $4, $5, $6 FROM epoch`

// knownObjectSQL is for an object that another process has found in the ledger and
// recorded. That process could not read what is in it.
const knownObjectSQL = `
UPDATE oubli.ledger_objects SET intents = coalesce($3, intents), outcomes = coalesce($4, outcomes), keys = coalesce($5, keys)
WHERE sequence = $1 AND digest = $2`

// AdvanceEpoch records an object that is in the ledger and was announced. It reports
// false if this database has never announced it: then it is older than that.
//
// The commit does not wait for the disk. If a crash of the server takes it back, the
// object is an announced one again, and the next process finds it in the ledger.
func (s *Store) AdvanceEpoch(ctx context.Context, o jobs.LedgerObject) (known bool, err error) {
	args := []any{o.Sequence, o.Digest, nil, nil, nil}
	if o.Intents+o.Outcomes > 0 {
		args = []any{o.Sequence, o.Digest, o.Intents, o.Outcomes, o.Keys}
	}
	err = s.db.TxBy(ctx, "advance epoch", s.db.Begin()+"; set local synchronous_commit = 'off'", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, advanceSQL, append(args, o.Bytes)...)
		if err == nil && tag.RowsAffected() == 0 {
			tag, err = tx.Exec(ctx, knownObjectSQL, args...)
		}
		known = tag.RowsAffected() > 0
		return err
	})
	return known && err == nil, err
}

// MarkRestored tells other processes why the database counts as restored; "" that it
// does not.
func (s *Store) MarkRestored(ctx context.Context, why string) error {
	_, err := s.pool.Exec(ctx, "UPDATE oubli.epoch SET restored = $1 WHERE restored <> $1", why)
	return pgfault.Wrap("mark database as restored", err)
}
