package repository

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/jobs"
)

// clearDue clears rows whose retention period is over and counts the others. If it
// had to leave rows that other sessions lock, it is not finished and runs again.
func (w *sweep) clearDue(ctx context.Context) error {
	before, err := w.count(ctx, w.Sweep, w.params)
	if err != nil {
		return err
	}
	if before.due == 0 {
		return w.finish(ctx, before)
	}
	if err := w.intend(ctx); err != nil {
		return err
	}
	after := make([]*string, w.RowColumns)
	for {
		rows, err := w.find(ctx, after)
		if err != nil {
			return err
		}
		n := len(rows[0])
		for from := 0; from < n; from += sweepRows {
			if err := w.clearBatch(ctx, sliceRows(rows, from, min(from+sweepRows, n))); err != nil {
				return err
			}
		}
		if n < sweepFinds {
			break
		}
		for i := range after {
			after[i] = &rows[i][n-1]
		}
	}
	left, err := w.count(ctx, w.Sweep, w.params)
	if err != nil {
		return err
	}
	// If a column never reads back the rule's value, its rows stay due for ever.
	// Trying them once a day is enough.
	forEver := left.due > before.due-w.rows
	if left.due <= w.sumRefused() || forEver {
		return errors.Join(w.finish(ctx, left), w.tellOutcome(ctx))
	}
	if err := w.storeCount(ctx, left); err != nil {
		return err
	}
	return w.pause(ctx, "rows are left that other sessions lock, or that a trigger keeps unchanged")
}

func (w *sweep) sumRefused() int64 {
	var sum int64
	for _, n := range w.refused {
		sum += n
	}
	return sum
}

// find names the next rows whose period is over, part by part.
func (w *sweep) find(ctx context.Context, after []*string) ([][]string, error) {
	args, err := bind(sweepFindParams{w.params, after}, w.Find)
	if err != nil {
		return nil, err
	}
	names := make([][]string, w.RowColumns)
	err = w.tx(ctx, "find what is over", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, w.Find.SQL, args...)
		if err != nil {
			return err
		}
		name, into := make([]string, w.RowColumns), make([]any, w.RowColumns)
		for i := range name {
			into[i] = &name[i]
		}
		_, err = pgx.ForEachRow(rows, into, func() error {
			for i := range name {
				names[i] = append(names[i], name[i])
			}
			return nil
		})
		return err
	})
	return names, err
}

// sliceRows returns a range of named rows.
func sliceRows(rows [][]string, from, to int) [][]string {
	part := make([][]string, len(rows))
	for i := range rows {
		part[i] = rows[i][from:to]
	}
	return part
}

// clearBatch clears rows in one transaction, all but those that the database
// refuses.
func (w *sweep) clearBatch(ctx context.Context, rows [][]string) error {
	var cleared int64
	var refused map[string]int64
	err := w.fenced(ctx, "sweep retained columns", func(tx pgx.Tx) (err error) {
		refused = map[string]int64{}
		// A deferred constraint would fail at COMMIT and roll back all rows.
		if _, err = tx.Exec(ctx, "SET CONSTRAINTS ALL IMMEDIATE"); err != nil {
			return err
		}
		if cleared, err = w.clear(ctx, tx, rows, refused); err != nil {
			return err
		}
		w.opts.Failpoint("sweep:cleared")
		if cleared > 0 {
			if err := recordResidue(ctx, tx, nil); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `UPDATE oubli.retention_sweeps SET rows = rows + $4, lease_until = clock_timestamp() + $5::interval
			WHERE tenant_id = $1 AND name = $2 AND day = $3::date`, w.tenant, w.Name, w.day, cleared, sweepLease)
		if err == nil {
			_, err = tx.Exec(ctx, `UPDATE oubli.retained SET cleared = cleared + $3 WHERE tenant_id = $1 AND name = $2`,
				w.tenant, w.Name, cleared)
		}
		return err
	})
	if err != nil {
		return err
	}
	w.opts.Failpoint("sweep:committed")
	w.rows += cleared
	for code, n := range refused {
		w.refused[code] += n
	}
	return nil
}

// clear applies the rules to rows. When the database refuses them for a permanent
// reason, or a trigger undoes what the rules did, it halves them until the refused
// row is alone: one row that violates a CHECK must not keep the others longer than
// the law allows.
func (w *sweep) clear(ctx context.Context, tx pgx.Tx, rows [][]string, refused map[string]int64) (int64, error) {
	args, err := bind(sweepClearParams{w.params, rows}, w.Clear)
	if err != nil {
		return 0, err
	}
	var cleared int64
	err = pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {
		if w.Proof != nil {
			cleared, err = w.clearAndProve(ctx, savepoint.Conn(), rows)
			return err
		}
		tag, err := savepoint.Exec(ctx, w.Clear.SQL, args...)
		cleared = tag.RowsAffected()
		return err
	})
	if err == nil {
		return cleared, nil
	}
	code, ofRows := refusedRows(err)
	if !ofRows {
		return 0, err
	}
	n := len(rows[0])
	if n == 1 {
		refused[code]++
		return 0, nil
	}
	first, err := w.clear(ctx, tx, sliceRows(rows, 0, n/2), refused)
	if err != nil {
		return 0, err
	}
	second, err := w.clear(ctx, tx, sliceRows(rows, n/2, n), refused)
	return first + second, err
}

// refusedRows reports whether single rows can be the cause of an error, and its
// code. A trigger can raise any SQLSTATE for one row, so only errors that speak of
// other sessions, of the pooler, or of a connection that is gone are excluded. In
// an outage the sweep's own writes in the same transaction fail too, and nothing
// is recorded as refused.
func refusedRows(err error) (code string, ofRows bool) {
	if e, ok := errors.AsType[*jobs.Error](err); ok && e.Code == jobs.CodeNotErased {
		return e.Code + ":" + e.Detail, true
	}
	pg := pgfault.Answered(err)
	if pg == nil || pgfault.Contention(pg) {
		return "", false
	}
	if !pgfault.Raised(pg) && (pg.Code == "26000" || pg.Code == "42P05" || pg.Code == "42501" && pg.Where == "") {
		return "", false // our own statement lacks the right
	}
	if name := pgfault.Constraint(pg); name != "" {
		return pg.Code + ":" + name, true
	}
	return pg.Code, true
}

// finish ends the day's sweep with what is left.
func (w *sweep) finish(ctx context.Context, left retainedCount) error {
	zone := "Etc/GMT+12" // where a day is the last to begin
	if w.law != nil && w.law.TimeZone != "" {
		zone = w.law.TimeZone
	}
	return w.fenced(ctx, "finish sweep", func(tx pgx.Tx) error {
		for _, st := range w.Sweep.Tidy {
			args, err := bind(w.params, st)
			if err == nil {
				_, err = tx.Exec(ctx, st.SQL, args...)
			}
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `UPDATE oubli.retention_sweeps SET finished_at = now(), lease_until = NULL, last_error = '', refused = $4,
			next_at = (($3::date + 1)::timestamp AT TIME ZONE $5::text)
			WHERE tenant_id = $1 AND name = $2 AND day = $3::date`, w.tenant, w.Name, w.day, w.refused, zone)
		if err != nil {
			return err
		}
		if err := storeCount(ctx, tx, w.tenant, w.Sweep, left); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE oubli.retained SET swept_at = now(), refused = $3 WHERE tenant_id = $1 AND name = $2",
			w.tenant, w.Name, w.sumRefused())
		if err == nil { // what an earlier map counted means nothing any more
			_, err = tx.Exec(ctx, "DELETE FROM oubli.retained WHERE tenant_id = $1 AND name <> ALL($2)", w.tenant, sweepNames(w.plan))
		}
		return err
	})
}

// storeCount stores a count without ending the sweep.
func (w *sweep) storeCount(ctx context.Context, left retainedCount) error {
	return w.fenced(ctx, "store count", func(tx pgx.Tx) error { return storeCount(ctx, tx, w.tenant, w.Sweep, left) })
}
