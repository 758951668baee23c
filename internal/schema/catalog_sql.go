package schema

import "github.com/oubli/oubli/internal/pgsession"

// userSchemas is the condition on pg_namespace n that selects the application's
// schemas.
const userSchemas = `n.nspname NOT IN ('pg_catalog', 'information_schema', 'oubli') AND n.nspname !~ '^pg_(toast|temp)'`

// pathSQL is the search path that the role and the database have set, as text[]. On
// a connection of pgsession the current one may be shorter.
const pathSQL = `CASE WHEN coalesce(current_setting('oubli.search_path', true), '') = '' THEN current_schemas(false)::text[]
  ELSE ` + pgsession.PathSQL + ` END`

// catalogSQL reads a plan.Catalog as one JSON document. It runs once for each
// version of the schema, so it is written for clarity and not for speed. Columns
// that PostgreSQL 14 lacks are read through to_jsonb.
const catalogSQL = `
WITH RECURSIVE rel AS (
  SELECT c.oid, n.nspname, c.relname, c.relkind
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.relispartition AND ` + userSchemas + `),
part AS ( -- every table with the root of its partition tree
  SELECT oid AS root, oid AS relid FROM rel
  UNION
  SELECT rel.oid, tree.relid FROM rel CROSS JOIN LATERAL pg_partition_tree(rel.oid) AS tree WHERE relkind = 'p'),
below AS ( -- and with those that inherit from it, whose triggers run too
  SELECT root, relid FROM part
  UNION
  SELECT below.root, i.inhrelid FROM below JOIN pg_inherits AS i ON i.inhparent = below.relid),
under AS ( -- the base of each type, without its domains and arrays
  SELECT DISTINCT a.atttypid AS typ, a.atttypid AS base, false AS is_array, false AS not_null, false AS has_default
  FROM pg_attribute AS a JOIN rel ON a.attrelid = rel.oid WHERE a.attnum > 0 AND NOT a.attisdropped
  UNION
  SELECT u.typ, CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END, u.is_array OR t.typtype <> 'd',
    u.not_null OR (t.typnotnull AND NOT u.is_array), u.has_default OR (t.typdefault IS NOT NULL AND NOT u.is_array)
  FROM under AS u JOIN pg_type AS t ON t.oid = u.base
  WHERE t.typtype = 'd' OR (t.typcategory = 'A' AND t.typelem <> 0)),
copied AS ( -- the relations whose rows a materialized view holds, through any views
  SELECT rel.oid AS view, rel.oid AS source, rel.relkind FROM rel WHERE relkind = 'm'
  UNION
  SELECT copied.view, coalesce(pg_partition_root(c.oid), c.oid), c.relkind
  FROM copied
  JOIN pg_rewrite AS w ON w.ev_class = copied.source
  JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
    AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> w.ev_class
  JOIN pg_class AS c ON c.oid = d.refobjid
  WHERE copied.relkind IN ('m', 'v') AND c.relkind IN ('r', 'p', 'm', 'v', 'f'))
SELECT jsonb_build_object(
  'search_path', to_jsonb(` + pathSQL + `),
  'relations', (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
    'schema', nspname, 'name', relname, 'kind', relkind,
    'columns', (
      SELECT jsonb_agg(jsonb_build_object(
        'name', a.attname,
        'type', format_type(a.atttypid, -1),
        'base', t.typname,
        'category', t.typcategory,
        'type_schema', (SELECT n.nspname FROM pg_namespace AS n
                        WHERE n.oid = t.typnamespace AND n.nspname <> 'pg_catalog' AND t.typtype NOT IN ('e', 'c')),
        'array', nullif(last.is_array, false),
        'collation', (SELECT quote_ident(n.nspname) || '.' || quote_ident(co.collname)
                      FROM pg_collation AS co JOIN pg_namespace AS n ON n.oid = co.collnamespace
                      WHERE co.oid = a.attcollation AND NOT co.collisdeterministic),
        'not_null', nullif(a.attnotnull OR last.not_null, false),
        'default', nullif((a.atthasdef AND a.attgenerated = '') OR a.attidentity <> '' OR last.has_default, false),
        'generated', nullif(a.attgenerated <> '' OR a.attidentity = 'a', false),
        'computed', (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef AS d
                     WHERE a.attgenerated <> '' AND d.adrelid = a.attrelid AND d.adnum = a.attnum)) ORDER BY a.attnum)
      FROM pg_attribute AS a
      JOIN under AS last ON last.typ = a.atttypid
      JOIN pg_type AS t ON t.oid = last.base AND t.typtype <> 'd' AND (t.typcategory <> 'A' OR t.typelem = 0)
      WHERE a.attrelid = rel.oid AND a.attnum > 0 AND NOT a.attisdropped),
    'primary_key', (
      SELECT jsonb_agg(a.attname ORDER BY k.n)
      FROM pg_constraint AS con CROSS JOIN LATERAL unnest(con.conkey) WITH ORDINALITY AS k(att, n)
      JOIN pg_attribute AS a ON a.attrelid = con.conrelid AND a.attnum = k.att
      WHERE con.conrelid = rel.oid AND con.contype = 'p'),
    'indexes', (
      SELECT jsonb_agg(jsonb_build_object(
        'name', ic.relname,
        'method', am.amname,
        'keys', (
          SELECT jsonb_agg(CASE WHEN i.indkey[n - 1] = 0 THEN pg_get_indexdef(i.indexrelid, n, false)
            ELSE (SELECT attname::text FROM pg_attribute WHERE attrelid = i.indrelid AND attnum = i.indkey[n - 1]) END ORDER BY n)
          FROM generate_series(1, i.indnkeyatts) AS n),
        'expression', (SELECT jsonb_agg(i.indkey[n - 1] = 0 ORDER BY n) FROM generate_series(1, i.indnkeyatts) AS n),
        'predicate', pg_get_expr(i.indpred, i.indrelid),
        'unique', nullif(i.indisunique, false),
        'exclusion', nullif(i.indisexclusion, false),
        'nulls_not_distinct', nullif((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false),
        'unusable', nullif(NOT i.indisvalid OR i.indrelid <> rel.oid, false)) ORDER BY ic.relname)
      FROM part
      JOIN pg_index AS i ON i.indrelid = part.relid
      JOIN pg_class AS ic ON ic.oid = i.indexrelid
      JOIN pg_am AS am ON am.oid = ic.relam
      WHERE part.root = rel.oid AND i.indislive
        AND (i.indrelid = rel.oid OR (NOT ic.relispartition AND (i.indisunique OR i.indisexclusion)))),
    'foreign', (
      SELECT jsonb_agg(jsonb_strip_nulls(f) ORDER BY f ->> 'name')
      FROM ( -- the same key on each partition is one key
        SELECT jsonb_build_object('name', min(con.conname), 'columns', k.columns,
          'parent_schema', pn.nspname, 'parent', pc.relname, 'parent_columns', k.parents,
          'on_delete', CASE con.confdeltype WHEN 'c' THEN 'cascade' WHEN 'n' THEN 'set null' WHEN 'd' THEN 'set default' END,
          'deferred', nullif(con.condeferred, false)) AS f
        FROM part
        JOIN pg_constraint AS con ON con.conrelid = part.relid AND con.contype = 'f' AND con.conparentid = 0
        JOIN pg_class AS pc ON pc.oid = coalesce(pg_partition_root(con.confrelid), con.confrelid)
        JOIN pg_namespace AS pn ON pn.oid = pc.relnamespace
        CROSS JOIN LATERAL (
          SELECT jsonb_agg(c.attname ORDER BY u.n) AS columns, jsonb_agg(p.attname ORDER BY u.n) AS parents
          FROM unnest(con.conkey, con.confkey) WITH ORDINALITY AS u(child, parent, n)
          JOIN pg_attribute AS c ON c.attrelid = con.conrelid AND c.attnum = u.child
          JOIN pg_attribute AS p ON p.attrelid = con.confrelid AND p.attnum = u.parent) AS k
        WHERE part.root = rel.oid
        GROUP BY k.columns, pn.nspname, pc.relname, k.parents, con.confdeltype, con.condeferred) AS keys),
    'triggers', ( -- tgtype: 4 INSERT, 8 DELETE, 16 UPDATE
      SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('name', name, 'insert', nullif(NOT changes, false))) ORDER BY name)
      FROM (SELECT tg.tgname AS name, bool_or(tg.tgtype & 24 <> 0) AS changes
        FROM below JOIN pg_trigger AS tg ON tg.tgrelid = below.relid
        WHERE below.root = rel.oid AND NOT tg.tgisinternal AND tg.tgparentid = 0 AND tg.tgenabled <> 'D' AND tg.tgtype & 28 <> 0
        GROUP BY tg.tgname) AS triggers),
    'rules', ( -- ev_type: 2 UPDATE, 3 INSERT, 4 DELETE
      SELECT jsonb_agg(jsonb_build_object('name', w.rulename, 'insert', nullif(w.ev_type = '3', false)) ORDER BY w.rulename)
      FROM pg_rewrite AS w
      WHERE w.ev_class = rel.oid AND w.ev_type IN ('2', '3', '4') AND w.ev_enabled <> 'D'),
    'checks', (
      SELECT jsonb_agg(cols ORDER BY cols)
      FROM pg_constraint AS con CROSS JOIN LATERAL (
        SELECT jsonb_agg(a.attname ORDER BY a.attname) AS cols FROM pg_attribute AS a
        WHERE a.attrelid = con.conrelid AND a.attnum = ANY(con.conkey)) AS c
      WHERE con.conrelid = rel.oid AND con.contype = 'c' AND cardinality(con.conkey) > 1),
    'partitioned_by', ( -- with an expression among the keys, any column may be one
      SELECT jsonb_agg(DISTINCT a.attname)
      FROM part JOIN pg_partitioned_table AS pt ON pt.partrelid = part.relid
      JOIN pg_attribute AS a ON a.attrelid = pt.partrelid AND a.attnum > 0 AND NOT a.attisdropped
        AND (a.attnum = ANY(pt.partattrs::int2[]) OR pt.partexprs IS NOT NULL)
      WHERE part.root = rel.oid),
    'row_security', nullif(row_security_active(rel.oid), false),
    'detaching', (
      SELECT jsonb_agg(c.relname ORDER BY c.relname)
      FROM part JOIN pg_inherits AS i ON i.inhparent = part.relid JOIN pg_class AS c ON c.oid = i.inhrelid
      WHERE part.root = rel.oid AND i.inhdetachpending),
    'inherited', nullif(relkind = 'r' AND EXISTS (SELECT FROM pg_inherits WHERE inhparent = rel.oid), false),
    'inherits', (
      SELECT jsonb_agg(jsonb_build_object('schema', n.nspname, 'name', c.relname) ORDER BY i.inhseqno)
      FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhparent JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE i.inhrelid = rel.oid),
    'reads', (
      SELECT jsonb_agg(DISTINCT jsonb_build_object('schema', n.nspname, 'name', c.relname))
      FROM copied JOIN pg_class AS c ON c.oid = copied.source JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE copied.view = rel.oid AND copied.source <> rel.oid AND copied.relkind <> 'v'),
    'calls', ( -- functions that can read tables
      SELECT jsonb_agg(DISTINCT n.nspname || '.' || p.proname)
      FROM copied
      JOIN pg_rewrite AS w ON w.ev_class = copied.source
      JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_proc'::regclass
      JOIN pg_proc AS p ON p.oid = d.refobjid AND p.provolatile <> 'i'
      JOIN pg_language AS l ON l.oid = p.prolang AND l.lanname NOT IN ('c', 'internal')
      JOIN pg_namespace AS n ON n.oid = p.pronamespace
      WHERE copied.view = rel.oid AND copied.relkind IN ('m', 'v'))
  )) ORDER BY nspname, relname) FROM rel))`

// FingerprintSQL hashes all parts of the schema that a plan depends on. It runs in
// every chunk, so it reads only catalog rows and no definitions. That is enough:
// an index or a constraint can only be replaced, and the new one has a new oid. New
// statistics do not change the hash. A new partition does not change it either,
// because applications add one every month, unless the partition has a key or a
// unique index of its own.
const FingerprintSQL = `
WITH ns AS MATERIALIZED (SELECT n.oid, n.nspname FROM pg_namespace AS n WHERE ` + userSchemas + `),
rel AS MATERIALIZED (
  SELECT c.oid, c.relnamespace, c.relname, c.relkind, c.relispartition, c.relrowsecurity
  FROM pg_class AS c WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'm', 'v', 'f') AND c.relnamespace IN (SELECT oid FROM ns))
SELECT encode(sha256(convert_to(concat_ws(E'\n',
  array_to_string(` + pathSQL + `, ','),
  (SELECT string_agg(concat_ws(' ', n.oid, n.nspowner, n.nspacl), ',' ORDER BY n.oid) -- who may create there
   FROM pg_namespace AS n WHERE n.nspname = ANY(` + pathSQL + `)),
  (SELECT string_agg(concat_ws(' ', rel.oid, ns.nspname, relname, relkind,
     CASE WHEN relrowsecurity THEN row_security_active(rel.oid) END), ',' ORDER BY rel.oid)
   FROM rel JOIN ns ON ns.oid = relnamespace WHERE relkind <> 'v' AND NOT relispartition),
  (SELECT string_agg(concat_ws(' ', attrelid, attnum, attname, atttypid, atttypmod, attcollation, attnotnull,
     attgenerated, attidentity, atthasdef), ',' ORDER BY attrelid, attnum)
   FROM pg_attribute JOIN rel ON attrelid = rel.oid
   WHERE relkind <> 'v' AND NOT relispartition AND attrelid >= 16384 AND attnum > 0 AND NOT attisdropped),
  (SELECT string_agg(concat_ws(' ', t.oid, typnamespace, typname, typbasetype, typnotnull, typdefault IS NULL), ',' ORDER BY t.oid)
   FROM pg_type AS t JOIN ns ON ns.oid = typnamespace WHERE t.oid >= 16384 AND typrelid = 0 AND typelem = 0),
  (SELECT string_agg(concat_ws(' ', con.oid, condeferred), ',' ORDER BY con.oid)
   FROM pg_constraint AS con JOIN rel ON conrelid = rel.oid WHERE con.oid >= 16384 AND contype IN ('f', 'p') AND conparentid = 0),
  (SELECT string_agg(concat_ws(' ', indexrelid, indisvalid, indislive), ',' ORDER BY indexrelid)
   FROM pg_index JOIN rel ON indrelid = rel.oid
   WHERE indrelid >= 16384 AND (NOT relispartition OR ((indisunique OR indisexclusion)
     AND NOT (SELECT i.relispartition FROM pg_class AS i WHERE i.oid = indexrelid)))),
  (SELECT string_agg(concat_ws(' ', tg.oid, tgname, tgtype, tgenabled), ',' ORDER BY tg.oid)
   FROM pg_trigger AS tg JOIN rel ON tgrelid = rel.oid WHERE NOT tgisinternal AND tgparentid = 0),
  (SELECT string_agg(concat_ws(' ', w.oid, rulename, ev_type, ev_enabled), ',' ORDER BY w.oid)
   FROM pg_rewrite AS w JOIN rel ON ev_class = rel.oid WHERE relkind <> 'v' AND ev_type <> '1' AND w.oid >= 16384),
  (SELECT string_agg(concat_ws(' ', rel.oid, read.refobjid), ',' ORDER BY rel.oid, read.refobjid)
   FROM rel JOIN pg_rewrite AS w ON w.ev_class = rel.oid CROSS JOIN LATERAL (
     SELECT DISTINCT refobjid FROM pg_depend
     WHERE classid = 'pg_rewrite'::regclass AND objid = w.oid AND refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass)) AS read
   WHERE relkind IN ('v', 'm') AND EXISTS (SELECT FROM rel WHERE relkind = 'm')),
  (SELECT string_agg(inhrelid::text, ',' ORDER BY inhrelid) FROM pg_inherits WHERE inhdetachpending),
  (SELECT string_agg(concat_ws(' ', inhrelid, inhparent), ',' ORDER BY inhrelid, inhparent)
   FROM pg_inherits JOIN rel ON rel.oid = inhrelid WHERE NOT relispartition AND relkind IN ('r', 'f'))
), 'UTF8')), 'hex')`
