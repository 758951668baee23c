package schema

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
)

// pagesToReadSQL is how many percent of a table's pages hold about so many rows.
const pagesToReadSQL = `
WITH rows AS (
  SELECT sum(greatest(c.reltuples, 0)) AS n FROM pg_class AS c
  WHERE c.oid = $1::text::regclass OR c.oid IN (SELECT relid FROM pg_partition_tree($1::text::regclass)))
SELECT least(100, 100.0 * $2::int / greatest(n, 1))::real FROM rows`

// checkSpellings samples rows for discriminators that the map spells otherwise. It
// reads at most 2 * plan.SampledRows rows of a table, and no value leaves the server.
// unread are the tables that could not be sampled: for want of time, or of a right.
func checkSpellings(ctx context.Context, conn *pgx.Conn, p *plan.Plan) (gaps plan.Gaps, unread []string, err error) {
	for _, s := range p.SpellingSamples() {
		var column string
		err := reading(ctx, conn, sampleTimeout, func(tx pgx.Tx) error {
			var pages float32
			if err := tx.QueryRow(ctx, pagesToReadSQL, s.Ident, plan.SampledRows).Scan(&pages); err != nil {
				return err
			}
			return tx.QueryRow(ctx, s.SQL, pages, s.Names, s.Known).Scan(&column)
		})
		switch {
		case errors.Is(err, pgx.ErrNoRows):
		case err == nil:
			gaps = append(gaps, s.Found(column))
		case pgfault.State(err) != "": // no right, no time, or an expression that fails for a row
			unread = append(unread, s.Table)
		default:
			return nil, nil, pgfault.Wrap("sample "+s.Table, err)
		}
	}
	return gaps, unread, nil
}
