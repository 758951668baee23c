package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/internal/plan"
)

// The limits of the samples with which `oubli check` places columns outside of the
// map.
const (
	placeRows    = 1000  // of each table
	placeClients = 10000 // with which they are compared
	placeLength  = 2000  // characters of each value
	placeTimeout = 2 * time.Second
	placeBudget  = time.Minute // for all tables
)

// Place samples the columns that the map says nothing about, and holds the values
// against keys, e-mail addresses, telephone numbers and names of clients. A column
// with such a value is a gap. A column that cannot be judged is not placed. Only
// counts leave the database. gaps are those of [Check].
func Place(ctx context.Context, url string, m *erasuremap.Map, gaps plan.Gaps) (plan.Gaps, []plan.NotPlaced, error) {
	conn, err := pgsession.Connect(ctx, url, "oubli check")
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := pgsession.UsePath(ctx, conn, m.Client.Table.Schema, m.Client.Table.Relation); err != nil {
		return nil, nil, err
	}
	cat, err := ReadCatalog(ctx, conn)
	if err != nil {
		return nil, nil, err
	}
	tables, ids := plan.ToPlace(m, cat, gaps)
	p := placer{conn: conn, ids: ids}
	end, done := context.WithTimeout(ctx, placeBudget)
	defer done()
	for _, t := range tables {
		if end.Err() != nil && ctx.Err() == nil {
			p.leave(t, "not looked at within a minute")
		} else if err := p.place(ctx, t); err != nil {
			return nil, nil, pgfault.Wrap("sample "+t.Table.Schema+"."+t.Table.Name, err)
		}
	}
	return p.gaps, p.open, nil
}

// placer collects what the samples show.
type placer struct {
	conn *pgx.Conn
	ids  plan.Identifiers
	gaps plan.Gaps
	open []plan.NotPlaced
}

// sampled is what the sample of one column shows.
type sampled struct {
	values  int
	clients int // in the sample with which the values were compared
	shaped  int // values with an e-mail address in them
	found   []string
}

// place samples one table. A table that the role may not read, or that takes too
// long, stays open.
func (p *placer) place(ctx context.Context, o plan.Outside) error {
	columns := make([]sampled, len(o.Columns))
	err := reading(ctx, p.conn, placeTimeout, func(tx pgx.Tx) error {
		clients, err := sizedSample(ctx, tx, p.ids.Table, placeClients)
		if err != nil {
			return err
		}
		rows, err := sizedSample(ctx, tx, o.Table, placeRows)
		if err != nil {
			return err
		}
		answer, err := tx.Query(ctx, placeSQL(o.Columns, rows, p.ids, clients))
		if err != nil {
			return err
		}
		var n, count int
		var kind string
		_, err = pgx.ForEachRow(answer, []any{&n, &kind, &count}, func() error {
			columns[n].note(kind, count)
			return nil
		})
		return err
	})
	if state := pgfault.State(err); err != nil && unanswered.MatchString(state) && ctx.Err() == nil {
		why := "the sample took too long"
		if state == "42501" {
			why = "this role may not read it"
		}
		p.leave(o, why)
		return nil
	}
	if err != nil {
		return err
	}
	for n, c := range columns {
		switch why := c.open(); {
		case c.hit():
			p.gaps = append(p.gaps, o.Holds(o.Columns[n], c.found, c.values))
		case why != "":
			p.open = append(p.open, o.Open(o.Columns[n], why))
		}
	}
	return nil
}

func (p *placer) leave(o plan.Outside, why string) {
	for _, column := range o.Columns {
		p.open = append(p.open, o.Open(column, why))
	}
}

func (s *sampled) note(kind string, count int) {
	switch kind {
	case "values":
		s.values = count
	case "clients":
		s.clients = count
	case "shaped":
		s.shaped = count
	case "word":
		if count >= 3 { // one word may be a client's name by chance
			s.found = append(s.found, "names")
		}
	default:
		s.found = append(s.found, kind)
	}
}

func (s *sampled) hit() bool { return len(s.found) > 0 }

// open is why the sample does not place the column; empty if it does.
func (s *sampled) open() string {
	switch {
	case s.values == 0:
		return "no value to look at"
	case s.clients == 0:
		return "no client to compare its values with"
	case s.shaped > 0:
		return "it has e-mail addresses, of no client in the sample"
	}
	return ""
}

// sizedSample is a FROM item of at most about limit rows, spread over the whole
// table if it is large.
func sizedSample(ctx context.Context, tx pgx.Tx, t plan.Reference, limit int) (string, error) {
	name := pgx.Identifier{t.Schema, t.Name}.Sanitize()
	var kind string
	var rows float64
	err := tx.QueryRow(ctx, `
		SELECT c.relkind, greatest((SELECT sum(p.reltuples) FROM pg_class AS p WHERE p.oid = c.oid
		  OR p.oid IN (SELECT relid FROM pg_partition_tree(c.oid))), 0)
		FROM pg_class AS c WHERE c.oid = to_regclass($1)`, name).Scan(&kind, &rows)
	if errors.Is(err, pgx.ErrNoRows) {
		return name, nil
	}
	if rows > float64(4*limit) && slices.Contains([]string{"r", "p", "m"}, kind) {
		// Twice as much as is needed: pages differ in how full they are.
		return fmt.Sprintf("%s TABLESAMPLE SYSTEM (%g)", name, min(100, max(0.0001, 200*float64(limit)/rows))), err
	}
	return name, err
}

// The forms that are looked for in values.
const (
	mailForm  = `[[:alnum:]._%+-]+@[[:alnum:].-]+\.[[:alpha:]]{2,}`
	phoneForm = `\+?[0-9][0-9 ()./-]{6,}[0-9]`
	uuidForm  = `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`
)

// placeSQL returns for each column of a table, by number: how many values were
// sampled, how many have an e-mail address in them, and how many are a
// client's. Words side by side, or with one between them as in JSON, are compared
// with the names of clients.
func placeSQL(columns []string, from string, ids plan.Identifiers, clientsFrom string) string {
	selected, values := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		selected[i] = fmt.Sprintf("left(%s::text, %d) AS c%d", pgx.Identifier{c}.Sanitize(), placeLength, i)
		values[i] = fmt.Sprintf("(%d, c%d)", i, i)
	}
	return fmt.Sprintf(`
WITH sample AS MATERIALIZED (SELECT %s FROM %s LIMIT %d),
vals AS MATERIALIZED (
  SELECT row_number() OVER () AS n, u.i, lower(u.v) AS v FROM sample CROSS JOIN LATERAL (VALUES %s) AS u (i, v) WHERE u.v <> ''),
clients AS MATERIALIZED (SELECT * FROM %s LIMIT %d),
known AS MATERIALIZED (
  SELECT DISTINCT kind, token FROM clients CROSS JOIN LATERAL (%s) AS t (kind, token) WHERE length(token) > 3),
words AS (
  SELECT n, i, w, lead(w) OVER near AS w1, lead(w, 2) OVER near AS w2
  FROM vals CROSS JOIN LATERAL regexp_split_to_table(v, '[^[:alpha:]''-]+') WITH ORDINALITY AS s (w, at)
  WHERE w <> '' WINDOW near AS (PARTITION BY n ORDER BY at)),
tokens AS (
  SELECT n, i, 'e-mail addresses' AS kind, m[1] AS token FROM vals CROSS JOIN LATERAL regexp_matches(v, '(%s)', 'g') AS m
  UNION ALL
  SELECT n, i, 'telephone numbers', right(regexp_replace(m[1], '[^0-9]', '', 'g'), 9)
  FROM vals CROSS JOIN LATERAL regexp_matches(v, '(%s)', 'g') AS m
  UNION ALL
  SELECT n, i, 'keys', m[1] FROM vals CROSS JOIN LATERAL regexp_matches(v, '(%s)', 'g') AS m
  UNION ALL
  SELECT n, i, 'names', unnest(ARRAY[w || ' ' || w1, w || ' ' || w2, w || ' ' || w1 || ' ' || w2]) FROM words
  UNION ALL
  SELECT n, i, 'word', v FROM vals)
SELECT i, 'values', count(*)::int FROM vals GROUP BY i
UNION ALL
SELECT i, 'clients', (SELECT count(*)::int FROM clients) FROM vals GROUP BY i
UNION ALL
SELECT i, 'shaped', count(DISTINCT n)::int FROM tokens WHERE kind = 'e-mail addresses' GROUP BY i
UNION ALL
SELECT i, kind, count(DISTINCT token)::int FROM tokens JOIN known USING (kind, token) GROUP BY i, kind`,
		strings.Join(selected, ", "), from, placeRows, strings.Join(values, ", "),
		clientsFrom, placeClients, knownSQL(ids), mailForm, phoneForm, keyForm(ids))
}

// keyForm is the form of a key inside a value.
func keyForm(ids plan.Identifiers) string {
	if ids.UUID {
		return uuidForm
	}
	return `[^[:space:]",{}\[\]():]{6,}`
}

// knownSQL lists what a client is recognised by, as (kind, token).
func knownSQL(ids plan.Identifiers) string {
	column := func(name string) string { return "clients." + pgx.Identifier{name}.Sanitize() }
	var all []string
	add := func(kind, token string) { all = append(all, fmt.Sprintf("SELECT '%s', %s", kind, token)) }
	for _, c := range ids.Emails {
		add("e-mail addresses", "lower("+column(c)+"::text)")
	}
	for _, c := range ids.Phones {
		digits := "regexp_replace(" + column(c) + "::text, '[^0-9]', '', 'g')"
		add("telephone numbers", "CASE WHEN length("+digits+") > 6 THEN right("+digits+", 9) END")
	}
	if ids.Key != "" {
		add("keys", "CASE WHEN length("+column(ids.Key)+"::text) > 5 THEN lower("+column(ids.Key)+"::text) END")
	}
	if len(ids.Name) > 0 {
		parts := make([]string, len(ids.Name))
		for i, c := range ids.Name {
			parts[i] = column(c) + "::text"
		}
		plain := func(parts []string) string {
			return "btrim(regexp_replace(lower(concat_ws(' ', " + strings.Join(parts, ", ") + ")), '[^[:alpha:]''-]+', ' ', 'g'))"
		}
		add("names", "CASE WHEN "+plain(parts)+" LIKE '% %' THEN "+plain(parts)+" END")
		if len(parts) > 1 {
			turned := slices.Clone(parts)
			slices.Reverse(turned)
			add("names", plain(turned))
		} else {
			add("word", "lower(btrim("+parts[0]+"))")
		}
	}
	if len(all) == 0 {
		add("names", "NULL::text")
	}
	return strings.Join(all, " UNION ALL ")
}
