package repository

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
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

const (
	mixLease  = time.Minute // how long a worker keeps its round without a commit
	mixRows   = 1000        // rows that one transaction writes again
	mixCover  = 1000        // rows of the last mixture, drawn at random, that cover new ones
	mixPasses = 20          // how often one transaction writes all of its rows
	mixPages  = 1 << 16     // pages of a table that one statement reads: half a gigabyte
	mixAtOnce = 1000        // clients of small transactions in one round, to bound memory
	mixShare  = 20          // a round takes at most one part in so many of the time
	mixPauses = 60          // but the next one is no later than after so many pauses
	mixRetry  = "1 day"     // before rows that could not be mixed are tried again
)

// smallOrLarge is how many clients the transaction has erased, as the one or the
// other. The rows that a small one leaves tell by their xmin, and by where they
// stand, that they were of few clients.
func (s *Store) smallOrLarge(v *verdict) (small, large int) {
	n := v.counts.Erased + v.counts.ErasedRetained
	switch {
	case !v.leavesRows:
		return 0, 0
	case n < s.opts.MixClients:
		return n, 0
	}
	return 0, n
}

// MixRows writes rows that small transactions left once more, so that system columns
// do not show which rows were of one former client: one
// transaction writes rows of at least MixClients clients who share profiles, in
// random order. Until there are as many the rows wait. Those of the last mixture
// are written again with new ones, so that later clients need not wait.
//
// One worker at a time does it, a round after the other, with pauses. A round
// reads the tables of the map once, because nothing but xmin says which rows it is
// about: to record them would string them together.
func (s *Store) MixRows(ctx context.Context) error {
	r := mixRound{Store: s, refused: map[string]string{}}
	err := s.pool.QueryRow(ctx, claimMixingSQL, mixLease).Scan(&r.attempt)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return pgfault.Wrap("claim the mixing of rows", err)
	}
	began := time.Now()
	err = r.run(ctx)
	if errors.Is(err, jobs.ErrFenced) {
		return nil
	}
	return errors.Join(err, r.end(ctx, time.Since(began)))
}

// claimMixingSQL begins a round, if there is something to mix and no other worker mixes.
const claimMixingSQL = `
UPDATE oubli.mixing SET attempt = attempt + 1, lease_until = clock_timestamp() + $1::interval
WHERE next_at <= now() AND (lease_until IS NULL OR lease_until < now())
  AND EXISTS (SELECT FROM oubli.residues WHERE mix = 'waiting' AND mix_after <= now())
RETURNING attempt`

// mixRound is one round of mixing.
type mixRound struct {
	*Store
	attempt int
	plan    *plan.Plan
	groups  map[string]*mixGroup // by profile owner
	owners  map[uint32]*mixGroup // by transaction
	refused map[string]string    // why a table's rows cannot be written again, by table
}

// mixGroup are rows of clients who share profiles, and which are mixed together.
type mixGroup struct {
	owner        string
	waiting      []*mixResidue
	clients      int                 // whose rows wait
	coverClients int                 // whose rows cover them
	each         map[uint32]int      // clients, by small transaction
	during       map[uint32]string   // from begin to commit, by small transaction
	cover        map[uint32]bool     // transactions of the last mixture
	rows         []mixRow            // of small transactions
	covers       []mixRow            // of the last mixture: at most mixCover
	seen         int                 // rows of the last mixture
	number       map[uint32]int      // rows, by small transaction
	mixed        bool                // they are of enough clients
	left         map[uint32]bool     // transactions of which rows are still to be written
	tables       map[uint32][]string // tables with rows of a transaction
	dated        map[uint32]string   // column that tells the time of a transaction
}

// mixResidue is what waits to be mixed: a job, or rows that a second look found.
type mixResidue struct {
	id          int64
	job         *string
	xids        []uint32
	clients     int // whose rows wait, at most
	rows        int
	triggerRows bool
}

// mixRow names a row and the transaction that wrote it.
type mixRow struct {
	table int // in plan.Mixed
	part  uint32
	id    pgtype.TID
	xid   uint32
}

func (r *mixRound) run(ctx context.Context) (err error) {
	if r.plan, err = r.covered(ctx); err != nil {
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
		if g.count(); g.clients+g.coverClients < r.opts.MixClients {
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
func (r *mixRound) fenced(ctx context.Context, op string, f func(pgx.Tx) error) error {
	return r.tx(ctx, op, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, settingsSQL, milliseconds(r.opts.LockTimeout), milliseconds(r.opts.Lease), milliseconds(statementTimeout))
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, "UPDATE oubli.mixing SET lease_until = clock_timestamp() + $2::interval WHERE attempt = $1", r.attempt, mixLease)
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
func (r *mixRound) end(ctx context.Context, took time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	pause := min(max(r.opts.Pause, mixShare*took), mixPauses*r.opts.Pause)
	_, err := r.pool.Exec(ctx, `
		UPDATE oubli.mixing SET lease_until = NULL, next_at = now() + $2::interval WHERE attempt = $1`, r.attempt, pause)
	return pgfault.Wrap("end the mixing of rows", err)
}

// gather finds what is to be mixed in this round: of the owners of profiles with
// enough clients, in random order, as much as one round takes.
func (r *mixRound) gather(ctx context.Context) error {
	ready, err := r.readyToMix(ctx)
	if err != nil {
		return err
	}
	r.groups, r.owners = map[string]*mixGroup{}, map[uint32]*mixGroup{}
	n := 0
	for _, owner := range shuffled(slices.Sorted(maps.Keys(ready))) {
		if n >= mixAtOnce {
			return nil
		}
		g, err := r.readGroup(ctx, owner, ready[owner])
		if err != nil {
			return err
		}
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
func (r *mixRound) readyToMix(ctx context.Context) (map[string]*readyOwner, error) {
	rows, err := r.pool.Query(ctx, readyToMixSQL)
	if err != nil {
		return nil, pgfault.Wrap("find rows to mix", err)
	}
	all := map[string]*readyOwner{}
	var tenant string
	var clients, cover int
	var plain bool
	_, err = pgx.ForEachRow(rows, []any{&tenant, &clients, &cover, &plain}, func() error {
		owner := profileOwner(r.plan.Map, tenant)
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
	rows, err = r.pool.Query(ctx, "SELECT profile_owner, clients FROM oubli.mixtures WHERE profile_owner = ANY($1)",
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
		o.enough = o.clients+o.cover >= r.opts.MixClients
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
func (r *mixRound) readGroup(ctx context.Context, owner string, ready *readyOwner) (*mixGroup, error) {
	g := &mixGroup{
		owner: owner, each: map[uint32]int{}, number: map[uint32]int{}, during: map[uint32]string{},
		cover: map[uint32]bool{}, left: map[uint32]bool{},
		tables: map[uint32][]string{}, dated: map[uint32]string{},
	}
	err := r.snapshot(ctx, "read what is to be mixed", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, waitingToMixSQL, ready.tenants, ready.enough, mixAtOnce)
		if err != nil {
			return err
		}
		byID := map[int64]*mixResidue{}
		var w mixResidue
		var clients int
		_, err = pgx.ForEachRow(rows, []any{&w.id, &w.job, &clients, &w.triggerRows}, func() error {
			if g.clients < mixAtOnce {
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

func (r *mixRound) readCover(ctx context.Context, tx pgx.Tx, g *mixGroup) error {
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
func (g *mixGroup) count() {
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
func (r *mixRound) find(ctx context.Context, table int) error {
	if len(r.owners) == 0 {
		return nil
	}
	t := r.plan.Mixed[table]
	xids := make([]string, 0, len(r.owners))
	for xid := range r.owners {
		xids = append(xids, strconv.FormatUint(uint64(xid), 10))
	}
	var pages int64
	if err := r.pool.QueryRow(ctx, pagesSQL, t.Ident).Scan(&pages); err != nil {
		return pgfault.Wrap("read the size of "+t.Table, err)
	}
	for from := int64(0); from < pages; from += mixPages {
		err := r.fenced(ctx, "find rows to mix in "+t.Table, func(tx pgx.Tx) error {
			// Only a plan for these very transactions looks them up by their hash.
			if _, err := tx.Exec(ctx, "SELECT set_config('plan_cache_mode', 'force_custom_plan', true)"); err != nil {
				return err
			}
			rows, err := tx.Query(ctx, t.Find, fmt.Sprintf("(%d,0)", from), fmt.Sprintf("(%d,0)", from+mixPages), xids)
			if err != nil {
				return err
			}
			row := mixRow{table: table}
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
func (g *mixGroup) add(row mixRow, table string) {
	if !g.cover[row.xid] {
		g.rows = append(g.rows, row)
		g.number[row.xid]++
		if !slices.Contains(g.tables[row.xid], table) {
			g.tables[row.xid] = append(g.tables[row.xid], table)
		}
		return
	}
	g.seen++
	if len(g.covers) < mixCover {
		g.covers = append(g.covers, row)
	} else if n := rand.IntN(g.seen); n < mixCover {
		g.covers[n] = row
	}
}

func shuffled[T any](all []T) []T {
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}
