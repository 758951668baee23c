package schema

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
)

// triggerNeedsSQL finds triggers whose functions name an object of a schema without
// naming the schema. Objects of other owners are left out: a stranger must not be able
// to make a gap.
const triggerNeedsSQL = `
SELECT DISTINCT ON (n.nspname, c.relname, tg.tgname) n.nspname, c.relname, tg.tgname, object.name
FROM pg_trigger AS tg
JOIN pg_class AS c ON c.oid = tg.tgrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_proc AS p ON p.oid = tg.tgfoid
JOIN pg_language AS l ON l.oid = p.prolang
CROSS JOIN LATERAL regexp_matches(p.prosrc, '(?<![\w$."])[[:alpha:]_][\w$]*', 'g') AS word
JOIN (
  SELECT relname AS name, relnamespace AS schema, relowner AS owner FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  UNION SELECT proname, pronamespace, proowner FROM pg_proc
  UNION SELECT typname, typnamespace, typowner FROM pg_type WHERE typrelid = 0) AS object ON lower(word[1]) = object.name
JOIN pg_roles AS owner ON owner.oid = object.owner
WHERE NOT tg.tgisinternal AND tg.tgenabled <> 'D' AND l.lanname NOT IN ('c', 'internal') AND p.prosqlbody IS NULL
  AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS setting WHERE setting LIKE 'search\_path=%')
  AND object.schema = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND (object.owner = c.relowner OR owner.rolsuper)
  AND NOT EXISTS (SELECT FROM pg_proc AS own WHERE own.proname = object.name AND own.pronamespace = 'pg_catalog'::regnamespace)
ORDER BY 1, 2, 3, 4`

// findTriggerNeeds returns a gap for each trigger on a mapped table that would not
// find what it names, because strangers may create in the schema.
func findTriggerNeeds(ctx context.Context, conn *pgx.Conn, p *plan.Plan, open []plan.OpenSchema) (plan.Gaps, error) {
	var gaps plan.Gaps
	for _, o := range open {
		rows, err := conn.Query(ctx, triggerNeedsSQL, o.Name)
		if err != nil {
			return nil, pgfault.Wrap("read triggers", err)
		}
		var table plan.Reference
		var trigger, object string
		if _, err := pgx.ForEachRow(rows, []any{&table.Schema, &table.Name, &trigger, &object}, func() error {
			if gap, mapped := p.TriggerNeeds(table, trigger, object, o); mapped {
				gaps = append(gaps, gap)
			}
			return nil
		}); err != nil {
			return nil, pgfault.Wrap("read triggers", err)
		}
	}
	return gaps, nil
}
