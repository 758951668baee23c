package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/jobs"
)

// absorbPasses is how often a chunk erases again what its own triggers write.
// Triggers that answer each deletion with a new row never come to an end.
const absorbPasses = 5

// proof is a chunk's proof under way: what it remembers of the time before it
// wrote anything. Its values never leave the process.
type proof struct {
	plan.Proof
	rows     captured
	before   map[string]schema.Written // by schema.table, before the chunk wrote anything
	absorbed map[string]int64          // rows that were erased although they were not there before, by table
	updated  map[string]int64          // rows that our own statements have updated, by table
}

// captured are the rows of each capture, column by column.
type captured [][][]*string

// column finds a column by the name that the plan gives it: capture/column.
func (c captured) column(name string) ([]*string, error) {
	capture, column, _ := strings.Cut(name, "/")
	i, _ := strconv.Atoi(capture) // package plan wrote both
	n, _ := strconv.Atoi(column)
	if i >= len(c) || n >= len(c[i]) {
		return nil, errNoValue
	}
	return c[i][n], nil
}

// startProof remembers what the chunk is about to change, and locks it.
func startProof(ctx context.Context, conn *pgx.Conn, c changes) (*proof, error) {
	pr := &proof{Proof: c.proof, absorbed: map[string]int64{}, updated: c.updated}
	b := &pgx.Batch{}
	for _, capture := range c.proof.Captures {
		if err := queue(b, c.params, capture.Statement); err != nil {
			return nil, err
		}
	}
	if c.proof.Writes.SQL != "" {
		b.Queue(c.proof.Writes.SQL)
	}
	results := conn.SendBatch(ctx, b)
	for _, capture := range c.proof.Captures {
		rows, err := readColumns(results, capture.Columns)
		if err != nil {
			return nil, errors.Join(err, results.Close())
		}
		pr.rows = append(pr.rows, rows)
	}
	if c.proof.Writes.SQL != "" {
		var err error
		if pr.before, err = schema.ReadWritten(results); err != nil {
			return nil, errors.Join(err, results.Close())
		}
	}
	return pr, results.Close()
}

func readColumns(results pgx.BatchResults, n int) ([][]*string, error) {
	rows, err := results.Query()
	if err != nil {
		return nil, err
	}
	columns, row, into := make([][]*string, n), make([]*string, n), make([]any, n)
	for i := range columns {
		columns[i] = []*string{} // never nil, which would be NULL
		into[i] = &row[i]
	}
	_, err = pgx.ForEachRow(rows, into, func() error {
		for i, value := range row {
			columns[i] = append(columns[i], value)
			row[i] = nil
		}
		return nil
	})
	return columns, err
}

// errProveAll says that a brief proof does not suffice, because something other
// than the chunk's own statements wrote rows.
var errProveAll = errors.New("triggers have written rows")

// countWritten counts rows that triggers inserted and that a later statement of
// the chunk has erased already.
func (pr *proof) countWritten(changed map[string]int64) {
	before := map[string]int64{}
	for i, capture := range pr.Captures {
		before[capture.Table] += int64(len(pr.rows[i][0]))
	}
	for table, n := range changed {
		pr.absorbed[table] += max(0, n-before[table])
	}
}

// params are the chunk's own and what it remembers.
func (pr *proof) params(c changes) params { return capturedParams{c.params, pr.rows} }

// absorb erases rows that the chunk's own triggers have written into mapped
// tables, until there are none, and adds them to the rows that were changed.
func (pr *proof) absorb(ctx context.Context, conn *pgx.Conn, c changes, changed map[string]int64) error {
	for range absorbPasses {
		b := &pgx.Batch{}
		if err := queue(b, pr.params(c), pr.Absorb...); err != nil {
			return err
		}
		b.Queue("set constraints all immediate")
		results := conn.SendBatch(ctx, b)
		var found int64
		for _, st := range pr.Absorb {
			tag, err := results.Exec()
			if err != nil {
				return errors.Join(err, results.Close())
			}
			changed[st.Table] += tag.RowsAffected()
			pr.absorbed[st.Table] += tag.RowsAffected()
			if tag.Update() {
				pr.updated[st.Table] += tag.RowsAffected()
			}
			found += tag.RowsAffected()
		}
		if _, err := results.Exec(); err != nil {
			return errors.Join(err, results.Close())
		}
		if err := results.Close(); err != nil || found == 0 {
			return err
		}
	}
	return nil // the probes find what is still there
}

// probe looks whether everything is as the chunk is about to record it.
func (pr *proof) probe(ctx context.Context, conn *pgx.Conn, c changes, changed map[string]int64) error {
	b := &pgx.Batch{}
	if err := queue(b, pr.params(c), pr.Probes...); err != nil {
		return err
	}
	if pr.Writes.SQL != "" {
		b.Queue(pr.Writes.SQL)
	}
	results := conn.SendBatch(ctx, b)
	for _, st := range pr.Probes {
		if err := readProbe(results, st); err != nil {
			return errors.Join(err, results.Close())
		}
	}
	if pr.Writes.SQL != "" {
		now, err := schema.ReadWritten(results)
		if err == nil && pr.Full != nil {
			err = pr.explainAll(now, changed)
		} else if err == nil {
			err = pr.explainInserted(now)
		}
		if err != nil {
			return errors.Join(err, results.Close())
		}
	}
	return results.Close()
}

// readProbe reads the answer to a statement that looks for what must not exist.
func readProbe(results pgx.BatchResults, st plan.Statement) error {
	var column *string
	err := results.QueryRow().Scan(&column)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	place := st.Place
	if column != nil {
		place.Column = *column // a name that package plan wrote
	}
	return notErased(place)
}

// explainAll accepts the writes since the chunk began if they are those of the
// chunk's own statements, and nothing else.
func (pr *proof) explainAll(now map[string]schema.Written, changed map[string]int64) error {
	left := pr.byCount(changed)
	for table, w := range now {
		meaning, before := pr.Tables[table], pr.before[table]
		if w.InsertedBy(before, meaning.Moves, pr.updated[meaning.Place.Table]) != 0 {
			return errProveAll
		}
		left[meaning.Counted] -= w.Updated + w.Deleted - before.Updated - before.Deleted
	}
	for _, n := range left {
		if n != 0 { // something else has written
			return errProveAll
		}
	}
	return nil
}

// byCount adds up rows by the table with which they are counted.
func (pr *proof) byCount(rows map[string]int64) map[string]int64 {
	sums, counted := map[string]int64{}, map[string]string{}
	for _, meaning := range pr.Tables {
		counted[meaning.Place.Table] = meaning.Counted
	}
	for table, n := range rows {
		sums[cmp.Or(counted[table], table)] += n
	}
	return sums
}

// explainInserted refuses rows that triggers have inserted since the chunk began
// and that it has not erased again: nobody knows what of a client they hold.
func (pr *proof) explainInserted(now map[string]schema.Written) error {
	updated, absorbed, inserted, changed := pr.byCount(pr.updated), pr.byCount(pr.absorbed), map[string]int64{}, map[string]int64{}
	for _, table := range slices.Sorted(maps.Keys(now)) { // the same error each time
		meaning := pr.Tables[table]
		changed[meaning.Counted] += now[table].Updated - pr.before[table].Updated
		inserted[meaning.Counted] += now[table].InsertedBy(pr.before[table], meaning.Moves, pr.updated[meaning.Place.Table])
		if meaning.Keyless && changed[meaning.Counted] > updated[meaning.Counted] ||
			meaning.Matters && inserted[meaning.Counted] > absorbed[meaning.Counted] {
			return notErased(meaning.Place)
		}
	}
	return nil
}

// notErased says where the chunk found something that it was to erase. It names
// table, column and triggers, and never a value.
func notErased(at plan.Place) error {
	where := at.Table
	if at.Column != "" {
		where += "." + at.Column
	}
	if len(at.Triggers) > 0 {
		where += fmt.Sprintf(" (triggers and rules: %s)", strings.Join(at.Triggers, ", "))
	}
	return &jobs.Error{Kind: jobs.Invalid, Code: jobs.CodeNotErased, Detail: where,
		Msg: "not erased: " + where + " still holds what was to be erased"}
}
