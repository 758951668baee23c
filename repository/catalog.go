package repository

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/plan"
)

// querier is what reads the catalog: a pool or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// userRelations are the tables and materialized views of the application.
// Partitions are seen as their root.
const userRelations = `
  SELECT c.oid, n.nspname, c.relname, c.relkind
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'oubli') AND n.nspname !~ '^pg_(toast|temp)'`

// fingerprintSQL changes its answer whenever something does that a plan was
// compiled from.
const fingerprintSQL = `
WITH rel AS (` + userRelations + `), part AS (
  SELECT rel.oid AS root, p.relid FROM rel CROSS JOIN LATERAL pg_partition_tree(rel.oid) p WHERE rel.relkind = 'p'
  UNION ALL SELECT oid, oid FROM rel WHERE relkind <> 'p'), fact AS (
  SELECT format('c %s %s %s %s %s %s', a.attrelid, a.attname, a.atttypid, a.attnotnull, a.attgenerated, a.atthasdef) AS f
  FROM pg_attribute a JOIN rel ON a.attrelid = rel.oid WHERE a.attnum > 0 AND NOT a.attisdropped
  UNION ALL SELECT format('k %s %s %s %s', part.root, con.conname, con.contype, pg_get_constraintdef(con.oid))
  FROM pg_constraint con JOIN part ON con.conrelid = part.relid WHERE con.contype IN ('f', 'p', 'u', 'x') AND con.conparentid = 0
  UNION ALL SELECT format('i %s %s %s', i.indrelid, pg_get_indexdef(i.indexrelid), i.indisvalid) FROM pg_index i JOIN rel ON i.indrelid = rel.oid
  UNION ALL SELECT format('t %s %s %s %s', tg.tgrelid, tg.tgname, tg.tgtype, tg.tgenabled)
  FROM pg_trigger tg JOIN rel ON tg.tgrelid = rel.oid WHERE NOT tg.tgisinternal
  UNION ALL SELECT format('r %s %s %s %s', rel.oid, rel.nspname, rel.relname, rel.relkind) FROM rel
  UNION ALL SELECT 's ' || array_to_string(current_schemas(false), ','))
SELECT encode(sha256(convert_to(string_agg(f, E'\n' ORDER BY f), 'UTF8')), 'hex') FROM fact`

const catalogSQL = `
WITH rel AS (` + userRelations + `)
SELECT jsonb_build_object(
  'search_path', to_jsonb(current_schemas(false)),
  'relations', (SELECT jsonb_agg(jsonb_build_object(
    'schema', nspname, 'name', relname, 'kind', relkind,
    'columns', (
      SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
        'name', a.attname,
        'type', format_type(a.atttypid, -1),
        'base', coalesce(e.typname, b.typname),
        'category', coalesce(e.typcategory, b.typcategory),
        'array', CASE WHEN e.oid IS NOT NULL THEN true END,
        'not_null', CASE WHEN a.attnotnull OR t.typnotnull THEN true END,
        'default', CASE WHEN (a.atthasdef AND a.attgenerated = '') OR a.attidentity <> '' THEN true END,
        'generated', CASE WHEN a.attgenerated <> '' THEN true END)) ORDER BY a.attnum)
      FROM pg_attribute a
      JOIN pg_type t ON t.oid = a.atttypid
      JOIN LATERAL (
        WITH RECURSIVE d AS (
          SELECT t.oid, t.typtype, t.typbasetype
          UNION ALL SELECT u.oid, u.typtype, u.typbasetype FROM d JOIN pg_type u ON u.oid = d.typbasetype WHERE d.typtype = 'd')
        SELECT p.* FROM d JOIN pg_type p ON p.oid = d.oid WHERE d.typtype <> 'd') b ON true
      LEFT JOIN pg_type e ON b.typcategory = 'A' AND e.oid = b.typelem
      WHERE a.attrelid = rel.oid AND a.attnum > 0 AND NOT a.attisdropped),
    'primary_key', (
      SELECT jsonb_agg(a.attname ORDER BY k.n)
      FROM pg_constraint con CROSS JOIN LATERAL unnest(con.conkey) WITH ORDINALITY k(att, n)
      JOIN pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = k.att
      WHERE con.conrelid = rel.oid AND con.contype = 'p'),
    'indexes', (
      SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
        'name', ic.relname,
        'keys', (SELECT jsonb_agg(CASE WHEN i.indkey[n - 1] = 0 THEN pg_get_indexdef(i.indexrelid, n, false)
                                       ELSE (SELECT attname::text FROM pg_attribute WHERE attrelid = rel.oid AND attnum = i.indkey[n - 1]) END ORDER BY n)
                 FROM generate_series(1, i.indnkeyatts) n),
        'expression', (SELECT jsonb_agg(i.indkey[n - 1] = 0 ORDER BY n) FROM generate_series(1, i.indnkeyatts) n),
        'predicate', pg_get_expr(i.indpred, i.indrelid),
        'unique', CASE WHEN i.indisunique THEN true END,
        'exclusion', CASE WHEN i.indisexclusion THEN true END,
        'nulls_not_distinct', CASE WHEN coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) THEN true END)) ORDER BY ic.relname)
      FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
      WHERE i.indrelid = rel.oid AND i.indislive),
    'foreign', (
      SELECT jsonb_agg(DISTINCT jsonb_build_object(
        'name', con.conname, 'columns', k.columns,
        'parent_schema', pn.nspname, 'parent', pc.relname, 'parent_columns', k.parents))
      FROM (SELECT rel.oid AS relid UNION SELECT relid FROM pg_partition_tree(rel.oid)) part
      JOIN pg_constraint con ON con.conrelid = part.relid AND con.contype = 'f' AND con.conparentid = 0
      JOIN pg_class pc ON pc.oid = coalesce(pg_partition_root(con.confrelid), con.confrelid)
      JOIN pg_namespace pn ON pn.oid = pc.relnamespace
      CROSS JOIN LATERAL (
        SELECT jsonb_agg(c.attname ORDER BY u.n) AS columns, jsonb_agg(p.attname ORDER BY u.n) AS parents
        FROM unnest(con.conkey, con.confkey) WITH ORDINALITY u(child, parent, n)
        JOIN pg_attribute c ON c.attrelid = con.conrelid AND c.attnum = u.child
        JOIN pg_attribute p ON p.attrelid = con.confrelid AND p.attnum = u.parent) k),
    'triggers', (
      SELECT jsonb_agg(DISTINCT jsonb_build_object('name', tg.tgname))
      FROM pg_trigger tg
      WHERE tg.tgrelid = rel.oid AND NOT tg.tgisinternal AND tg.tgenabled <> 'D' AND tg.tgtype & 24 <> 0)
  ) ORDER BY nspname, relname) FROM rel))`

// ReadCatalog reads what a plan needs to know of the live schema.
func ReadCatalog(ctx context.Context, db querier) (*plan.Catalog, error) {
	var raw []byte
	if err := db.QueryRow(ctx, catalogSQL).Scan(&raw); err != nil {
		return nil, fault("read catalog", err)
	}
	var cat plan.Catalog
	if err := json.Unmarshal(raw, &cat); err != nil {
		return nil, err
	}
	if err := db.QueryRow(ctx, fingerprintSQL).Scan(&cat.Fingerprint); err != nil {
		return nil, fault("read catalog fingerprint", err)
	}
	return &cat, nil
}
