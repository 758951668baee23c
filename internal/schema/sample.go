package schema

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/mapinit"
	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/internal/plan"
)

// The survey runs on a live database, so each sample is limited. A question that it
// cannot answer becomes a TODO in the proposed map.
const (
	sampleRows    = 2000
	sampleTimeout = time.Second
	samplePaths   = 40               // JSON paths that are reported
	surveyTimeout = 30 * time.Second // for each query of the catalog
)

// Survey reads the catalog and samples rows, for a first map. It reads from the
// rows only counts, and texts that are a word of the question: the name of a table
// of the database, or a key inside JSON such as "email".
func Survey(ctx context.Context, url string, o mapinit.Options) (*plan.Catalog, *mapinit.Facts, error) {
	conn, err := pgsession.Connect(ctx, url, "oubli map init")
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := pgsession.UsePath(ctx, conn, o.ClientTable.Schema, o.ClientTable.Relation); err != nil {
		return nil, nil, err
	}
	var cat *plan.Catalog
	var facts *mapinit.Facts
	err = reading(ctx, conn, surveyTimeout, func(tx pgx.Tx) (err error) {
		if cat, err = ReadCatalog(ctx, tx); err != nil {
			return err
		}
		facts, err = readFacts(ctx, tx)
		return err
	})
	if err != nil {
		return nil, nil, pgfault.Wrap("survey", err)
	}
	questions, client, err := mapinit.Questions(cat, o)
	if err != nil {
		return nil, nil, err
	}
	for _, q := range questions {
		a, err := answer(ctx, conn, q, client)
		if err != nil {
			return nil, nil, err
		}
		facts.Answers = append(facts.Answers, a)
	}
	return cat, facts, nil
}

// factsSQL reads from the catalog what a first map needs and a plan does not: the
// labels of enums, the tables that views read, and the functions of triggers.
const factsSQL = `
SELECT jsonb_build_object(
  'Enums', (SELECT coalesce(jsonb_object_agg(format_type(e.enumtypid, -1), e.labels), '{}') FROM (
    SELECT enumtypid, jsonb_agg(enumlabel ORDER BY enumsortorder) AS labels FROM pg_enum GROUP BY enumtypid) e),
  'Views', (SELECT coalesce(jsonb_agg(jsonb_build_object(
      'Schema', n.nspname,
      'Name', v.relname,
      'Materialized', v.relkind = 'm',
      'Reads', d.reads) ORDER BY n.nspname, v.relname), '[]')
    FROM pg_class v JOIN pg_namespace n ON n.oid = v.relnamespace
    JOIN LATERAL (
      SELECT jsonb_agg(DISTINCT jsonb_build_object('Schema', rn.nspname, 'Name', r.relname)) AS reads
      FROM pg_rewrite w
      JOIN pg_depend p ON p.classid = 'pg_rewrite'::regclass AND p.objid = w.oid AND p.refclassid = 'pg_class'::regclass
      JOIN pg_class r ON r.oid = coalesce(pg_partition_root(p.refobjid), p.refobjid) AND r.oid <> v.oid
      JOIN pg_namespace rn ON rn.oid = r.relnamespace
      WHERE w.ev_class = v.oid) d ON d.reads IS NOT NULL
    WHERE v.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'oubli')),
  'Triggers', (SELECT coalesce(jsonb_agg(jsonb_build_object(
      'Schema', n.nspname,
      'Table', c.relname,
      'Name', t.tgname,
      'Function', t.tgfoid::regproc || '()',
      'InsertOnly', t.tgtype & 24 = 0,
      'When', CASE WHEN t.tgtype & 2 <> 0 THEN 'before ' ELSE 'after ' END
        || concat_ws(' or ',
          CASE WHEN t.tgtype & 4 <> 0 THEN 'insert' END,
          CASE WHEN t.tgtype & 16 <> 0 THEN 'update' END,
          CASE WHEN t.tgtype & 8 <> 0 THEN 'delete' END)
        || CASE WHEN t.tgtype & 1 <> 0 THEN ' of each row' ELSE '' END) ORDER BY n.nspname, c.relname, t.tgname), '[]')
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'))`

func readFacts(ctx context.Context, db querier) (*mapinit.Facts, error) {
	var raw []byte
	if err := db.QueryRow(ctx, factsSQL).Scan(&raw); err != nil {
		return nil, pgfault.Wrap("read views and types", err)
	}
	var facts mapinit.Facts
	return &facts, json.Unmarshal(raw, &facts)
}

// unanswered matches the SQLSTATEs after which a question stays unanswered: no
// permission, a timeout, a value that cannot be cast, or a foreign server that does
// not answer.
var unanswered = regexp.MustCompile(`^(42501|57014|55000|55P03|(22|HV|08|58).{3})$`)

// answer samples rows to answer one question.
func answer(ctx context.Context, conn *pgx.Conn, q mapinit.Question, client mapinit.Client) (mapinit.Answer, error) {
	a := mapinit.Answer{Question: q}
	err := reading(ctx, conn, sampleTimeout, func(tx pgx.Tx) error {
		switch q.Kind {
		case mapinit.AskReference:
			return tx.QueryRow(ctx, referenceSQL(q, client)).Scan(&a.Sampled, &a.Distinct, &a.Hits)
		case mapinit.AskPair:
			return readSpellings(ctx, tx, &a, pairSQL(q, client), q.Words)
		case mapinit.AskKeys:
			return readSpellings(ctx, tx, &a, keysSQL(q), q.Words, append(append([]string{}, q.Words...), q.Within...))
		}
		return fmt.Errorf("sample: unknown question %s", q.Kind)
	})
	if state := pgfault.State(err); err != nil && unanswered.MatchString(state) {
		return mapinit.Answer{Question: q, Unread: true}, nil
	}
	return a, pgfault.Wrap("sample "+q.Schema+"."+q.Table, err)
}

// reading runs f in a read-only transaction with a limit for each statement's time.
// The limit ends with the transaction, so that it does not stay set in the session
// of a pooler.
func reading(ctx context.Context, conn *pgx.Conn, limit time.Duration, f func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL statement_timeout = %d", limit.Milliseconds())); err != nil {
			return err
		}
		return f(tx)
	})
}

func readSpellings(ctx context.Context, tx pgx.Tx, a *mapinit.Answer, sql string, args ...any) error {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	var text *string
	var found mapinit.Spelling
	_, err = pgx.ForEachRow(rows, []any{&text, &found.Rows, &found.Hits}, func() error {
		if text == nil { // the row with the total
			a.Sampled = found.Rows
			return nil
		}
		found.Text = *text
		a.Spelled = append(a.Spelled, found)
		return nil
	})
	return err
}

// sampleSQL samples columns of a table. The limit counts all rows, not only rows
// with a value: otherwise a column full of NULLs would make PostgreSQL read the
// whole table.
func sampleSQL(q mapinit.Question, columns ...string) string {
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = pgx.Identifier{c}.Sanitize()
	}
	return fmt.Sprintf("SELECT %s FROM %s LIMIT %d", strings.Join(quoted, ", "), pgx.Identifier{q.Schema, q.Table}.Sanitize(), sampleRows)
}

// isKey returns the SQL condition that the text v is a client's key. Only text that
// has the form of a key is cast to the key's type.
func isKey(c mapinit.Client) string {
	key, form := "v", ""
	switch c.Key.Base {
	case "int2", "int4":
		form = `^-?[0-9]{1,4}$`
		if c.Key.Base == "int4" {
			form = `^-?[0-9]{1,9}$`
		}
	case "int8":
		form = `^-?[0-9]{1,18}$`
	case "uuid":
		form = `^[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}$`
	}
	if form != "" {
		key = fmt.Sprintf("CASE WHEN v ~ '%s' THEN v::%s END", form, c.Key.Base)
	}
	return fmt.Sprintf("EXISTS (SELECT FROM %s AS k WHERE k.%s = %s)",
		pgx.Identifier{c.Relation.Schema, c.Relation.Name}.Sanitize(), pgx.Identifier{c.Key.Name}.Sanitize(), key)
}

func referenceSQL(q mapinit.Question, c mapinit.Client) string {
	return fmt.Sprintf(`
SELECT count(v), count(DISTINCT v), count(*) FILTER (WHERE %s) FROM (SELECT s.v::text AS v FROM (%s) AS s (v)) AS t`,
		isKey(c), sampleSQL(q, q.Column))
}

func pairSQL(q mapinit.Question, c mapinit.Client) string {
	typ := "typ::text"
	if schema, table, ok := strings.Cut(q.TypeTable, "."); ok {
		typ = fmt.Sprintf("(SELECT app_label || '.' || model FROM %s AS d WHERE d.id = s.typ)", pgx.Identifier{schema, table}.Sanitize())
	}
	return fmt.Sprintf(`
WITH s AS MATERIALIZED (SELECT %s AS typ, v::text AS v FROM (%s) AS s (typ, v))
SELECT NULL, count(typ), 0 FROM s
UNION ALL (
SELECT typ, count(*), count(*) FILTER (WHERE %s) FROM s
WHERE regexp_replace(lower(regexp_replace(typ, '^.*[.:/\\]', '')), '[^a-z0-9]', '', 'g') = ANY ($1::text[])
GROUP BY typ ORDER BY typ)`, typ, sampleSQL(q, q.TypeColumn, q.Column), isKey(c))
}

// keysSQL searches JSON objects but no lists, because json_remove takes no path
// through a list. It returns a path only if each of its keys is a word of the
// question, because other keys may be personal data, such as addresses.
func keysSQL(q mapinit.Question) string {
	return fmt.Sprintf(`
WITH RECURSIVE doc AS MATERIALIZED (SELECT row_number() OVER () AS n, j::jsonb AS j FROM (%s) AS s (j) WHERE j IS NOT NULL),
walk AS (
  SELECT n, '{}'::text[] AS path, j, '' AS word FROM doc
  UNION ALL
  SELECT n, path || e.key, e.value, regexp_replace(lower(e.key), '[^a-z0-9]', '', 'g')
  FROM walk CROSS JOIN LATERAL jsonb_each(CASE WHEN jsonb_typeof(j) = 'object' THEN j ELSE '{}' END) AS e
  WHERE cardinality(path) < 4 AND regexp_replace(lower(e.key), '[^a-z0-9]', '', 'g') = ANY ($2::text[]) AND strpos(e.key, '.') = 0)
SELECT NULL, count(*), 0 FROM doc
UNION ALL (
SELECT array_to_string(path, '.'), count(DISTINCT n), 0 FROM walk WHERE word = ANY ($1::text[]) AND jsonb_typeof(j) <> 'object'
GROUP BY path ORDER BY path LIMIT %d)`, sampleSQL(q, q.Column), samplePaths)
}
