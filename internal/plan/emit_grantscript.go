package plan

import (
	"fmt"
	"slices"
	"strings"
)

// GrantScript is the SQL that gives two roles the least privileges under which
// the API and the workers can run. It may be repeated.
func (p *Plan) GrantScript(api, worker string) string {
	var b strings.Builder
	apiGrants, workerGrants := p.Grants()
	fmt.Fprintf(&b, `-- Least privileges of oubli, for the map %s. Run it as the owner of the tables, after
-- oubli migrate, and again whenever the map changes.
-- Create the roles yourself:
--   CREATE ROLE %s LOGIN PASSWORD '…';
--   CREATE ROLE %s LOGIN PASSWORD '…';
`, oneLine(p.Map.File), ident(api), ident(worker))

	for _, role := range []struct {
		name, does string
		control    func(role string) string
		grants     []Grant
	}{
		{api, "oubli serve: reads what requests and selections need; changes nothing of the application's", apiControlGrants, apiGrants},
		{worker, "oubli worker, oubli serve --worker: erases", workerControlGrants, workerGrants},
	} {
		fmt.Fprintf(&b, "\n-- %s\n", role.does)
		fmt.Fprintf(&b, "GRANT USAGE ON SCHEMA oubli TO %s;\n", ident(role.name))
		b.WriteString(role.control(role.name))
		var schemas []string
		for _, g := range role.grants {
			if !slices.Contains(schemas, g.Schema) {
				schemas = append(schemas, g.Schema)
				fmt.Fprintf(&b, "GRANT USAGE ON SCHEMA %s TO %s;\n", g.Schema, ident(role.name))
			}
		}
		for _, g := range role.grants {
			fmt.Fprintf(&b, "%s -- %s\n", g.SQL(role.name), oneLine(g.Because))
		}
	}
	fmt.Fprintf(&b, `
-- The planner's statistics hold real values until they are refreshed. The function refreshes them
-- with the rights of its own owner, which must be the owner of the tables or of the database.
GRANT EXECUTE ON FUNCTION oubli.analyze(regclass) TO %s;

-- The sequences that the columns of an anonymous profile use, if there are any.
%s
`, ident(worker), emitter{model: p.model}.sequenceGrants(worker))
	for _, r := range p.Map.Refresh {
		fmt.Fprintf(&b, `
-- Before PostgreSQL 17 only its owner can refresh %s: let a role own it that may read
-- what the view reads and nothing else, and make %s a member of that role.
`, oneLine(r.View.String()), oneLine(ident(worker)))
		if view := p.model.catalog.Relation(r.View); view != nil {
			fmt.Fprintf(&b, "DO $$ BEGIN %s IF current_setting('server_version_num')::int >= 170000 THEN EXECUTE %s; END IF; END $$;\n", pinnedPath,
				literal(fmt.Sprintf("GRANT MAINTAIN ON %s TO %s", view.ident(), ident(worker))))
		}
	}
	b.WriteString(`
-- The server's own log quotes rows that PostgreSQL refuses to change. A superuser keeps the errors
-- of these roles out of it; oubli logs their SQLSTATE, table and constraint itself.
`)
	for _, role := range []string{api, worker} {
		b.WriteString(quietLog(role))
	}
	return b.String()
}

// apiControlTables are the control tables that the API writes: it accepts and
// controls jobs, dispatches their tasks, ends cancelled jobs, and tidies up. It
// may not write the others. Above all, only workers say which client rows are
// anonymous profiles: what is kept of all erased clients is put on those rows.
var apiControlTables = []struct{ rights, table string }{
	{"INSERT, UPDATE", "jobs"},
	{"INSERT, UPDATE", "tasks"},
	{"INSERT, UPDATE, DELETE", "selections"},
	{"INSERT, UPDATE, DELETE", "selection_parts"},
	{"INSERT, UPDATE, DELETE", "sorted_parts"},
	{"INSERT, UPDATE, DELETE", "console_sessions"},
	{"UPDATE", "service"},
	{"UPDATE, DELETE", "events"},
	{"INSERT, UPDATE, DELETE", "idempotency_keys"},
	{"INSERT", "stale_views"},
	{"INSERT", "residues"},
	{"INSERT", "second_looks"},
	{"DELETE", "retention_sweeps"},
}

func apiControlGrants(role string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "REVOKE INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA oubli FROM %s; -- earlier scripts granted more\n", ident(role))
	fmt.Fprintf(&b, "GRANT SELECT ON ALL TABLES IN SCHEMA oubli TO %s;\n", ident(role))
	fmt.Fprintf(&b, "REVOKE SELECT ON oubli.former_values FROM %s; -- values of erased clients are for the workers\n", ident(role))
	for _, t := range apiControlTables {
		fmt.Fprintf(&b, "GRANT %s ON oubli.%s TO %s;\n", t.rights, t.table, ident(role))
	}
	return b.String()
}

func workerControlGrants(role string) string {
	return fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA oubli TO %[1]s;\n"+
		"REVOKE INSERT, UPDATE, DELETE ON oubli.schema_version FROM %[1]s;\n", ident(role))
}

// quietLog keeps a role's errors out of the server's log. Only a superuser may set
// this, and for a role rather than a session.
func quietLog(role string) string {
	return fmt.Sprintf(`DO $$ BEGIN
  ALTER ROLE %[1]s SET log_min_messages = 'log';
EXCEPTION WHEN insufficient_privilege THEN
  RAISE WARNING 'as a superuser, run: ALTER ROLE %% SET log_min_messages = ''log''', %[2]s;
END $$;
`, ident(role), literal(ident(role)))
}

// pinnedPath is the first statement of each block of the script. Whoever runs the
// script has rights that a function in a schema of the search path must not get.
const pinnedPath = "PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);"

// sequenceGrants grants the sequences that the defaults of a new client row use:
// those of identity columns, and those that a default names, whether or not the
// column owns them.
func (em emitter) sequenceGrants(role string) string {
	return fmt.Sprintf(`DO $$ DECLARE seq pg_catalog.text;
BEGIN
  %[3]s
  FOR seq IN SELECT pg_get_serial_sequence(%[1]s, attname) FROM pg_attribute
             WHERE attrelid = %[1]s::regclass AND attnum > 0 AND NOT attisdropped
             UNION SELECT s.oid::regclass::text FROM pg_attrdef AS a
             JOIN pg_depend AS d ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid AND d.refclassid = 'pg_class'::regclass
             JOIN pg_class AS s ON s.oid = d.refobjid AND s.relkind = 'S'
             WHERE a.adrelid = %[1]s::regclass LOOP
    IF seq IS NOT NULL THEN EXECUTE format('GRANT USAGE ON SEQUENCE %%s TO %%I', seq, %[2]s); END IF;
  END LOOP;
END $$;`, literal(em.client.ident()), literal(role), pinnedPath)
}
