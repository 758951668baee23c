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
	fmt.Fprintf(&b, "-- Least privileges of oubli, for the map %s. Run it as the owner of the tables, after\n-- oubli migrate, and again whenever the map changes.\n", oneLine(p.Map.File))
	fmt.Fprintf(&b, "-- The roles are made elsewhere:\n--   CREATE ROLE %s LOGIN PASSWORD '…';\n--   CREATE ROLE %s LOGIN PASSWORD '…';\n", ident(api), ident(worker))

	for _, role := range []struct {
		name, does string
		grants     []Grant
	}{
		{api, "oubli serve: reads what requests and selections need; changes nothing of the application's", apiGrants},
		{worker, "oubli worker, oubli serve --worker: erases", workerGrants},
	} {
		fmt.Fprintf(&b, "\n-- %s\n", role.does)
		fmt.Fprintf(&b, "GRANT USAGE ON SCHEMA oubli TO %s;\n", ident(role.name))
		fmt.Fprintf(&b, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA oubli TO %s;\n", ident(role.name))
		fmt.Fprintf(&b, "REVOKE INSERT, UPDATE, DELETE ON oubli.schema_version FROM %s;\n", ident(role.name))
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
	fmt.Fprintf(&b, "\n-- The sequences behind the columns of an anonymous profile, where there are any.\n%s\n", p.compiled.sequences(worker))
	for _, r := range p.Map.Refresh {
		fmt.Fprintf(&b, "\n-- Only its owner can refresh %s: make %s a member of the owner's role.\n", oneLine(r.View.String()), ident(worker))
	}
	return b.String()
}

// sequences grants what the defaults of a new client row draw numbers from.
func (c *compiler) sequences(role string) string {
	return fmt.Sprintf(`DO $$ DECLARE seq text;
BEGIN
  FOR seq IN SELECT DISTINCT pg_get_serial_sequence(%s, attname) FROM pg_attribute
             WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped LOOP
    IF seq IS NOT NULL THEN EXECUTE format('GRANT USAGE ON SEQUENCE %%s TO %%I', seq, %s); END IF;
  END LOOP;
END $$;`, literal(c.client.ident()), literal(c.client.ident()), literal(role))
}
