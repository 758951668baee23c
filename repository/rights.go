package repository

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
)

// missingRightSQL names the first right that the session's role lacks: on a
// schema, on the tables and columns that the plan needs, or on oubli's own
// tables. A column of ” stands for the whole table, or for all columns with
// SELECT.
const missingRightSQL = `
WITH tables AS (
  SELECT c.oid, c.relname, n.oid AS schema, n.nspname,
    '"' || replace(n.nspname, '"', '""') || '"."' || replace(c.relname, '"', '""') || '"' AS name
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace),
needed AS (
  SELECT t.*, privilege, col
  FROM unnest($1::text[], $2::text[], $3::text[]) AS w (name, privilege, col) JOIN tables AS t USING (name)
  UNION ALL
  SELECT t.*, privilege, ''
  FROM tables AS t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
  WHERE t.nspname = 'oubli'
    AND t.relname IN ('jobs', 'tasks', 'exceptions', 'anonymous_profiles', 'residues', 'stale_views',
      'refreshes', 'second_looks', 'former_values', 'late_rows')),
missing AS (
  SELECT 'USAGE on schema ' || nspname AS what FROM needed WHERE NOT has_schema_privilege(schema, 'USAGE')
  UNION ALL
  SELECT privilege || ' on ' || nspname || '.' || relname FROM needed
  WHERE CASE WHEN col <> '' THEN false
    WHEN privilege = 'SELECT' THEN NOT has_any_column_privilege(oid, privilege)
    ELSE NOT has_table_privilege(oid, privilege) END
  UNION ALL
  SELECT privilege || ' (' || a.attname || ') on ' || nspname || '.' || relname
  FROM needed JOIN pg_attribute AS a ON a.attrelid = needed.oid AND a.attnum > 0 AND NOT a.attisdropped
  WHERE CASE WHEN a.attname = col OR col = '' AND privilege = 'SELECT'
    THEN NOT has_column_privilege(needed.oid, a.attnum, privilege) ELSE false END)
SELECT what FROM missing ORDER BY what NOT LIKE 'USAGE%', what LIKE '%(%', what LIMIT 1`

// missingRight names a right that the plan needs and that the workers' role lacks;
// empty: none is missing.
func (s *Store) missingRight(ctx context.Context, p *plan.Plan) (missing string, err error) {
	var tables, privileges, columns []string
	need := func(table, privilege string, of ...string) {
		for _, column := range of {
			tables, privileges, columns = append(tables, table), append(privileges, privilege), append(columns, column)
		}
	}
	_, worker := p.Grants()
	for _, g := range worker {
		if g.Select {
			need(g.Table, "SELECT", "")
		}
		if g.Delete {
			need(g.Table, "DELETE", "")
		}
		need(g.Table, "INSERT", g.Insert...)
		need(g.Table, "UPDATE", g.Update...)
	}
	err = s.pool.QueryRow(ctx, missingRightSQL, tables, privileges, columns).Scan(&missing)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return missing, pgfault.Wrap("look for missing rights", err)
}
