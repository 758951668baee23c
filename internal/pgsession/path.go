package pgsession

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
)

// A role that may create functions or operators in a schema of the search path can
// choose types that fit a call better than those of pg_catalog. Its code would run
// whenever a statement of oubli makes that call, with the rights of oubli. Names that
// are looked up have no safe spelling in all places (IN, BETWEEN, IS DISTINCT FROM),
// so oubli does not rely on spelling. No statement runs while such a schema is on the
// search path:
//
//   - [Set] leaves pg_catalog alone on the path.
//   - [UsePath] puts back the schemas of the path in which only trusted roles may
//     create. Triggers, views and the map's expressions need them.

// pinSQL remembers the schemas of the session's own search path and takes them off.
// It runs under that path, so it has no operator and names the schema of each function.
const pinSQL = `SELECT pg_catalog.set_config('oubli.search_path',
    pg_catalog.array_to_json(pg_catalog.current_schemas(false))::pg_catalog.text, false),
  pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false)`

// PathSQL is the search path that the role and the database have set, as text[],
// under any connection of this package.
const PathSQL = `(SELECT pg_catalog.array_agg(s.name ORDER BY s.place)
  FROM pg_catalog.json_array_elements_text(pg_catalog.current_setting('oubli.search_path')::pg_catalog.json)
    WITH ORDINALITY AS s (name, place))`

func pin(ctx context.Context, conn *pgx.Conn) error {
	// Without RESET, a session that a pooler gives us with our own path would keep it.
	for _, sql := range []string{"RESET search_path", pinSQL} {
		if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	return nil
}

// Path is the search path of a connection.
type Path struct {
	Schemas []string     // in which names are looked up after pg_catalog
	Open    []OpenSchema // schemas of the role's search path that are left out
}

// OpenSchema is a schema in which a role may create functions that nobody trusts
// with the rights of oubli.
type OpenSchema struct {
	Name string `json:"name"`
	Role string `json:"role"` // one that may create there; PUBLIC: every role
}

// openSQL lists the schemas of the role's search path, each with a role that may
// create in it and is not trusted. Trusted are superusers, this role itself, and the
// owners of the database and of the client table: what they have created is the
// operator's own code. Their rights come from the operator, so membership in a
// trusted role does too.
const openSQL = `
WITH path AS (SELECT s.name, s.place FROM unnest(` + PathSQL + `) WITH ORDINALITY AS s (name, place) WHERE s.name <> 'pg_catalog'),
client AS ( -- a name that several schemas have says nothing
  SELECT min(c.relowner::bigint) AS owner
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.relname = $2 AND c.relkind IN ('r', 'p') AND (n.nspname = $1 OR $1 = '' AND n.nspname IN (SELECT name FROM path))
  HAVING count(*) = 1),
trusted AS (
  SELECT oid FROM pg_roles WHERE rolsuper OR rolname = current_user OR rolname = 'pg_database_owner'
  UNION ALL SELECT datdba FROM pg_database WHERE datname = current_database()
  UNION ALL SELECT owner::oid FROM client),
creators AS (
  SELECT n.nspname, n.nspowner AS role FROM pg_namespace AS n
  UNION ALL
  SELECT n.nspname, a.grantee FROM pg_namespace AS n CROSS JOIN LATERAL aclexplode(n.nspacl) AS a WHERE a.privilege_type = 'CREATE')
SELECT path.name, (SELECT CASE c.role WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(c.role) END FROM creators AS c
  WHERE c.nspname = path.name AND c.role NOT IN (SELECT oid FROM trusted) ORDER BY c.role LIMIT 1)
FROM path ORDER BY path.place`

// UsePath puts the schemas of the role's search path back on the path of the
// connection, except for those in which somebody may create functions who is not
// trusted. The owner of the client table is trusted; schema may be empty.
func UsePath(ctx context.Context, conn *pgx.Conn, schema, clientTable string) (Path, error) {
	var p Path
	if _, err := conn.Exec(ctx, "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false)"); err != nil {
		return p, pgfault.Wrap("set search_path", err)
	}
	rows, err := conn.Query(ctx, openSQL, pgx.QueryExecModeExec, schema, clientTable)
	if err != nil {
		return p, pgfault.Wrap("read the search path", err)
	}
	var name string
	var stranger *string
	if _, err = pgx.ForEachRow(rows, []any{&name, &stranger}, func() error {
		if stranger != nil {
			p.Open = append(p.Open, OpenSchema{name, *stranger})
		} else {
			p.Schemas = append(p.Schemas, name)
		}
		return nil
	}); err != nil {
		return p, pgfault.Wrap("read the search path", err)
	}
	if len(p.Schemas) == 0 {
		return p, nil
	}
	quoted := make([]string, len(p.Schemas))
	for i, s := range p.Schemas {
		quoted[i] = pgx.Identifier{s}.Sanitize()
	}
	// Without pg_catalog in the list, PostgreSQL searches it first.
	_, err = conn.Exec(ctx, "SELECT pg_catalog.set_config('search_path', $1, false)", pgx.QueryExecModeExec, strings.Join(quoted, ", "))
	return p, pgfault.Wrap("set search_path", err)
}
