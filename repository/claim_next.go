package repository

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/jobs"
)

// nextBatchOfTenantSQL finds the next batch of tenant $1: none while a hint waits
// for a worker, or a merge waits for a hint. Where $2 is the profile owner of all
// tenants, the merge may be anybody's.
const nextBatchOfTenantSQL = `
SELECT t.id::text FROM (
  (SELECT t.id, 1 AS place FROM oubli.tasks AS t WHERE t.queue = 'interactive' AND ` + ofTenant + ` ORDER BY t.run_at, t.id LIMIT 1)
  UNION ALL
  (SELECT t.id, 2 FROM oubli.tasks AS t WHERE t.queue = 'bulk' AND ` + ofTenant + ` ORDER BY t.run_at, t.id LIMIT 1)) AS t
WHERE NOT EXISTS (SELECT FROM oubli.tasks WHERE state = 'pending' AND dispatched_at IS NOT NULL)
  AND NOT EXISTS (SELECT FROM oubli.tasks AS t WHERE t.kind = 'merge' AND ` + ready + ` AND t.run_at <= now()
    AND coalesce($2, t.tenant_id) = coalesce($2, $1) AND ` + runnable + `)
ORDER BY t.place LIMIT 1`

const ofTenant = ready + ` AND t.tenant_id = $1 AND t.kind = 'batch' AND t.run_at <= now() AND ` + runnable

// ClaimNext claims the next batch of the same tenant without a hint from Redis,
// so that a lane is not idle between two batches. It claims nothing when a hint
// waits for a free worker, because then the queues' weights decide, or when a
// merge of the tenant waits to be dispatched. With redisDown, when no hints can be
// fetched, it claims any merge and any batch that has a lane, those of the same
// tenant first.
func (s *Store) ClaimNext(ctx context.Context, tenantID string, redisDown bool) (*jobs.Claim, error) {
	var id string
	var err error
	if redisDown {
		id, err = s.nextWithoutRedis(ctx, tenantID)
	} else {
		err = s.dispatchTx(ctx, "find next batch", func(tx pgx.Tx) error {
			err := tx.QueryRow(ctx, nextBatchOfTenantSQL, tenantID, s.sharedOwner()).Scan(&id)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			return err
		})
	}
	switch {
	case err != nil:
		return nil, pgfault.Wrap("find next batch", err)
	case id == "":
		return nil, nil
	}
	return s.Claim(ctx, id)
}

// withoutHintSQL lists what a worker can claim that gets no hints: tasks whose hints
// wait in Redis, which are never more than the windows; merges, which need no lane;
// and the next batches of tenant $1.
const withoutHintSQL = `
SELECT head.queue, 0, head.tenant_id, head.id::text, head.kind, head.run_at, head.run_at <= now(), ` + headRunnable + `, 0 FROM (
  (SELECT t.id, t.job_id, t.tenant_id, t.queue, t.kind, t.run_at FROM oubli.tasks AS t
   WHERE t.state = 'pending' AND t.dispatched_at IS NOT NULL AND t.kind <> 'mail')
  UNION ALL
  (SELECT t.id, t.job_id, t.tenant_id, t.queue, t.kind, t.run_at FROM oubli.tasks AS t
   WHERE t.kind = 'merge' AND ` + ready + ` LIMIT 64)
  UNION ALL
  SELECT own.* FROM unnest('{interactive,bulk}'::text[]) AS of(queue) CROSS JOIN LATERAL (
    SELECT t.id, t.job_id, t.tenant_id, t.queue, t.kind, t.run_at FROM oubli.tasks AS t
    WHERE t.queue = of.queue AND ` + ready + ` AND t.tenant_id = $1 ORDER BY t.run_at, t.id LIMIT 1) AS own) AS head`

// nextWithoutRedis finds a batch or a merge that can be claimed; "" without one.
func (s *Store) nextWithoutRedis(ctx context.Context, tenantID string) (id string, err error) {
	s.walk.mu.Lock()
	defer s.walk.mu.Unlock()
	for range emptyRounds {
		again := false
		err = s.dispatchTx(ctx, "find next batch", func(tx pgx.Tx) (err error) {
			id, again, err = s.findWithoutRedis(ctx, tx, tenantID)
			return err
		})
		if err != nil || id != "" || !again {
			return id, err
		}
	}
	return "", nil
}

func (s *Store) findWithoutRedis(ctx context.Context, tx pgx.Tx, tenantID string) (id string, again bool, err error) {
	if err := unparkDue(ctx, tx); err != nil {
		return "", false, err
	}
	r := &round{Store: s, tx: tx, owner: s.sharedOwner()}
	if r.load, err = readLoad(ctx, tx, r.owner); err != nil {
		return "", false, err
	}
	rows, err := tx.Query(ctx, withoutHintSQL, tenantID)
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
		return !h.due || !h.runs || h.kind != jobs.MergeTask && r.load.running[r.profileOwner(h.tenant)] >= s.opts.Lanes
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
