package mapinit

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/plan"
)

// todo is the value that the map's loader refuses.
const todo = "TODO"

var plainScalar = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

// scalar returns text as a YAML value that is read as the same text.
func scalar(text string) string {
	other := []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"} // what YAML reads as no text
	if plainScalar.MatchString(text) && !slices.Contains(other, strings.ToLower(text)) {
		return text
	}
	if strings.Contains(text, `"`) && strings.IndexFunc(text, unicode.IsControl) < 0 {
		return "'" + strings.ReplaceAll(text, "'", "''") + "'"
	}
	quoted, err := json.Marshal(text)
	if err != nil { // text is a string: Marshal replaces what is not UTF-8
		panic(err)
	}
	return strings.ReplaceAll(string(quoted), "\x7f", `\u007f`)
}

// comment returns text without control characters: a line break in a name would end
// the comment.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
}

func scalars(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = scalar(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

var plainSQL = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// reserved are the reserved words of PostgreSQL that may be names of columns.
var reserved = setOf(`all analyse analyze and any array as asc both case cast check collate column constraint create
	default desc distinct do else end except false for foreign from grant group having in initially into leading limit
	not null offset on only or order placing primary references returning select some table then to trailing true union
	unique user using variadic when where window with`)

// column returns a column's name for an SQL expression of the map.
func column(name string) string {
	if plainSQL.MatchString(name) && !reserved[name] {
		return name
	}
	return pgx.Identifier{name}.Sanitize()
}

// sqlValue returns an SQL expression as a YAML value, always in quotes.
func sqlValue(expr string) string {
	if strings.Contains(expr, `"`) || strings.IndexFunc(expr, unicode.IsControl) >= 0 {
		return scalar(expr)
	}
	return `"` + strings.ReplaceAll(expr, `\`, `\\`) + `"`
}

func sqlText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// name returns the relation's name for the map, with its schema only if the
// search path would find another relation.
func (p *proposal) name(r *plan.Relation) string {
	n := erasuremap.Name{Relation: r.Name}
	if p.cat.Relation(n) != r {
		n.Schema = r.Schema
	}
	return n.String()
}

// word returns a name for an entry of the map, made from a table's name.
func word(name string) string {
	w := strings.Join(words(name), "_")
	if w == "" {
		return "rows"
	}
	return w[:min(len(w), 50)]
}
