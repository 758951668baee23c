package mixing

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/internal/schema"
)

// mix writes the rows of a group again, in transactions of about strokeRows rows. All
// rows are in random order, so each transaction has a random part of all of them,
// and two of its rows are of one client no more often than any two rows of the
// group.
func (r *round) mix(ctx context.Context, g *group) error {
	if len(g.rows) == 0 {
		return nil
	}
	rows := shuffled(slices.Concat(g.rows, g.covers))
	clear(g.left)
	parts := (len(rows) + strokeRows - 1) / strokeRows
	for i := range parts {
		part := rows[len(rows)*i/parts : len(rows)*(i+1)/parts]
		if err := r.stroke(ctx, g, part, i == 0); err != nil {
			return err
		}
		r.Failpoint("mix:stroke")
	}
	return nil
}

// stroke writes rows again in one transaction. Rows that somebody has locked are
// left for another round. Where the database refuses to write rows of a table, those
// of the other tables are written without them.
func (r *round) stroke(ctx context.Context, g *group, rows []version, first bool) error {
	for {
		st := stroke{round: r, group: g, rows: slices.DeleteFunc(slices.Clone(rows), func(row version) bool {
			return r.refused[r.plan.Mixed[row.table].Table] != ""
		})}
		var refusal *tableRefusal
		err := r.fenced(ctx, "mix rows", func(tx pgx.Tx) error {
			err := st.run(ctx, tx, first)
			refusal, _ = errors.AsType[*tableRefusal](err)
			return err
		})
		if refusal != nil {
			for _, t := range refusal.tables {
				r.refused[t] = refusal.why
			}
			continue
		}
		if err != nil {
			return err
		}
		for xid := range st.skipped {
			g.left[xid] = true
		}
		for xid, column := range st.dated {
			g.dated[xid] = column
		}
		return nil
	}
}

// tableRefusal says that rows of these tables cannot be written again.
type tableRefusal struct {
	tables []string
	why    string
}

func (e *tableRefusal) Error() string { return "rows cannot be mixed: " + e.why }

// stroke is one transaction that writes rows again.
type stroke struct {
	*round
	group   *group
	rows    []version
	skipped map[uint32]bool   // transactions of rows that somebody has locked
	dated   map[uint32]string // table and column that still tell when a transaction was, by transaction
}

func (st *stroke) run(ctx context.Context, tx pgx.Tx, first bool) error {
	st.skipped, st.dated = map[uint32]bool{}, map[uint32]string{}
	if err := st.lock(ctx, tx); err != nil {
		return err
	}
	before, err := st.written(ctx, tx)
	if err != nil {
		return err
	}
	wrote := map[string]int64{}
	if err := st.scatter(ctx, tx, wrote); err != nil {
		return err
	}
	if err := st.checkWritten(ctx, tx, before, wrote); err != nil {
		return err
	}
	if err := st.findTimes(ctx, tx); err != nil {
		return err
	}
	if len(st.rows) == 0 {
		return nil
	}
	xids := "mixtures.xids || excluded.xids"
	if first {
		xids = "excluded.xids"
	}
	_, err = tx.Exec(ctx, `INSERT INTO oubli.mixtures (profile_owner, xids, clients) VALUES ($1, ARRAY[pg_current_xact_id()], $2)
		ON CONFLICT (profile_owner) DO UPDATE SET clients = excluded.clients, xids = `+xids,
		st.group.owner, st.group.clients+st.group.coverClients)
	return err
}

// lock locks the rows and forgets those that others have locked or changed.
func (st *stroke) lock(ctx context.Context, tx pgx.Tx) error {
	type place struct {
		table int
		part  uint32
		id    pgtype.TID
	}
	locked := map[place]bool{}
	for i, t := range st.plan.Mixed {
		var ids, xids []string
		for _, row := range st.rows {
			if row.table == i {
				ids, xids = append(ids, tid(row.id)), append(xids, strconv.FormatUint(uint64(row.xid), 10))
			}
		}
		if len(ids) == 0 {
			continue
		}
		slices.Sort(xids)
		rows, err := tx.Query(ctx, t.Lock, ids, slices.Compact(xids))
		if err != nil {
			return err
		}
		at := place{table: i}
		if _, err := pgx.ForEachRow(rows, []any{&at.part, &at.id}, func() error { locked[at] = true; return nil }); err != nil {
			return err
		}
	}
	st.rows = slices.DeleteFunc(st.rows, func(row version) bool {
		mine := locked[place{row.table, row.part, row.id}]
		if !mine && !st.group.cover[row.xid] {
			st.skipped[row.xid] = true
		}
		return !mine
	})
	return nil
}

func tid(id pgtype.TID) string { return fmt.Sprintf("(%d,%d)", id.BlockNumber, id.OffsetNumber) }

// rewrite writes these rows again, one after the other: in this order they will
// stand in the table.
func (st *stroke) rewrite(ctx context.Context, tx pgx.Tx, which []int, wrote map[string]int64) error {
	b := &pgx.Batch{}
	for _, i := range which {
		row := st.rows[i]
		b.Queue(st.plan.Mixed[row.table].Rewrite, row.part, tid(row.id))
	}
	results := tx.SendBatch(ctx, b)
	for _, i := range which {
		row := &st.rows[i]
		t := st.plan.Mixed[row.table]
		err := results.QueryRow().Scan(&row.id)
		if errors.Is(err, pgx.ErrNoRows) {
			err = refuseTable(t, "does not let its rows be written again")
		} else if pg := pgfault.Answered(err); pg != nil && !pgfault.Contention(pg) {
			err = refuseTable(t, "refuses to write its rows again with SQLSTATE "+pg.Code)
		}
		if err != nil {
			return errors.Join(err, results.Close())
		}
		wrote[t.Table]++
	}
	return results.Close()
}

func refuseTable(t plan.MixedTable, why string) error {
	text := t.Table + " " + why
	if len(t.Triggers) > 0 {
		text += " (triggers and rules: " + strings.Join(t.Triggers, ", ") + ")"
	}
	return &tableRefusal{[]string{t.Table}, text}
}

// scatter writes all rows again in random order. PostgreSQL writes a row to its own
// page as long as that has room, so that rows of one small transaction could stay
// together where no others come. These are written again by themselves until they
// have left the page, because each version takes room, and then all rows once more.
func (st *stroke) scatter(ctx context.Context, tx pgx.Tx, wrote map[string]int64) error {
	all := make([]int, len(st.rows))
	for i := range all {
		all[i] = i
	}
	for range passes {
		before := slices.Clone(st.rows)
		if err := st.rewrite(ctx, tx, shuffled(all), wrote); err != nil {
			return err
		}
		together := st.together(before)
		if len(together) == 0 {
			return nil
		}
		for len(together) > 0 {
			if err := st.rewrite(ctx, tx, together, wrote); err != nil {
				return err
			}
			together = slices.DeleteFunc(together, func(i int) bool { return !samePage(before[i], st.rows[i]) })
		}
	}
	for _, row := range st.rows { // no page took them all: another round will
		st.skipped[row.xid] = true
	}
	return nil
}

func samePage(a, b version) bool {
	return a.table == b.table && a.part == b.part && a.id.BlockNumber == b.id.BlockNumber
}

// together lists the rows that stayed on their page although more of their small
// transaction stand there than chance would have brought.
func (st *stroke) together(before []version) []int {
	type place struct{ table, part, page, xid uint32 }
	on, stayed := map[place]int{}, map[place][]int{}
	for i, row := range st.rows {
		at := place{uint32(row.table), row.part, row.id.BlockNumber, row.xid}
		for _, p := range []place{at, {at.table, at.part, at.page, 0}, {table: at.table, xid: at.xid}, {table: at.table}} {
			on[p]++
		}
		if samePage(before[i], row) && !st.group.cover[row.xid] {
			stayed[at] = append(stayed[at], i)
		}
	}
	var all []int
	for at, rows := range stayed {
		share := float64(on[place{table: at.table, xid: at.xid}]) / float64(on[place{table: at.table}])
		chance := share * float64(on[place{at.table, at.part, at.page, 0}])
		if len(rows) > 1 && float64(on[at]) > chance+3*math.Sqrt(chance)+1 {
			all = append(all, rows...)
		}
	}
	return all
}

// written counts the rows that this transaction has written so far, where triggers
// or rules could write some.
func (st *stroke) written(ctx context.Context, tx pgx.Tx) (map[string]schema.Written, error) {
	if st.plan.Proof.Writes.SQL == "" {
		return nil, nil
	}
	b := &pgx.Batch{}
	b.Queue(st.plan.Proof.Writes.SQL)
	results := tx.SendBatch(ctx, b)
	all, err := schema.ReadWritten(results)
	return all, errors.Join(err, results.Close())
}

// checkWritten refuses the tables with triggers if anything was written besides the
// rows themselves: it could show which rows were mixed together.
func (st *stroke) checkWritten(ctx context.Context, tx pgx.Tx, before map[string]schema.Written, wrote map[string]int64) error {
	now, err := st.written(ctx, tx)
	if err != nil || now == nil {
		return err
	}
	for table, w := range now {
		of := st.plan.Proof.Tables[table].Place.Table
		if was := before[table]; w.Inserted == was.Inserted && w.Deleted == was.Deleted && w.Updated-was.Updated == wrote[of] {
			continue
		}
		refusal := &tableRefusal{}
		var triggers []string
		for _, t := range st.plan.Mixed {
			if len(t.Triggers) > 0 && wrote[t.Table] > 0 {
				refusal.tables, triggers = append(refusal.tables, t.Table), append(triggers, t.Triggers...)
			}
		}
		if len(refusal.tables) == 0 {
			return nil // nothing of ours has run a trigger
		}
		slices.Sort(triggers)
		refusal.why = fmt.Sprintf("triggers on %s write other rows when rows are written again (%s)",
			strings.Join(refusal.tables, ", "), strings.Join(slices.Compact(triggers), ", "))
		return refusal
	}
	return nil
}

// findTimes finds columns that still tell when a small transaction was: a trigger
// or a rule wrote the time, and writing the row again did not change it.
func (st *stroke) findTimes(ctx context.Context, tx pgx.Tx) error {
	for i, t := range st.plan.Mixed {
		if t.Times == "" {
			continue
		}
		var parts, ids, during []string
		var xids []uint32
		for _, row := range st.rows {
			if when := st.group.during[row.xid]; row.table == i && when != "" {
				parts, ids = append(parts, strconv.FormatUint(uint64(row.part), 10)), append(ids, tid(row.id))
				during, xids = append(during, when), append(xids, row.xid)
			}
		}
		if len(ids) == 0 {
			continue
		}
		rows, err := tx.Query(ctx, t.Times, parts, ids, during)
		if err != nil {
			return err
		}
		var n int64
		var column string
		_, err = pgx.ForEachRow(rows, []any{&n, &column}, func() error {
			st.dated[xids[n-1]] = t.Table + "." + column
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
