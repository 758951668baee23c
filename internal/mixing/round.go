package mixing

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

const (
	lease         = time.Minute // how long a worker keeps its round without a commit
	strokeRows    = 1000        // rows that one transaction writes again
	coverRows     = 1000        // rows of the last mixture, drawn at random, that cover new ones
	passes        = 20          // how often one transaction writes all of its rows
	pagesAtOnce   = 1 << 16     // pages of a table that one statement reads: half a gigabyte
	roundClients  = 1000        // clients of small transactions in one round, to bound memory
	share         = 20          // a round takes at most one part in so many of the time
	longestPauses = 60          // but the next one is no later than after so many pauses
	retry         = "1 day"     // before rows that could not be mixed are tried again
)

// claimMixingSQL begins a round, if there is something to mix and no other worker mixes.
const claimMixingSQL = `
UPDATE oubli.mixing SET attempt = attempt + 1, lease_until = clock_timestamp() + $1::interval
WHERE next_at <= now() AND (lease_until IS NULL OR lease_until < now())
  AND EXISTS (SELECT FROM oubli.residues WHERE mix = 'waiting' AND mix_after <= now())
RETURNING attempt`

// round is one round of mixing.
type round struct {
	Options
	attempt int
	plan    *plan.Plan
	groups  map[string]*group // by profile owner
	owners  map[uint32]*group // by transaction
	refused map[string]string // why a table's rows cannot be written again, by table
}

// group are rows of clients who share profiles, and which are mixed together.
type group struct {
	owner        string
	tenants      []string // of the owner
	waiting      []*residue
	clients      int                 // whose rows wait
	coverClients int                 // whose rows cover them
	each         map[uint32]int      // clients, by small transaction
	during       map[uint32]string   // from begin to commit, by small transaction
	cover        map[uint32]bool     // transactions of the last mixture
	rows         []version           // of small transactions
	covers       []version           // of the last mixture: at most coverRows
	seen         int                 // rows of the last mixture
	number       map[uint32]int      // rows, by small transaction
	mixed        bool                // they are of enough clients
	left         map[uint32]bool     // transactions of which rows are still to be written
	tables       map[uint32][]string // tables with rows of a transaction
	dated        map[uint32]string   // column that tells the time of a transaction
}

// residue is what waits to be mixed: a job, or rows that a second look found.
type residue struct {
	id          int64
	job         *string
	xids        []uint32
	clients     int // whose rows wait, at most
	rows        int
	triggerRows bool
}

// version is a version of a row, and the transaction that wrote it.
type version struct {
	table int // in plan.Mixed
	part  uint32
	id    pgtype.TID
	xid   uint32
}

func (r *round) run(ctx context.Context) (err error) {
	if r.plan, err = r.Plan(ctx); err != nil {
		return err
	}
	if err := r.gather(ctx); err != nil || len(r.groups) == 0 {
		return err
	}
	for i := range r.plan.Mixed {
		if err := r.find(ctx, i); err != nil {
			return err
		}
	}
	for _, owner := range slices.Sorted(maps.Keys(r.groups)) {
		g := r.groups[owner]
		if g.count(); g.clients+g.coverClients < r.Clients {
			continue
		}
		g.mixed = true
		if err := r.mix(ctx, g); err != nil {
			return err
		}
	}
	return r.record(ctx)
}

// fenced runs f in a transaction of this round, unless another worker has taken
// the mixing over.
func (r *round) fenced(ctx context.Context, op string, f func(pgx.Tx) error) error {
	return r.DB.Tx(ctx, op, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, pgsession.SettingsSQL, r.DB.Settings(r.LockTimeout)...)
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, "UPDATE oubli.mixing SET lease_until = clock_timestamp() + $2::interval WHERE attempt = $1",
			r.attempt, lease)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return jobs.ErrFenced
		}
		return f(tx)
	})
}

// end lets the next round begin after a pause: a longer one, if this round took
// long.
func (r *round) end(ctx context.Context, took time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	pause := min(max(r.Pause, share*took), longestPauses*r.Pause)
	_, err := r.DB.Exec(ctx, `
		UPDATE oubli.mixing SET lease_until = NULL, next_at = now() + $2::interval WHERE attempt = $1`, r.attempt, pause)
	return pgfault.Wrap("end the mixing of rows", err)
}

// gather finds what is to be mixed in this round: of the owners of profiles with
// enough clients, in random order, as much as one round takes.
func (r *round) gather(ctx context.Context) error {
	ready, err := r.readyToMix(ctx)
	if err != nil {
		return err
	}
	r.groups, r.owners = map[string]*group{}, map[uint32]*group{}
	n := 0
	for _, owner := range shuffled(slices.Sorted(maps.Keys(ready))) {
		if n >= roundClients {
			return nil
		}
		g, err := r.readGroup(ctx, owner, ready[owner])
		if err != nil {
			return err
		}
		g.tenants = ready[owner].tenants
		n += max(g.clients, len(g.waiting))
		r.groups[owner] = g
		for xid := range g.during {
			r.owners[xid] = g
		}
		for xid := range g.cover {
			r.owners[xid] = g
		}
	}
	return nil
}

// readyToMix lists the owners of profiles with something to mix and enough clients
// to do it, or of jobs that left no small transaction, each with its tenants.
func (r *round) readyToMix(ctx context.Context) (map[string]*readyOwner, error) {
	rows, err := r.DB.Query(ctx, readyToMixSQL)
	if err != nil {
		return nil, pgfault.Wrap("find rows to mix", err)
	}
	all := map[string]*readyOwner{}
	var tenant string
	var clients, cover int
	var plain bool
	_, err = pgx.ForEachRow(rows, []any{&tenant, &clients, &cover, &plain}, func() error {
		owner := r.plan.Map.ProfileOwner(tenant)
		if all[owner] == nil {
			all[owner] = &readyOwner{}
		}
		o := all[owner]
		o.tenants, o.clients, o.plain = append(o.tenants, tenant), o.clients+clients, o.plain || plain
		o.cover = max(o.cover, cover)
		return nil
	})
	if err != nil {
		return nil, pgfault.Wrap("find rows to mix", err)
	}
	rows, err = r.DB.Query(ctx, "SELECT profile_owner, clients FROM oubli.mixtures WHERE profile_owner = ANY($1)",
		slices.Collect(maps.Keys(all)))
	if err != nil {
		return nil, pgfault.Wrap("find rows to mix", err)
	}
	var owner string
	_, err = pgx.ForEachRow(rows, []any{&owner, &cover}, func() error {
		all[owner].cover = cover
		return nil
	})
	maps.DeleteFunc(all, func(_ string, o *readyOwner) bool {
		o.enough = o.clients+o.cover >= r.Clients
		return !o.enough && !o.plain
	})
	return all, pgfault.Wrap("find rows to mix", err)
}

// readyOwner is an owner of profiles with something to mix.
type readyOwner struct {
	tenants []string
	clients int  // whose rows wait
	cover   int  // whose rows can cover them
	plain   bool // has jobs that left no small transaction
	enough  bool // clients and cover are as many as a mixture needs
}

const readyToMixSQL = `
SELECT coalesce(tenant_id, ''), sum(small_clients)::int, max(cover_clients), bool_or(small_clients = 0 AND small_xids = '{}')
FROM oubli.residues WHERE mix = 'waiting' AND mix_after <= now() GROUP BY 1`

// waitingToMixSQL lists what waits to be mixed. Without enough clients that are
// the jobs that left no small transaction.
const waitingToMixSQL = `
SELECT id, job_id::text, small_clients, EXISTS (SELECT FROM oubli.tasks AS t WHERE t.job_id = r.job_id AND t.trigger_rows)
FROM oubli.residues AS r
WHERE mix = 'waiting' AND mix_after <= now() AND coalesce(tenant_id, '') = ANY($1) AND ($2 OR small_clients = 0 AND small_xids = '{}')
ORDER BY random() LIMIT $3`

const smallXidsSQL = `
SELECT id, x::xid::text, during::text, 0
FROM oubli.residues, unnest(small_xids, small_times) AS u(x, during) WHERE id = ANY($1)
UNION ALL
SELECT r.id, x::xid::text, during::text, clients
FROM oubli.residues AS r JOIN oubli.tasks AS t ON t.job_id = r.job_id,
  unnest(t.small_xids, t.small_times, t.small_clients) AS u(x, during, clients) WHERE r.id = ANY($1)`

// coverSQL is the last mixture or, as long as there is none, the latest large
// transaction of these jobs.
const coverSQL = `
SELECT ARRAY(SELECT x::xid::text FROM unnest(xids) AS x), clients FROM (
  SELECT 0 AS n, xids, clients FROM oubli.mixtures WHERE profile_owner = $1
  UNION ALL
  SELECT 1, ARRAY[large_xid], large_xid_clients FROM oubli.tasks WHERE job_id = ANY($2::text[]::uuid[]) AND large_xid IS NOT NULL
) AS c ORDER BY n, xids DESC LIMIT 1`

// readGroup reads what is to be mixed of one owner.
func (r *round) readGroup(ctx context.Context, owner string, ready *readyOwner) (*group, error) {
	g := &group{
		owner: owner, each: map[uint32]int{}, number: map[uint32]int{}, during: map[uint32]string{},
		cover: map[uint32]bool{}, left: map[uint32]bool{},
		tables: map[uint32][]string{}, dated: map[uint32]string{},
	}
	err := r.DB.Snapshot(ctx, "read what is to be mixed", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, waitingToMixSQL, ready.tenants, ready.enough, roundClients)
		if err != nil {
			return err
		}
		byID := map[int64]*residue{}
		var w residue
		var clients int
		_, err = pgx.ForEachRow(rows, []any{&w.id, &w.job, &clients, &w.triggerRows}, func() error {
			if g.clients < roundClients {
				one := w
				g.waiting, byID[w.id] = append(g.waiting, &one), &one
				g.clients += clients
			}
			return nil
		})
		if err != nil {
			return err
		}
		if rows, err = tx.Query(ctx, smallXidsSQL, slices.Collect(maps.Keys(byID))); err != nil {
			return err
		}
		var id int64
		var xid, during string
		_, err = pgx.ForEachRow(rows, []any{&id, &xid, &during, &clients}, func() error {
			n, err := parseXid(xid)
			byID[id].xids, g.during[n], g.each[n] = append(byID[id].xids, n), during, clients
			return err
		})
		if err != nil {
			return err
		}
		return r.readCover(ctx, tx, g)
	})
	return g, err
}

func (r *round) readCover(ctx context.Context, tx pgx.Tx, g *group) error {
	var of []string
	for _, w := range g.waiting {
		if w.job != nil {
			of = append(of, *w.job)
		}
	}
	var xids []string
	err := tx.QueryRow(ctx, coverSQL, g.owner, of).Scan(&xids, &g.coverClients)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	for _, xid := range xids {
		n, e := parseXid(xid)
		g.cover[n], err = true, errors.Join(err, e)
	}
	return err
}

// count finds out how many clients' rows there are: of each transaction no more
// than it left rows, because some clients leave none.
func (g *group) count() {
	g.clients, g.coverClients = 0, min(g.coverClients, g.seen)
	for _, w := range g.waiting {
		w.clients, w.rows = 0, 0
		for _, xid := range w.xids {
			w.clients += min(g.each[xid], g.number[xid])
			w.rows += g.number[xid]
		}
		g.clients += w.clients
	}
}

func parseXid(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err
}

// find reads a table, range by range, for the rows of this round.
func (r *round) find(ctx context.Context, table int) error {
	if len(r.owners) == 0 {
		return nil
	}
	t := r.plan.Mixed[table]
	xids := make([]string, 0, len(r.owners))
	for xid := range r.owners {
		xids = append(xids, strconv.FormatUint(uint64(xid), 10))
	}
	var pages int64
	if err := r.DB.QueryRow(ctx, pagesSQL, t.Ident).Scan(&pages); err != nil {
		return pgfault.Wrap("read the size of "+t.Table, err)
	}
	for from := int64(0); from < pages; from += pagesAtOnce {
		err := r.fenced(ctx, "find rows to mix in "+t.Table, func(tx pgx.Tx) error {
			// Only a plan for these very transactions looks them up by their hash.
			if _, err := tx.Exec(ctx, "SELECT set_config('plan_cache_mode', 'force_custom_plan', true)"); err != nil {
				return err
			}
			rows, err := tx.Query(ctx, t.Find, fmt.Sprintf("(%d,0)", from), fmt.Sprintf("(%d,0)", from+pagesAtOnce), xids)
			if err != nil {
				return err
			}
			row := version{table: table}
			_, err = pgx.ForEachRow(rows, []any{&row.part, &row.id, &row.xid}, func() error {
				r.owners[row.xid].add(row, t.Table)
				return nil
			})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// pagesSQL is the size of the largest part of a table.
const pagesSQL = `
WITH RECURSIVE part AS (
  SELECT $1::text::regclass::oid AS id
  UNION
  SELECT inhrelid FROM pg_inherits JOIN part ON inhparent = part.id)
SELECT max(pg_relation_size(id)) / current_setting('block_size')::bigint FROM part`

// add notes a row. Of the rows that cover others it draws some, each with the same
// probability.
func (g *group) add(row version, table string) {
	if !g.cover[row.xid] {
		g.rows = append(g.rows, row)
		g.number[row.xid]++
		if !slices.Contains(g.tables[row.xid], table) {
			g.tables[row.xid] = append(g.tables[row.xid], table)
		}
		return
	}
	g.seen++
	if len(g.covers) < coverRows {
		g.covers = append(g.covers, row)
	} else if n := rand.IntN(g.seen); n < coverRows {
		g.covers[n] = row
	}
}

func shuffled[T any](all []T) []T {
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}
