package schema

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
)

// publicationsSQL lists tables that are published without their updates or
// deletes.
const publicationsSQL = `
SELECT p.pubname, t.schemaname, t.tablename FROM pg_publication AS p JOIN pg_publication_tables AS t USING (pubname)
WHERE NOT (p.pubupdate AND p.pubdelete) ORDER BY 2, 3, 1`

// publicationWarnings returns warnings about mapped tables whose rows are sent to
// subscribers of logical replication, but not their updates or deletes: data that
// is erased here is kept there.
func publicationWarnings(ctx context.Context, conn *pgx.Conn, m *erasuremap.Map, cat *plan.Catalog) ([]plan.Warning, error) {
	rows, err := conn.Query(ctx, publicationsSQL)
	if err != nil {
		return nil, pgfault.Wrap("read publications", err)
	}
	mapped := map[*plan.Relation]bool{cat.Relation(m.Client.Table): true}
	for _, t := range m.Tables {
		mapped[cat.Relation(t.Table)] = true
	}
	var all []plan.Warning
	var publication, schema, table string
	_, err = pgx.ForEachRow(rows, []any{&publication, &schema, &table}, func() error {
		if r := cat.Relation(erasuremap.Name{Schema: schema, Relation: table}); r != nil && mapped[r] {
			all = append(all, plan.Warning{Table: schema + "." + table,
				Why: fmt.Sprintf("publication %s sends inserted rows but not their updates or deletes: "+
					"subscribers keep data that is erased here", publication),
				Fix: fmt.Sprintf("ALTER PUBLICATION %s SET (publish = 'insert, update, delete')", pgx.Identifier{publication}.Sanitize())})
		}
		return nil
	})
	return all, pgfault.Wrap("read publications", err)
}
