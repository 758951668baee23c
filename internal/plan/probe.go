package plan

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/oubli/oubli/internal/erasuremap"
)

// Probe is one expression or value of the map by itself, for PostgreSQL to
// judge. Within a whole statement a mistake would have no place in the map, and
// a name that its own table does not know could be found in another one.
type Probe struct {
	SQL string
	// Args are given for values, and then SQL is run; without any it is only
	// parsed. What is run reads no table of the application's, and gives a row
	// whose second column says whether the value fits.
	Args []string

	pos    erasuremap.Pos
	rel    *Relation
	column *Column // nil for a condition
	what   string
	guards bool // a guard's or an activity's, which the API evaluates too
}

// Probes lists every where, {sql: …}, {value: …} and {label: …} of the map
// whose table was found, in the map's order of sections. It works with gaps as
// well.
func (p *Plan) Probes() []Probe {
	c := p.compiled
	if c == nil {
		return nil
	}
	var all []Probe
	condition := func(pos erasuremap.Pos, r *Relation, alias, expr string) {
		if r != nil && expr != "" {
			all = append(all, Probe{SQL: fmt.Sprintf(`SELECT FROM %s AS %s WHERE (%s)`, r.ident(), ident(alias), expr), pos: pos, rel: r, what: "where"})
		}
	}
	rules := func(r *Relation, format string, list []erasuremap.ColumnRule) {
		for _, rule := range list {
			if col := r.Column(rule.Column); col != nil && !col.Generated {
				all = append(all, c.ruleProbes(r, col, format, rule)...)
			}
		}
	}
	rules(c.client, `INSERT INTO %s (%s) VALUES ((%s))`, c.m.Client.Anonymous)
	const update = `UPDATE %s AS "t" SET %s = (%s)`
	rules(c.client, update, c.m.Client.Columns)
	before := len(all)
	for _, g := range c.m.Guards {
		if g.Table == (erasuremap.Name{}) {
			condition(g.WherePos, c.client, "c", g.Where)
		} else {
			condition(g.WherePos, c.cat.Relation(g.Table), "t", g.Where)
		}
	}
	for _, a := range c.m.Activity {
		condition(a.WherePos, c.cat.Relation(a.Table), "t", a.Where)
	}
	for i := before; i < len(all); i++ {
		all[i].guards = true
	}
	for _, e := range c.entry {
		condition(e.WherePos, e.rel, "t", e.Where)
		rules(e.rel, update, e.rules())
	}
	return all
}

// ruleProbes put a rule to its own column only: an assignment casts less than
// a cast would.
func (c *compiler) ruleProbes(r *Relation, col *Column, format string, rule erasuremap.ColumnRule) []Probe {
	base := Probe{pos: rule.Pos, rel: r, column: col, what: fmt.Sprintf("{%s: …}", rule.Kind)}
	var values []string
	switch rule.Kind {
	case erasuremap.SQL:
		base.SQL = fmt.Sprintf(format, r.ident(), ident(col.Name), c.expression(&text{}, rule.Text))
		return []Probe{base}
	case erasuremap.Value:
		values = []string{rule.Text}
	case erasuremap.Label:
		values = c.m.LabelTexts(rule.Text)
	}
	var all []Probe
	for _, value := range values {
		p := base
		p.SQL, p.Args = fmt.Sprintf(fits, col.Type), []string{value, r.ident(), col.Name}
		all = append(all, p)
	}
	return all
}

// fits reads a value as its type does, and holds it against the length that a
// column has beyond its type.
const fits = `SELECT $1::text::%s::text, coalesce((
  SELECT char_length(rtrim($1::text, ' ')) <= a.atttypmod - 4 FROM pg_attribute AS a
  WHERE a.attrelid = $2::text::regclass AND a.attname = $3::text AND a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND a.atttypmod > 4), true)`

// TooLong is the gap of a value that does not fit its column.
func (p Probe) TooLong() Gap {
	return p.gap("write a shorter one, or null", p.what+" is longer than the column can hold")
}

// Refused is the gap of what PostgreSQL refused: with which SQLSTATE and at
// which character of the SQL, from 1, or 0. Its message is left out: it quotes
// values.
func (p Probe) Refused(sqlstate string, character int) Gap {
	name := p.nameAt(character)
	why := p.what + ": " + p.reason(sqlstate)
	if name != "" {
		why += ": " + name
	}
	return p.gap(p.mend(sqlstate, name), fmt.Sprintf("%s (SQLSTATE %s)", why, sqlstate))
}

func (p Probe) gap(fix, why string) Gap {
	g := Gap{Pos: p.pos, Place: p.pos.String(), Table: p.rel.Schema + "." + p.rel.Name, Why: why, Fix: fix}
	if p.column != nil {
		g.Column = p.column.Name
	}
	return g
}

func (p Probe) reason(sqlstate string) string {
	switch {
	case sqlstate == "23514", sqlstate == "23502":
		return "the domain of the column refuses the value"
	case p.Args != nil:
		return "cannot be read as " + p.column.Type
	case sqlstate == "42804" && p.column == nil:
		return "not a condition, or types that do not go together"
	case sqlstate == "42804":
		return "gives another type than the column's, which is " + p.column.Type
	case strings.HasPrefix(sqlstate, "22"):
		return "a literal in it cannot be read as its type"
	}
	reasons := map[string]string{
		"42601": "not an expression that PostgreSQL can parse",
		"42703": "no such column",
		"42702": "a name that could mean several columns",
		"42883": "no such function or operator for these types",
		"42P01": "no such table",
		"3F000": "no such schema",
		"42704": "no such type",
		"42846": "a cast that PostgreSQL does not know",
		"42803": "an aggregate has no place here",
		"42P20": "a window function has no place here",
		"0A000": "something that has no place here",
	}
	if reason := reasons[sqlstate]; reason != "" {
		return reason
	}
	return "PostgreSQL does not take it"
}

func (p Probe) mend(sqlstate, name string) string {
	switch {
	case p.Args != nil:
		return p.column.Name + ": {value: …} as " + p.column.Type + " is written, or null"
	case sqlstate == "42703" && strings.HasPrefix(p.SQL, "INSERT"):
		return "write an expression without columns: an anonymous profile is a new row"
	case sqlstate == "42703":
		if i := slices.IndexFunc(p.rel.Columns, func(c Column) bool { return strings.EqualFold(c.Name, strings.Trim(name, `"`)) }); i >= 0 {
			return "write " + ident(p.rel.Columns[i].Name) + ", in SQL's double quotes"
		}
		return "write a column of " + p.rel.Schema + "." + p.rel.Name
	case sqlstate == "42804" && p.column == nil:
		return "write a condition that is true or false"
	case sqlstate == "42804":
		return "cast it: {sql: \"(…)::" + p.column.Type + "\"}"
	}
	return "correct the expression; psql shows more: SELECT … FROM " + p.rel.ident()
}

// nameAt is the name or sign in the SQL at which PostgreSQL stumbled; never a
// literal, and nothing of what oubli wrote around the expression.
func (p Probe) nameAt(character int) string {
	sql := []rune(p.SQL)
	if character < 1 || character > len(sql) || p.Args != nil {
		return ""
	}
	rest := string(sql[character-1:])
	if strings.HasPrefix(rest, `"`) {
		if end := strings.Index(rest[1:], `"`); end >= 0 {
			return rest[:end+2]
		}
		return ""
	}
	end := strings.IndexFunc(rest, func(r rune) bool {
		return !(r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r > 0x7f)
	})
	if end < 0 {
		end = len(rest)
	}
	if end == 0 || rest[0] >= '0' && rest[0] <= '9' || len(rest) > end && rest[end] == '\'' {
		return ""
	}
	return rest[:end]
}

// All lists every statement of the plan, for PostgreSQL to parse.
func (p *Plan) All() []Statement {
	if len(p.Erase) == 0 {
		return nil
	}
	all := slices.Concat([]Statement{p.Tenant, p.FindClients}, p.Statements(), p.CountProfiles, []Statement{p.LiveProfiles, p.NewProfile, p.KeysInUse, p.Preview, p.Candidates(nil, false), p.Law}, p.SweepStatements())
	return slices.DeleteFunc(all, func(s Statement) bool { return s.SQL == "" })
}

// Refused is the gap of a statement that PostgreSQL refused although each
// expression in it by itself was fine.
func (p *Plan) Refused(s Statement, sqlstate string) Gap {
	g := Gap{Pos: p.Map.Client.Pos, Why: fmt.Sprintf("PostgreSQL does not take the statement %q (SQLSTATE %s)", s.Name, sqlstate),
		Fix: "change the rules of this table, each by itself is fine"}
	for _, e := range p.compiled.entry {
		if p.compiled.name(e.rel) == s.Table {
			g.Pos = e.Pos
			break
		}
	}
	if n, err := erasuremap.ParseName(s.Table); err == nil {
		if r := p.compiled.cat.Relation(n); r != nil {
			g.Table = r.Schema + "." + r.Name
		}
	}
	g.Place = g.Pos.String()
	return g
}

// oneLine keeps a name inside the comment that it stands in: a catalog's names
// may hold line breaks, and what follows one would be SQL.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}
