package backlog

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/jobs"
)

// What to do after a round that has marked nothing.
type roundNext int

const (
	roundDone  roundNext = iota
	roundBusy            // another process dispatches
	roundAgain           // it parked tasks, or has not seen all tenants
)

// SettingsSQL keeps the planner to the indexes that bound a round, whatever
// it believes of tables that have grown since they were last analyzed.
const SettingsSQL = "; set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_sort = off" +
	"; set local enable_incremental_sort = off" +
	"; set local enable_hashjoin = off; set local enable_mergejoin = off; set local plan_cache_mode = 'force_generic_plan'"

// tryDispatchLockSQL lets one process dispatch at a time: two would read the same
// rows for nothing.
const tryDispatchLockSQL = "SELECT pg_try_advisory_xact_lock(hashtextextended('oubli:dispatch', 0))"

// LoadSQL counts the tasks that run or whose hints wait. There are never more than
// the windows and the workers' slots.
const LoadSQL = `
SELECT coalesce($1, tenant_id), queue, kind, running, count(*) FROM (
  SELECT tenant_id, queue, kind, true AS running FROM oubli.tasks WHERE state = 'running'
  UNION ALL
  SELECT tenant_id, queue, kind, false FROM oubli.tasks WHERE state = 'pending' AND dispatched_at IS NOT NULL) AS t
GROUP BY 1, 2, 3, 4`

// HeadsSQL goes from tenant to tenant of queue $1, at most $2 of them, and takes of
// each the tasks that have waited longest. Each step is one search in the index
// tasks_ready. The last of its columns counts the tenant's small batches that wait.
// HeadsAfterSQL begins after tenant $4, and headsUpToSQL ends with it.
var (
	HeadsSQL      = headsOf("")
	HeadsAfterSQL = headsOf("AND t.tenant_id > $4")
	headsUpToSQL  = headsOf("AND t.tenant_id <= $4")
)

func headsOf(tenants string) string {
	return `
WITH RECURSIVE walk AS (
  (SELECT t.tenant_id, 1 AS step FROM oubli.tasks AS t
   WHERE t.queue = $1 AND ` + Ready + ` ` + tenants + ` ORDER BY t.tenant_id LIMIT 1)
  UNION ALL
  SELECT next.tenant_id, walk.step + 1 FROM walk CROSS JOIN LATERAL (
    SELECT t.tenant_id FROM oubli.tasks AS t
    WHERE t.queue = $1 AND ` + Ready + ` AND t.tenant_id > walk.tenant_id ` + tenants + `
    ORDER BY t.tenant_id LIMIT 1) AS next
  WHERE walk.step < $2)
SELECT $1, walk.step, walk.tenant_id, head.id::text, head.kind, head.run_at, head.run_at <= now(), ` + headRunnable + `,
  CASE WHEN $1 = 'bulk' THEN (SELECT count(*) FROM (SELECT FROM oubli.tasks AS t
    WHERE t.queue = 'interactive' AND ` + Ready + ` AND t.tenant_id = walk.tenant_id AND t.run_at <= now() LIMIT $3) AS small) ELSE 0 END
FROM walk CROSS JOIN LATERAL (
  SELECT t.id, t.kind, t.job_id, t.run_at FROM oubli.tasks AS t
  WHERE t.queue = $1 AND ` + Ready + ` AND t.tenant_id = walk.tenant_id
  ORDER BY t.run_at, t.id LIMIT CASE WHEN $1 = 'mail' THEN (SELECT 1 + $3 / count(*) FROM walk) ELSE $3 END) AS head
ORDER BY walk.step, head.run_at, head.id`
}

// headRunnable is Runnable of a head. One search by the job's id each, not a join
// that might read all jobs.
const headRunnable = `(head.kind = 'mail' OR (SELECT j.state IN ('scheduled', 'running') FROM oubli.jobs AS j WHERE j.id = head.job_id))`

// markSQL marks tasks as dispatched. SKIP LOCKED: a task that is being claimed or
// cancelled needs no hint.
const markSQL = `
WITH mine AS (
  SELECT t.id FROM oubli.tasks AS t WHERE t.id = ANY($1::uuid[]) AND ` + Ready + ` FOR UPDATE SKIP LOCKED)
UPDATE oubli.tasks AS t SET dispatched_at = now(), dispatch_no = dispatch_no + 1
FROM mine WHERE t.id = mine.id
RETURNING t.id::text, t.kind, t.queue, t.dispatch_no, interval '0', (SELECT traceparent FROM oubli.jobs AS j WHERE j.id = t.job_id)`

// head is one of the tasks of a tenant that have waited longest.
type head struct {
	queue  jobs.Queue
	step   int // of its tenant, from 1
	tenant string
	id     string
	kind   jobs.TaskKind
	runAt  time.Time
	due    bool
	runs   bool // its job does
	ahead  int  // small batches of its tenant, if it is a bulk one
}

// load is what is out: running, or with its hint in Redis.
type load struct {
	waiting map[jobs.Queue]int // hints that wait
	lanes   map[string]int     // batches and merges of each profile owner
	urgent  map[string]int     // of these, without bulk hints that wait
	running map[string]int     // batches that run, each in a lane
}

// cursors are where the next round begins, for each queue: after the tenant that
// was served last. Nil: with the first. Tenants so take turns.
type cursors struct {
	mu    sync.Mutex
	after map[jobs.Queue]*string
}

// round looks at a few tenants of each queue and marks what is due.
func (b *Backlog) round(ctx context.Context) (due []jobs.Dispatch, next roundNext, err error) {
	b.walk.mu.Lock()
	defer b.walk.mu.Unlock()
	err = b.tx(ctx, "dispatch", func(tx pgx.Tx) error {
		r, err := b.beginRound(ctx, tx)
		if err != nil || r == nil {
			next = roundBusy
			return err
		}
		var chosen []string
		for _, q := range []jobs.Queue{jobs.Interactive, jobs.Bulk, jobs.Mail} {
			ids, again, err := r.queue(ctx, q)
			if err != nil {
				return err
			}
			chosen = append(chosen, ids...)
			if again {
				next = roundAgain
			}
		}
		if len(chosen) == 0 {
			return nil
		}
		rows, err := tx.Query(ctx, markSQL, chosen)
		if err != nil {
			return err
		}
		due, err = pgx.CollectRows(rows, scanDispatch)
		return err
	})
	return due, next, err
}

func (b *Backlog) tx(ctx context.Context, op string, f func(pgx.Tx) error) error {
	return b.o.DB.TxBy(ctx, op, b.o.DB.Begin()+SettingsSQL, f)
}

// round is one transaction that looks for tasks to dispatch.
type round struct {
	*Backlog
	tx    pgx.Tx
	owner *string // of all profiles, when tenants share them
	load  load
}

// beginRound reads what is out. It returns nil while another process dispatches.
func (b *Backlog) beginRound(ctx context.Context, tx pgx.Tx) (*round, error) {
	var free bool
	if err := tx.QueryRow(ctx, tryDispatchLockSQL).Scan(&free); err != nil || !free {
		return nil, err
	}
	if err := unparkDue(ctx, tx); err != nil {
		return nil, err
	}
	r := &round{Backlog: b, tx: tx, owner: b.o.SharedOwner()}
	var err error
	r.load, err = readLoad(ctx, tx, r.owner)
	return r, err
}

func readLoad(ctx context.Context, tx pgx.Tx, owner *string) (load, error) {
	l := load{map[jobs.Queue]int{}, map[string]int{}, map[string]int{}, map[string]int{}}
	rows, err := tx.Query(ctx, LoadSQL, owner)
	if err != nil {
		return l, err
	}
	var of string
	var queue jobs.Queue
	var kind jobs.TaskKind
	var running bool
	var n int
	_, err = pgx.ForEachRow(rows, []any{&of, &queue, &kind, &running, &n}, func() error {
		if !running {
			l.waiting[queue] += n
		}
		if kind == jobs.MailTask {
			return nil
		}
		l.lanes[of] += n
		if running || queue == jobs.Interactive {
			l.urgent[of] += n
		}
		if running && kind == jobs.BatchTask {
			l.running[of] += n
		}
		return nil
	})
	return l, err
}

// profileOwner is whose lanes a tenant's batches use.
func (r *round) profileOwner(tenant string) string {
	if r.owner != nil {
		return *r.owner
	}
	return tenant
}

// fewTenants is how many tenants a round looks at, at least, so that in most
// databases it looks at all of them.
const fewTenants = 64

// queue chooses the tasks of a queue that get a hint now. again says that a
// further round may find more.
func (r *round) queue(ctx context.Context, q jobs.Queue) (chosen []string, again bool, err error) {
	places := r.o.Window - r.load.waiting[q]
	if places <= 0 {
		return nil, false, nil
	}
	each := r.o.Lanes
	if q == jobs.Mail {
		each = places
	}
	heads, complete, err := r.heads(ctx, q, max(fewTenants, 2*places), each)
	if err != nil || len(heads) == 0 {
		return nil, false, err
	}
	parked, err := r.parkHeads(ctx, q, heads)
	if err != nil {
		return nil, false, err
	}
	found := r.choose(q, heads, complete)
	var last string // the tenant of the last that was chosen
	for _, c := range found[:min(places, len(found))] {
		chosen, last = append(chosen, c.id), c.tenant
	}
	switch {
	case complete:
		r.walk.after[q] = nil
	case len(found) >= places:
		r.walk.after[q] = &last
	default:
		r.walk.after[q] = &heads[len(heads)-1].tenant
	}
	return chosen, len(found) < places && (parked || !complete), nil
}

// heads reads the heads of tenants, each once, and says whether these are all
// tenants of the queue.
func (r *round) heads(ctx context.Context, q jobs.Queue, tenants, each int) (heads []head, complete bool, err error) {
	after := r.walk.after[q]
	if after == nil {
		heads, err = r.readHeads(ctx, HeadsSQL, q, tenants, each)
	} else {
		heads, err = r.readHeads(ctx, HeadsAfterSQL, q, tenants, each, *after)
	}
	if err != nil {
		return nil, false, err
	}
	seen := 0
	if len(heads) > 0 {
		seen = heads[len(heads)-1].step
	}
	if after == nil || seen == tenants {
		return heads, seen < tenants, nil
	}
	more, err := r.readHeads(ctx, headsUpToSQL, q, tenants-seen, each, *after)
	if err != nil {
		return nil, false, err
	}
	for i := range more {
		more[i].step += seen
	}
	heads = append(heads, more...)
	return heads, len(heads) == 0 || heads[len(heads)-1].step < tenants, nil
}

func (r *round) readHeads(ctx context.Context, sql string, q jobs.Queue, tenants, each int, cursor ...any) ([]head, error) {
	rows, err := r.tx.Query(ctx, sql, append([]any{q, tenants, each}, cursor...)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanHead)
}

func scanHead(row pgx.CollectableRow) (h head, err error) {
	err = row.Scan(&h.queue, &h.step, &h.tenant, &h.id, &h.kind, &h.runAt, &h.due, &h.runs, &h.ahead)
	return h, err
}

// candidate is a head that may be dispatched.
type candidate struct {
	head
	turn int // how many of its owner are out with it
}

// choose lists the heads that may be dispatched, in the order in which they are.
// An owner has at most as many tasks out as lanes, and no second one while another
// owner waits for its first or hints wait. Bulk hints that wait in the queue do not
// count against the same owner's small batches, which would otherwise wait for
// them; if both are then taken at once, the one without a lane is handed back.
// Small batches that wait leave bulk at least one lane.
func (r *round) choose(q jobs.Queue, heads []head, complete bool) []candidate {
	var found []candidate
	seen, first := map[string]int{}, map[string]bool{}
	for _, h := range heads {
		if !h.due || !h.runs {
			continue
		}
		owner := r.profileOwner(h.tenant)
		c := candidate{head: h}
		switch q {
		case jobs.Mail:
			owner = h.tenant
		case jobs.Interactive:
			c.turn = r.load.urgent[owner]
		default:
			c.turn = r.load.lanes[owner] + min(h.ahead, r.o.Lanes-1)
		}
		seen[owner]++
		c.turn += seen[owner]
		if q != jobs.Mail && c.turn > r.o.Lanes {
			continue
		}
		if c.turn == 1 {
			first[owner] = true
		}
		found = append(found, c)
	}
	if q != jobs.Mail {
		found = slices.DeleteFunc(found, func(c candidate) bool {
			others := len(first)
			if first[r.profileOwner(c.tenant)] {
				others--
			}
			return c.turn > 1 && (r.load.waiting[q] > 0 || others > 0 || !complete)
		})
	}
	slices.SortStableFunc(found, func(a, b candidate) int {
		if !complete || a.turn != b.turn {
			return cmp.Compare(a.turn, b.turn) // and then in the order of the walk
		}
		return cmp.Or(a.runAt.Compare(b.runAt), strings.Compare(a.id, b.id))
	})
	return found
}
