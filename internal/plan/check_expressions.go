package plan

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// TooLong is the gap of a value that does not fit its column.
func (p Probe) TooLong() Gap {
	return p.gap("write a shorter one, or null", p.what+" is longer than the column can hold")
}

// ReadsHidden is the gap of an expression that reads a table of which policies may
// hide rows.
func (p Probe) ReadsHidden(table erasuremap.Name) Gap {
	g := p.gap("ALTER ROLE … BYPASSRLS, for the role that oubli connects as",
		p.what+" reads it, and row-level security hides rows from this role: what it looks for may be there and not be found")
	g.Table, g.Column = table.Schema+"."+table.Relation, ""
	return g
}

// Refused is the gap of a probe that PostgreSQL refused with the SQLSTATE, at the
// character of the SQL, counted from 1; 0 if it named none. The server's message
// is left out, because it quotes values.
func (p Probe) Refused(sqlstate string, character int) Gap {
	name := p.nameAt(character)
	why := p.what + ": " + p.reason(sqlstate)
	if name != "" {
		why += ": " + name
	}
	g := p.gap(p.fix(sqlstate, name), fmt.Sprintf("%s (SQLSTATE %s)", why, sqlstate))
	if len(p.open) > 0 && slices.Contains([]string{"42883", "42P01", "42704", "42846"}, sqlstate) {
		g.Why += "; " + p.open[0].why()
		g.Fix = p.open[0].Fix()
		if sqlstate == "42P01" || sqlstate == "42704" { // a table or a type has this name only once
			g.Fix = fmt.Sprintf("write the schema in the expression, as in %s.%s, or %s", ident(p.open[0].Name), cmp.Or(name, "…"), g.Fix)
		}
	}
	return g
}

// CallsOpen is the gap of an expression that calls a function or an operator of a
// schema in which somebody may create another one that fits the call better.
func (p Probe) CallsOpen() (Gap, bool) {
	for _, o := range p.open {
		name := `(?:"` + regexp.QuoteMeta(strings.ReplaceAll(o.Name, `"`, `""`)) + `"|\b(?i:` + regexp.QuoteMeta(o.Name) + `))\s*\.\s*`
		call := regexp.MustCompile(name + `(?:"(?:[^"]|"")*"|[\w$]+)\s*\(|(?i:\boperator)\s*\(\s*` + name)
		if call.MatchString(p.expr) {
			return p.gap(o.Fix(), p.what+" calls a function or an operator there: "+o.why()), true
		}
	}
	return Gap{}, false
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
		return "not a condition, or types that do not match"
	case sqlstate == "42804":
		return "has another type than the column, which is " + p.column.Type
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
		"42803": "an aggregate is not allowed here",
		"42P20": "a window function is not allowed here",
		"0A000": "something that is not allowed here",
	}
	if reason := reasons[sqlstate]; reason != "" {
		return reason
	}
	return "PostgreSQL refuses it"
}

func (p Probe) fix(sqlstate, name string) string {
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

// nameAt is the name in the SQL at which PostgreSQL found the mistake. It is
// empty for literals and signs.
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

// Refused is the gap of a statement that PostgreSQL refused although it took each
// expression of the map by itself.
func (p *Plan) Refused(s Statement, sqlstate string) Gap {
	g := Gap{Pos: p.Map.Client.Pos, Why: fmt.Sprintf("PostgreSQL refuses the statement %q (SQLSTATE %s)", s.Name, sqlstate),
		Fix: "change the rules of this table: each is valid by itself, but not together"}
	for _, e := range p.model.entries {
		if p.model.name(e.rel) == s.Table {
			g.Pos = e.Pos
			break
		}
	}
	if n, err := erasuremap.ParseName(s.Table); err == nil {
		if r := p.model.catalog.Relation(n); r != nil {
			g.Table = r.Schema + "." + r.Name
		}
	}
	g.Place = g.Pos.String()
	return g
}
