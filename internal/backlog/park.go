package backlog

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/jobs"
)

// A pending task that is not due, or whose job is paused or blocked, is parked: it
// leaves the index that the dispatcher reads. Tasks whose time has come are taken
// out of parking by each round; those of a job that goes on by a trigger of the
// jobs' table, in the transaction that lets it go on.

// parkAtMost is how many tasks one statement parks or takes out of parking.
const parkAtMost = 2000

// UnparkDueSQL takes tasks out of parking whose time has come.
const UnparkDueSQL = `
UPDATE oubli.tasks SET parked = NULL WHERE id IN (
  SELECT t.id FROM oubli.tasks AS t WHERE t.state = 'pending' AND t.parked = 'time' AND t.run_at <= now()
  ORDER BY t.run_at LIMIT $1 FOR UPDATE SKIP LOCKED)`

func unparkDue(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, UnparkDueSQL, parkAtMost)
	return err
}

// parkLaterSQL parks tasks of tenants $2 that are not due.
const parkLaterSQL = `
UPDATE oubli.tasks SET parked = 'time' WHERE id IN (
  SELECT t.id FROM oubli.tasks AS t WHERE t.queue = $1 AND t.tenant_id = ANY($2) AND ` + Ready + ` AND t.run_at > now()
  LIMIT $3 FOR UPDATE SKIP LOCKED)`

// parkHeldSQL parks tasks of tenants $2 whose jobs are paused or blocked, the first
// $3 of each tenant. The jobs' rows are locked until the tasks are parked: a
// transaction that lets such a job continue waits, and then finds its tasks parked.
const parkHeldSQL = `
WITH few AS MATERIALIZED (
  SELECT head.id, head.job_id FROM unnest($2::text[]) AS of(tenant) CROSS JOIN LATERAL (
    SELECT t.id, t.job_id FROM oubli.tasks AS t
    WHERE t.queue = $1 AND ` + Ready + ` AND t.tenant_id = of.tenant ORDER BY t.run_at, t.id LIMIT $3) AS head),
held AS MATERIALIZED (
  SELECT j.id FROM oubli.jobs AS j WHERE j.id IN (SELECT job_id FROM few) AND j.state NOT IN ('scheduled', 'running')
  FOR SHARE SKIP LOCKED)
UPDATE oubli.tasks SET parked = 'job' WHERE id IN (
  SELECT t.id FROM oubli.tasks AS t WHERE t.id IN (SELECT few.id FROM few JOIN held ON held.id = few.job_id) AND ` + Ready + `
  FOR UPDATE SKIP LOCKED)`

// parkHeads parks tasks like those heads that cannot be dispatched, and says
// whether there were any.
func (r *round) parkHeads(ctx context.Context, q jobs.Queue, heads []head) (parked bool, err error) {
	var later, held []string
	for _, h := range heads {
		switch {
		case !h.due:
			later = append(later, h.tenant)
		case !h.runs:
			held = append(held, h.tenant)
		}
	}
	later, held = unique(later), unique(held)
	var n int64
	if len(later) > 0 {
		tag, err := r.tx.Exec(ctx, parkLaterSQL, q, later, parkAtMost)
		if err != nil {
			return false, err
		}
		n += tag.RowsAffected()
	}
	if len(held) > 0 {
		tag, err := r.tx.Exec(ctx, parkHeldSQL, q, held, 1+parkAtMost/len(held))
		if err != nil {
			return false, err
		}
		n += tag.RowsAffected()
	}
	return n > 0, nil
}

// unique drops repeats of neighbours: heads come tenant by tenant.
func unique(tenants []string) []string { return slices.Compact(tenants) }
