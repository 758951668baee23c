package booking

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Trace is a column that still contains data of a client.
type Trace struct {
	Table, Column string
	Count         int64 // rows
}

// Retained reports whether the trace is in a column that the map keeps for as
// long as tax law requires. After the retention period such a trace is wrong too.
func (t Trace) Retained() bool {
	return t.Table == "invoices" && slices.Contains([]string{"billing_name", "billing_address", "billing_email"}, t.Column)
}

// Traces searches every column of every table and materialized view of schema
// public, as the catalog lists them, for the [Markers] of the given clients, and
// returns where they are, in the order of names. It searches the text form of
// every type, except numbers, booleans, dates and times, whose text cannot contain
// a marker.
func Traces(ctx context.Context, db DB, clientIDs []int64) ([]Trace, error) {
	wanted := make([]string, 0, 3*len(clientIDs))
	for _, id := range clientIDs {
		wanted = append(wanted, Markers(id)...)
	}
	var traces []Trace
	err := inPublic(ctx, db, "search for traces", func(tx pgx.Tx) error {
		searches, err := searches(ctx, tx)
		if err != nil {
			return err
		}
		var b pgx.Batch
		for _, s := range searches {
			b.Queue(s, MarkerPattern, wanted).Query(func(found pgx.Rows) error {
				some, err := pgx.CollectRows(found, pgx.RowToStructByPos[Trace])
				traces = append(traces, some...)
				return err
			})
		}
		return tx.SendBatch(ctx, &b).Close()
	})
	if err != nil {
		return nil, err
	}
	return traces, nil
}

// searches returns one statement for each table. Its parameters are the pattern
// of all markers, and the markers that are wanted. The statement extracts all
// markers and then compares, which costs the same for one client and for thousands.
func searches(ctx context.Context, tx pgx.Tx) ([]string, error) {
	const columns = `
		SELECT c.relname, a.attname, a.atttypid = 'bytea'::regtype
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		JOIN pg_type t ON t.oid = a.atttypid
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition
		  AND t.typcategory NOT IN ('B', 'D', 'N', 'T')
		ORDER BY c.relname, a.attname`
	found, err := tx.Query(ctx, columns)
	if err != nil {
		return nil, err
	}
	var searches, values []string
	var of, table, column string
	flush := func() {
		if len(values) > 0 {
			searches = append(searches, fmt.Sprintf(`
				SELECT %s, name, count(DISTINCT n)
				FROM (
					SELECT k.name, k.value, row_number() OVER () AS n
					FROM %s t CROSS JOIN LATERAL (VALUES %s) k (name, value)
					WHERE k.value ~* $1
				) AS marked CROSS JOIN LATERAL regexp_matches(value, $1, 'gi') AS m (found)
				WHERE lower(found[1]) IN (SELECT unnest($2::text[]))
				GROUP BY name ORDER BY name`,
				literal(of), pgx.Identifier{of}.Sanitize(), strings.Join(values, ", ")))
		}
		values = nil
	}
	var binary bool
	_, err = pgx.ForEachRow(found, []any{&table, &column, &binary}, func() error {
		if table != of {
			flush()
			of = table
		}
		text := "t." + pgx.Identifier{column}.Sanitize()
		if binary { // its text form is hexadecimal, which would hide a marker
			text = "encode(" + text + ", 'escape')"
		}
		values = append(values, fmt.Sprintf("(%s, %s::text)", literal(column), text))
		return nil
	})
	flush()
	return searches, err
}

// literal returns a name as an SQL string.
func literal(name string) string { return "'" + strings.ReplaceAll(name, "'", "''") + "'::text" }
