package repository

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// lanesLock is the key of the advisory lock that keeps the number of lanes. Claims
// and chunks share it.
const lanesLock = "hashtextextended('oubli:lanes', 0)"

// changeLanesSQL changes the number of lanes unless a batch is running: its lane is
// one of the old number.
const changeLanesSQL = `
INSERT INTO oubli.lanes (lanes)
SELECT $1 WHERE NOT EXISTS (SELECT FROM oubli.tasks WHERE state = 'running' AND lane IS NOT NULL)
ON CONFLICT (one) DO UPDATE SET lanes = excluded.lanes`

// errOtherLanes says that the database has another number of lanes than this process
// is set to.
var errOtherLanes = errors.New("another number of lanes")

// changeLanes gives the database this process's number of lanes, when nobody works.
// All processes that work beside each other must mean the same profiles by a lane, so
// a process with another setting uses the number that there is.
func (s *Store) changeLanes(ctx context.Context) error {
	return s.tx(ctx, "change the number of lanes", func(tx pgx.Tx) error {
		var free bool
		if err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock("+lanesLock+")").Scan(&free); err != nil || !free {
			return err
		}
		_, err := tx.Exec(ctx, changeLanesSQL, s.opts.Lanes)
		return err
	})
}

// shareLanesSQL begins a transaction that claims a task. The lock comes first, in a
// statement of its own, so that the number of lanes cannot change any more when it is
// read.
const shareLanesSQL = "; SELECT pg_advisory_xact_lock_shared(" + lanesLock + ")"

// otherLanes reports whether the database has another number of lanes than this
// process is set to, or none yet.
func (s *Store) otherLanes(ctx context.Context, tx pgx.Tx) (other bool, err error) {
	err = tx.QueryRow(ctx, "SELECT NOT EXISTS (SELECT FROM oubli.lanes WHERE lanes = $1)", s.opts.Lanes).Scan(&other)
	return other, err
}
