package interleaving

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/erasuremap"
)

// Statements are the single statements of an application that could matter to what
// the map says about its tables. asked are the keys of clients whom the program is
// about to erase, others those of clients whom it must not touch.
//
// For the first rows of each table they delete the row, insert one like it, lock
// it, and write each column that the map, a guard or an activity looks at, with
// each value that the column has in some row. So rows move to other clients and
// parents and back, guards begin and cease to hold, discriminators and dates
// change, tenants too. Anonymous profiles are touched like other clients.
//
// A row is found by its key alone, or only as long as it is the client's to whom
// it belongs now: an application that means a client's row does not mean the same
// row of a profile. A row that the client has through a parent is then written
// with the parent locked, as docs/fine-print.md tells users: the parent may stay when
// it is the client's no more, and PostgreSQL does not look at it again after the
// statement has waited for the row itself.
func (d *Database) Statements(ctx context.Context, m *erasuremap.Map, asked, others []string) ([]string, error) {
	w := &writer{ctx: ctx, db: d, m: m, clients: append(slices.Clone(asked), others...), parents: map[string]*table{}}
	tables, err := w.tables()
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		if err := w.write(t); err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return w.all, nil
}

// writer writes the statements.
type writer struct {
	ctx     context.Context
	db      *Database
	m       *erasuremap.Map
	clients []string
	parents map[string]*table
	all     []string
}

// table is a table of the application.
type table struct {
	name    string // quoted
	bare    string
	columns []column
	rows    []map[string]string // some of its rows
}

type column struct {
	name     string
	typ      string
	notNull  bool
	toClient bool   // refers to a client
	through  string // the table to whose rows it refers
	watched  bool   // the map looks at it
}

// rowsOfTable is of how many rows of a table there are statements.
const rowsOfTable = 4

func (w *writer) tables() ([]*table, error) {
	rows, err := w.db.admin.Query(w.ctx, `
		SELECT c.relname, attname, format_type(atttypid, atttypmod), attnotnull
		FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
		WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
		  AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
		ORDER BY c.relname, attnum`)
	if err != nil {
		return nil, err
	}
	var all []*table
	var name string
	var col column
	_, err = pgx.ForEachRow(rows, []any{&name, &col.name, &col.typ, &col.notNull}, func() error {
		if len(all) == 0 || all[len(all)-1].bare != name {
			all = append(all, &table{name: ident(name), bare: name})
		}
		c := col
		w.look(name, &c)
		t := all[len(all)-1]
		t.columns = append(t.columns, c)
		return nil
	})
	for _, t := range all {
		if err == nil {
			t.rows, err = w.rows(t)
			w.parents[t.bare] = t
		}
	}
	return all, err
}

// look says what the map sees in a column.
func (w *writer) look(table string, c *column) {
	toClient := func(name string) { c.toClient, c.watched = c.toClient || c.name == name, c.watched || c.name == name }
	watch := func(names ...string) { c.watched = c.watched || slices.Contains(names, c.name) }
	if w.m.Client.Table.Relation == table {
		watch(w.m.Client.Tenant)
		watch(w.m.Client.Name...)
		for _, e := range w.m.Tables {
			watch(e.OwnedBy)
		}
	}
	for _, e := range w.m.Tables {
		switch {
		case e.Table.Relation != table:
			continue
		case e.Through.Relation == "":
			toClient(e.Reference)
		case e.Reference == c.name:
			c.through = e.Through.Relation
		}
		watch(e.Reference)
		watch(words(e.Where)...)
		if e.Retain != nil {
			watch(e.Retain.Since)
		}
		for _, r := range e.Columns {
			if r.Kind != erasuremap.KeepValue {
				watch(r.Column)
			}
		}
	}
	for _, g := range w.m.Guards {
		switch {
		case g.Table.Relation == table:
			toClient(g.Reference)
			watch(words(g.Where)...)
		case g.Table.Relation == "" && w.m.Client.Table.Relation == table:
			watch(words(g.Where)...)
		}
	}
	for _, a := range w.m.Activity {
		if a.Table.Relation == table {
			toClient(a.Reference)
			watch(a.At)
			watch(words(a.Where)...)
		}
	}
}

// words are all of an expression that could be columns.
func words(sql string) []string {
	return strings.FieldsFunc(sql, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
}

func (w *writer) rows(t *table) ([]map[string]string, error) {
	limit := rowsOfTable
	if t.bare == w.m.Client.Table.Relation {
		limit = 20
	}
	rows, err := w.db.admin.Query(w.ctx, fmt.Sprintf("SELECT to_jsonb(t)::text FROM %s AS t ORDER BY t LIMIT %d", t.name, limit))
	if err != nil {
		return nil, err
	}
	var all []map[string]string
	var text string
	_, err = pgx.ForEachRow(rows, []any{&text}, func() error {
		row, err := columns(text)
		all = append(all, row)
		return err
	})
	return all, err
}

func (w *writer) write(t *table) error {
	clients := t.bare == w.m.Client.Table.Relation
	for i, row := range t.rows {
		same := "id = " + quoted(row["id"])
		belongs := w.belongs(t, row)
		w.add("DELETE FROM %s WHERE %s", t.name, same)
		w.add("DELETE FROM %s WHERE %s", t.name, same+belongs)
		w.add("SELECT FROM %s WHERE %s FOR UPDATE", t.name, same)
		for _, c := range t.columns {
			if !c.watched {
				continue
			}
			values, err := w.values(t, c)
			if err != nil {
				return err
			}
			for _, v := range values {
				if v != literal(row, c.name) {
					w.add("UPDATE %s SET %s = %s WHERE %s", t.name, ident(c.name), v, same)
					w.add("UPDATE %s SET %s = %s WHERE %s", t.name, ident(c.name), v, same+belongs)
				}
			}
		}
		if i < 2 || clients {
			w.insert(t, row, column{}, "")
		}
		for _, c := range t.columns {
			if i == 0 && c.toClient && !clients {
				for _, key := range w.clients {
					w.insert(t, row, c, key)
				}
			}
		}
	}
	for _, c := range t.columns {
		if c.toClient {
			from, to := quoted(w.clients[0]), quoted(w.clients[len(w.clients)-1])
			w.add("UPDATE %s SET %s = %s WHERE %[2]s = %[4]s", t.name, ident(c.name), to, from)
		}
	}
	return nil
}

func (w *writer) add(format string, args ...any) {
	if sql := fmt.Sprintf(format, args...); !slices.Contains(w.all, sql) {
		w.all = append(w.all, sql)
	}
}

// belongs is the further condition that a row is still the client's, or that of
// the parent who is the client's.
func (w *writer) belongs(t *table, row map[string]string) string {
	for _, c := range t.columns {
		value, set := row[c.name]
		column := ident(c.name)
		switch {
		case !set:
		case c.toClient:
			return fmt.Sprintf(" AND %s = %s", column, quoted(value))
		case c.through != "":
			parent := w.parents[c.through]
			i := slices.IndexFunc(parent.rows, func(r map[string]string) bool { return r["id"] == value })
			if i >= 0 {
				return fmt.Sprintf(" AND %s IN (SELECT id FROM %s WHERE id = %s%s FOR KEY SHARE)",
					column, parent.name, quoted(value), w.belongs(parent, parent.rows[i]))
			}
		}
	}
	return ""
}

// insert inserts a row like this one, of its own key, that refers to another client
// by a column. A client's row has the same key again: of one who is being erased.
func (w *writer) insert(t *table, row map[string]string, refers column, key string) {
	values := maps.Clone(row)
	if t.bare != w.m.Client.Table.Relation {
		values["id"] = fmt.Sprint(900_000 + len(w.all)) // nobody has it, and the same each time
	}
	if refers.name != "" {
		values[refers.name] = key
	}
	var names, texts []string
	for _, c := range t.columns {
		names = append(names, ident(c.name))
		texts = append(texts, literal(values, c.name))
	}
	into := fmt.Sprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE", t.name, strings.Join(names, ", "))
	w.add("%s VALUES (%s)", into, strings.Join(texts, ", "))
	if from := w.whose(t, values); from != "" {
		w.add("%s SELECT %s FROM %s", into, strings.Join(texts, ", "), from)
	}
}

// whose is where a statement looks whether there is the client to whom a row of a
// table of the map is to belong, or the parent, and whether that is the client's.
func (w *writer) whose(t *table, row map[string]string) string {
	if !slices.ContainsFunc(w.m.Tables, func(e erasuremap.Table) bool { return e.Table.Relation == t.bare }) {
		return ""
	}
	for _, c := range t.columns {
		value, set := row[c.name]
		switch {
		case !set:
		case c.toClient:
			return fmt.Sprintf("%s WHERE id = %s", ident(w.m.Client.Table.Relation), quoted(value))
		case c.through != "":
			parent := w.parents[c.through]
			i := slices.IndexFunc(parent.rows, func(r map[string]string) bool { return r["id"] == value })
			if i >= 0 {
				return fmt.Sprintf("%s WHERE id = %s%s FOR KEY SHARE", parent.name, quoted(value), w.belongs(parent, parent.rows[i]))
			}
		}
	}
	return ""
}

// values are what a column may be set to.
func (w *writer) values(t *table, c column) ([]string, error) {
	var all []string
	add := func(v string) {
		if !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	if c.toClient {
		for _, key := range w.clients {
			add(quoted(key))
		}
	}
	rows, err := w.db.admin.Query(w.ctx,
		fmt.Sprintf("SELECT DISTINCT %s::text FROM %s WHERE %[1]s IS NOT NULL ORDER BY 1 LIMIT 3", ident(c.name), t.name))
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, v := range found {
		add(quoted(v))
	}
	switch c.typ {
	case "boolean":
		add(quoted("true"))
		add(quoted("false"))
	case "timestamp with time zone", "date":
		add(quoted("2999-01-01"))
		add(quoted("1999-01-01"))
	}
	if !c.notNull {
		add("NULL")
	}
	return all, err
}

func literal(row map[string]string, column string) string {
	if v, set := row[column]; set {
		return quoted(v)
	}
	return "NULL"
}

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
