package repository

import (
	"context"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/oubli/oubli/internal/schema"
)

// clearAndProve applies the rules to rows that triggers may write too, and proves
// what it did as a chunk does. Deferred triggers have run when a statement ends: the
// transaction has set all constraints immediate.
func (w *sweep) clearAndProve(ctx context.Context, conn *pgx.Conn, rows [][]string) (int64, error) {
	locked, before, err := w.remember(ctx, conn, rows)
	if err != nil || len(locked[0]) == 0 {
		return 0, err
	}
	names := make([][]string, w.RowColumns)
	for i := range names {
		for _, part := range locked[i] {
			names[i] = append(names[i], *part)
		}
	}
	params := capturedParams{sweepClearParams{w.params, names}, captured{locked}}
	b := &pgx.Batch{}
	if err := queue(b, params, w.Clear, w.Proof.Probe, w.Proof.Writes); err != nil {
		return 0, err
	}
	results := conn.SendBatch(ctx, b)
	defer results.Close()
	tag, err := results.Exec()
	if err != nil {
		return 0, err
	}
	if err := readProbe(results, w.Proof.Probe); err != nil {
		return 0, err
	}
	now, err := schema.ReadWritten(results)
	if err != nil {
		return 0, err
	}
	for _, table := range slices.Sorted(maps.Keys(now)) { // the same error each time
		meaning, updated := w.Proof.Tables[table], int64(0)
		if meaning.Place.Table == w.Table {
			updated = tag.RowsAffected()
		}
		if meaning.Matters && now[table].InsertedBy(before[table], meaning.Moves, updated) > 0 {
			return 0, notErased(meaning.Place)
		}
	}
	return tag.RowsAffected(), results.Close()
}

// remember locks the rows that are going to be cleared and reads what the proof
// compares.
func (w *sweep) remember(ctx context.Context, conn *pgx.Conn, rows [][]string) ([][]*string, map[string]schema.Written, error) {
	b := &pgx.Batch{}
	if err := queue(b, sweepClearParams{w.params, rows}, w.Proof.Capture.Statement, w.Proof.Writes); err != nil {
		return nil, nil, err
	}
	results := conn.SendBatch(ctx, b)
	defer results.Close()
	locked, err := readColumns(results, w.Proof.Capture.Columns)
	if err != nil {
		return nil, nil, err
	}
	before, err := schema.ReadWritten(results)
	if err != nil {
		return nil, nil, err
	}
	return locked, before, results.Close()
}
