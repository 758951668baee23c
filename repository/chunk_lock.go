package repository

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// tenantLock is the key of the advisory lock that keeps merges and second looks
// of a tenant apart from everything else: batches share it, the others hold it
// alone.
const tenantLock = "hashtextextended('oubli:tenant:' || $1::text, 0)"

// lockTenantSQL takes the tenant's lock alone.
const lockTenantSQL = "SELECT pg_advisory_xact_lock(" + tenantLock + ")"

// lockLaneSQL shares the tenant's lock and takes the lane's alone. A claim
// chooses a lane that no running task has, by the map as it is then and by the
// rows of tasks. This lock holds whatever they say: no two transactions use the
// profiles of one lane at the same time.
//
// It also keeps the number of lanes as it is.
const lockLaneSQL = "SELECT pg_advisory_xact_lock_shared(" + lanesLock + "), pg_advisory_xact_lock_shared(" + tenantLock + "), " +
	"pg_advisory_xact_lock(hashtextextended('oubli:lane:' || $2::int || ':' || $1::text, 0))"

// fenceSQL locks the task's row if the task is still the caller's and stands
// where the caller believes, and says whether its job is to go on. A crash of
// the server can take the last chunks back: then the position differs or, after
// chunks that only deferred clients, the next client.
const fenceSQL = `
SELECT j.state = 'running'
FROM oubli.tasks AS t JOIN oubli.jobs AS j ON j.id = t.job_id
WHERE t.id = $1 AND t.attempt = $2 AND t.state = 'running' AND t.position = $3 AND t.keys[$3 + 1] IS NOT DISTINCT FROM $4
FOR UPDATE OF t`

// queueLocks begins the transaction of a chunk: settings, the fence, the
// tenant's and the lane's lock, and the clients' locks. A merge may write any of
// the tenant's rows, so it takes the tenant's lock alone, and has no lane.
func (s *Store) queueLocks(b *pgx.Batch, ch chunk) error {
	b.Queue("begin isolation level read committed")
	b.Queue(pgsession.SettingsSQL, s.db.Settings(s.opts.LockTimeout)...)
	b.Queue(s.fence, ch.claim.TaskID, ch.claim.Attempt, ch.claim.Position, nextKey(ch.claim))
	clients := ch.clients(ch.keys)
	if ch.claim.Kind == jobs.MergeTask {
		b.Queue(lockTenantSQL, clients.owner)
	} else {
		b.Queue(lockLaneSQL, clients.owner, ch.claim.Lane)
	}
	return queue(b, clients, append([]plan.Statement{ch.plan.LockClients}, ch.plan.LockParents...)...)
}

// locked holds the clients whose rows are locked, with the values of their owned
// columns.
type locked map[string][]*string

// readLocks says whether the task may go on, and which clients are locked.
func readLocks(results pgx.BatchResults, ch chunk) (locked, error) {
	for range 2 { // begin, settings
		if _, err := results.Exec(); err != nil {
			return nil, err
		}
	}
	var goOn bool
	err := results.QueryRow().Scan(&goOn)
	if err := passFence(err, goOn); err != nil {
		return nil, err
	}
	if _, err := results.Exec(); err != nil { // the tenant's lock, and the lane's
		return nil, err
	}
	all, err := readLocked(results, ch.plan.OwnedColumns)
	if err != nil {
		return nil, err
	}
	for range ch.plan.LockParents {
		if _, err := results.Exec(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// readLocked reads locked clients, with these columns of their rows.
func readLocked(results pgx.BatchResults, owned []string) (locked, error) {
	rows, err := results.Query()
	if err != nil {
		return nil, err
	}
	all := locked{}
	for rows.Next() {
		var key string
		links := make([]*string, len(owned))
		into := []any{&key}
		for i := range links {
			into = append(into, &links[i])
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		all[key] = links
	}
	return all, rows.Err()
}

// lockTask passes the fence in an open transaction.
func (s *Store) lockTask(ctx context.Context, conn *pgx.Conn, c *jobs.Claim) error {
	var goOn bool
	err := conn.QueryRow(ctx, s.fence, c.TaskID, c.Attempt, c.Position, nextKey(c)).Scan(&goOn)
	return passFence(err, goOn)
}

// passFence turns the fence's answer into an error.
func passFence(err error, goOn bool) error {
	if errors.Is(err, pgx.ErrNoRows) || err == nil && !goOn {
		return jobs.ErrFenced
	}
	return err
}

// nextKey is the key of the batch's next client; nil at the end.
func nextKey(c *jobs.Claim) *string {
	if c.Position == len(c.Keys) {
		return nil
	}
	return &c.Keys[c.Position]
}
