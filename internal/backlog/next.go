package backlog

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/jobs"
)

// NextBatchOfTenantSQL finds the next batch of tenant $1: none while a hint waits
// for a worker, or a merge waits for a hint. Where $2 is the profile owner of all
// tenants, the merge may be anybody's.
const NextBatchOfTenantSQL = `
SELECT t.id::text FROM (
  (SELECT t.id, 1 AS place FROM oubli.tasks AS t WHERE t.queue = 'interactive' AND ` + ofTenant + ` ORDER BY t.run_at, t.id LIMIT 1)
  UNION ALL
  (SELECT t.id, 2 FROM oubli.tasks AS t WHERE t.queue = 'bulk' AND ` + ofTenant + ` ORDER BY t.run_at, t.id LIMIT 1)) AS t
WHERE NOT EXISTS (SELECT FROM oubli.tasks WHERE state = 'pending' AND dispatched_at IS NOT NULL)
  AND NOT EXISTS (SELECT FROM oubli.tasks AS t WHERE t.kind = 'merge' AND ` + Ready + ` AND t.run_at <= now()
    AND coalesce($2, t.tenant_id) = coalesce($2, $1) AND ` + Runnable + `)
ORDER BY t.place LIMIT 1`

const ofTenant = Ready + ` AND t.tenant_id = $1 AND t.kind = 'batch' AND t.run_at <= now() AND ` + Runnable

// Next finds the next batch of the same tenant for a worker that has no hint; ""
// without one. It finds none while a hint waits for a free worker, because then the
// queues' weights decide, or while a merge of the tenant waits to be dispatched.
func (b *Backlog) Next(ctx context.Context, tenantID string) (id string, err error) {
	err = b.tx(ctx, "find next batch", func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, NextBatchOfTenantSQL, tenantID, b.o.SharedOwner()).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	return id, pgfault.Wrap("find next batch", err)
}

// WithoutHintSQL lists what a worker can claim that gets no hints: tasks whose hints
// wait in Redis, which are never more than the windows; merges, which need no lane;
// and the next batches of tenant $1.
const WithoutHintSQL = `
SELECT head.queue, 0, head.tenant_id, head.id::text, head.kind, head.run_at, head.run_at <= now(), ` + headRunnable + `, 0 FROM (
  (SELECT t.id, t.job_id, t.tenant_id, t.queue, t.kind, t.run_at FROM oubli.tasks AS t
   WHERE t.state = 'pending' AND t.dispatched_at IS NOT NULL AND t.kind <> 'mail')
  UNION ALL
  (SELECT t.id, t.job_id, t.tenant_id, t.queue, t.kind, t.run_at FROM oubli.tasks AS t
   WHERE t.kind = 'merge' AND ` + Ready + ` LIMIT 64)
  UNION ALL
  SELECT own.* FROM unnest('{interactive,bulk}'::text[]) AS of(queue) CROSS JOIN LATERAL (
    SELECT t.id, t.job_id, t.tenant_id, t.queue, t.kind, t.run_at FROM oubli.tasks AS t
    WHERE t.queue = of.queue AND ` + Ready + ` AND t.tenant_id = $1 ORDER BY t.run_at, t.id LIMIT 1) AS own) AS head`

// NextWithoutRedis finds any merge and any batch that has a lane, those of the same
// tenant first; "" without one. It is for the time in which no hints can be fetched.
func (b *Backlog) NextWithoutRedis(ctx context.Context, tenantID string) (id string, err error) {
	b.walk.mu.Lock()
	defer b.walk.mu.Unlock()
	for range emptyRounds {
		again := false
		err = b.tx(ctx, "find next batch", func(tx pgx.Tx) (err error) {
			id, again, err = b.findWithoutRedis(ctx, tx, tenantID)
			return err
		})
		if err != nil || id != "" || !again {
			return id, err
		}
	}
	return "", nil
}

func (b *Backlog) findWithoutRedis(ctx context.Context, tx pgx.Tx, tenantID string) (id string, again bool, err error) {
	if err := unparkDue(ctx, tx); err != nil {
		return "", false, err
	}
	r := &round{Backlog: b, tx: tx, owner: b.o.SharedOwner()}
	if r.load, err = readLoad(ctx, tx, r.owner); err != nil {
		return "", false, err
	}
	rows, err := tx.Query(ctx, WithoutHintSQL, tenantID)
	if err != nil {
		return "", false, err
	}
	found, err := pgx.CollectRows(rows, scanHead)
	if err != nil {
		return "", false, err
	}
	for _, q := range []jobs.Queue{jobs.Interactive, jobs.Bulk} {
		heads, complete, err := r.heads(ctx, q, fewTenants, 1)
		if err != nil {
			return "", false, err
		}
		r.walk.after[q] = nil
		if !complete {
			again, r.walk.after[q] = true, &heads[len(heads)-1].tenant
		}
		found = append(found, heads...)
		parked, err := r.parkHeads(ctx, q, ofQueue(found, q))
		if err != nil {
			return "", false, err
		}
		again = again || parked
	}
	found = slices.DeleteFunc(found, func(h head) bool {
		return !h.due || !h.runs || h.kind != jobs.MergeTask && r.load.running[r.profileOwner(h.tenant)] >= b.o.Lanes
	})
	if len(found) == 0 {
		return "", again, nil
	}
	order := func(first bool) int { return map[bool]int{true: 0, false: 1}[first] }
	next := slices.MinFunc(found, func(a, b head) int {
		return cmp.Or(order(a.tenant == tenantID)-order(b.tenant == tenantID),
			order(a.queue == jobs.Interactive)-order(b.queue == jobs.Interactive),
			a.runAt.Compare(b.runAt), cmp.Compare(a.id, b.id))
	})
	return next.id, false, nil
}

func ofQueue(heads []head, q jobs.Queue) []head {
	return slices.DeleteFunc(slices.Clone(heads), func(h head) bool { return h.queue != q })
}
