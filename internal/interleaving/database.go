package interleaving

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Database is a database that every run begins with as it is now.
type Database struct {
	admin    *pgx.Conn   // has the rows of now in temporary tables
	sessions []*pgx.Conn // of the application
	resetSQL string
	readSQL  string
	drawn    map[string]map[string]bool // the values that columns with a sequence have, by table and column
}

// sessions is how many transactions of the application there may be in a run.
const sessions = 2

// Keep remembers the rows of all tables of a database, control tables included.
func Keep(ctx context.Context, url string) (*Database, error) {
	d := &Database{}
	var err error
	if d.admin, err = pgx.Connect(ctx, url); err != nil {
		return nil, err
	}
	for range sessions {
		c, err := pgx.Connect(ctx, url)
		if err != nil {
			return nil, err
		}
		d.sessions = append(d.sessions, c)
	}
	if err := d.save(ctx); err != nil {
		return nil, err
	}
	if err := d.saveDrawn(ctx); err != nil {
		return nil, err
	}
	rows, err := d.admin.Query(ctx, `SELECT format('SELECT %L, to_jsonb(t)::text FROM %I AS t', relname, relname)
		FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace ORDER BY relname`)
	if err != nil {
		return nil, err
	}
	parts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	parts = append(parts,
		`SELECT ' outcome', jsonb_build_object('client', client_id, 'outcome', outcome, 'code', code, 'until', retained_until)::text
			FROM oubli.exceptions`,
		`SELECT ' counts', jsonb_build_object('erased', sum(erased), 'retained', sum(erased_retained),
			'skipped', sum(skipped), 'failed', sum(failed), 'gone', sum(not_found))::text FROM oubli.tasks`,
		`SELECT ' profile', jsonb_build_object('key', client_key)::text FROM oubli.anonymous_profiles`)
	d.readSQL = strings.Join(parts, "\nUNION ALL ")
	return d, nil
}

// Close ends the sessions.
func (d *Database) Close(ctx context.Context) {
	for _, c := range append([]*pgx.Conn{d.admin}, d.sessions...) {
		if c != nil {
			_ = c.Close(ctx)
		}
	}
}

// save copies the rows into temporary tables, which no catalog query of the program
// counts as the application's, and writes the statements that bring them back.
// Triggers and foreign keys do not run then.
func (d *Database) save(ctx context.Context) error {
	rows, err := d.admin.Query(ctx, `
		SELECT c.oid::regclass::text, string_agg(quote_ident(attname), ', ' ORDER BY attnum)
		FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
		WHERE c.relkind = 'r' AND c.relnamespace IN ('public'::regnamespace, 'oubli'::regnamespace)
		  AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
		GROUP BY c.oid ORDER BY 1`)
	if err != nil {
		return err
	}
	type table struct{ name, columns string }
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t table, err error) { return t, row.Scan(&t.name, &t.columns) })
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("SET session_replication_role = replica;\n")
	for i, t := range all {
		if _, err := d.admin.Exec(ctx, fmt.Sprintf("CREATE TEMP TABLE kept_%d AS SELECT %s FROM ONLY %s", i, t.columns, t.name)); err != nil {
			return err
		}
		fmt.Fprintf(&b, "DELETE FROM ONLY %s;\nINSERT INTO %[1]s (%s) OVERRIDING SYSTEM VALUE SELECT %[2]s FROM kept_%d;\n", t.name, t.columns, i)
	}
	rows, err = d.admin.Query(ctx, `
		SELECT format('SELECT setval(%L, %s, %L);', format('%I.%I', schemaname, sequencename),
		  coalesce(last_value, start_value), last_value IS NOT NULL)
		FROM pg_sequences WHERE schemaname IN ('public', 'oubli')`)
	if err != nil {
		return err
	}
	sequences, err := pgx.CollectRows(rows, pgx.RowTo[string])
	b.WriteString(strings.Join(sequences, "\n") + "\nSET session_replication_role = origin;")
	d.resetSQL = b.String()
	return err
}

// saveDrawn notes what columns with a sequence hold.
func (d *Database) saveDrawn(ctx context.Context) error {
	d.drawn = map[string]map[string]bool{}
	rows, err := d.admin.Query(ctx, `
		SELECT format('SELECT %L, %I::text FROM %I UNION ALL SELECT %1$L, NULL', relname || '.' || attname, attname, relname)
		FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid LEFT JOIN pg_attrdef ON adrelid = c.oid AND adnum = attnum
		WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace
		  AND (attidentity <> '' OR pg_get_expr(adbin, adrelid) LIKE 'nextval%')`)
	if err != nil {
		return err
	}
	parts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(parts) == 0 {
		return err
	}
	if rows, err = d.admin.Query(ctx, strings.Join(parts, " UNION ALL ")); err != nil {
		return err
	}
	var column string
	var value *string
	_, err = pgx.ForEachRow(rows, []any{&column, &value}, func() error {
		if d.drawn[column] == nil {
			d.drawn[column] = map[string]bool{}
		}
		if value != nil {
			d.drawn[column][*value] = true
		}
		return nil
	})
	return err
}

func (d *Database) reset(ctx context.Context) error {
	_, err := d.admin.Exec(ctx, d.resetSQL)
	return err
}

// Content is what a database holds: one line for each row, in order. Anonymous
// profiles are left out, since there may be one more or less, and what refers to
// one refers to "profile", since which one is drawn. A number that a sequence gave
// is "drawn", and a point in time that is as good as now is "now".
type Content []string

func (d *Database) content(ctx context.Context) (Content, error) {
	rows, err := d.admin.Query(ctx, d.readSQL)
	if err != nil {
		return nil, err
	}
	type line struct {
		table string
		row   map[string]string
	}
	var lines []line
	profiles := map[string]bool{}
	var table, text string
	_, err = pgx.ForEachRow(rows, []any{&table, &text}, func() error {
		row, err := columns(text)
		if table == " profile" {
			profiles[row["key"]] = true
			return err
		}
		lines = append(lines, line{table, row})
		return err
	})
	if err != nil {
		return nil, err
	}
	var all Content
	for _, l := range lines {
		if profiles[l.row["id"]] && l.table == "clients" {
			continue
		}
		var b strings.Builder
		b.WriteString(l.table)
		for _, column := range slices.Sorted(maps.Keys(l.row)) {
			value := normal(l.row[column], profiles)
			if had, drawn := d.drawn[l.table+"."+column]; drawn && !had[value] && !profiles[l.row[column]] {
				value = "drawn"
			}
			fmt.Fprintf(&b, " %s=%s", column, value)
		}
		all = append(all, b.String())
	}
	slices.Sort(all)
	return all, nil
}

// columns are a row's columns as text. NULL is left out.
func columns(text string) (map[string]string, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		return nil, err
	}
	row := map[string]string{}
	for column, raw := range values {
		var s string
		switch {
		case string(raw) == "null":
			continue
		case json.Unmarshal(raw, &s) != nil:
			s = string(raw)
		}
		row[column] = s
	}
	return row, nil
}

func normal(value string, profiles map[string]bool) string {
	if profiles[value] {
		return "profile"
	}
	for key := range profiles { // in a text that tells of a row
		value = strings.ReplaceAll(value, key, "profile")
	}
	if at, err := time.Parse(time.RFC3339Nano, value); err == nil && time.Since(at).Abs() < time.Hour {
		return "now"
	}
	return value
}

// Differences lists the lines that are in one only, those of c with a plus.
func (c Content) Differences(other Content) []string {
	count := map[string]int{}
	for _, line := range c {
		count[line]++
	}
	for _, line := range other {
		count[line]--
	}
	var all []string
	for _, line := range slices.Sorted(maps.Keys(count)) {
		switch n := count[line]; {
		case n > 0:
			all = append(all, "+ "+line)
		case n < 0:
			all = append(all, "- "+line)
		}
	}
	return all
}
