package plan

import (
	"fmt"

	"github.com/oubli/oubli/internal/erasuremap"
)

// Probe is one expression or value of the map by itself, for PostgreSQL to check.
// In a whole statement a mistake could not be traced to its place in the map, and
// a name that its own table does not have could be found in another table.
type Probe struct {
	SQL string
	// Args are set for values, and then SQL is run; without Args it is only parsed.
	// SQL that is run reads no table of the application and returns a row whose
	// second column says whether the value fits.
	Args []string

	pos    erasuremap.Pos
	rel    *Relation
	column *Column // nil for a condition
	what   string
	expr   string       // as the map has it; empty for values
	open   []OpenSchema // schemas in which its names are not looked up
	guards bool         // a guard's or an activity's, which the API evaluates too
}

// Probes lists every where, {sql: …}, {value: …} and {label: …} of the map
// whose table was found, in the map's order of sections. It works with gaps as
// well.
func (p *Plan) Probes() []Probe {
	if p.model == nil {
		return nil
	}
	return emitter{model: p.model}.probes()
}

func (em emitter) probes() []Probe {
	var all []Probe
	condition := func(pos erasuremap.Pos, r *Relation, alias, expr string) {
		if r != nil && expr != "" {
			sql := fmt.Sprintf(`SELECT FROM %s AS %s WHERE (%s)`, r.ident(), ident(alias), expr)
			all = append(all, Probe{SQL: sql, pos: pos, rel: r, what: "where", expr: expr})
		}
	}
	rules := func(r *Relation, format string, list []columnRule) {
		for _, rule := range list {
			if !rule.column.Generated {
				all = append(all, em.ruleProbes(r, format, rule)...)
			}
		}
	}
	rules(em.client, `INSERT INTO %s (%s) VALUES ((%s))`, em.profileRules)
	const update = `UPDATE %s AS "t" SET %s = (%s)`
	rules(em.client, update, em.clientRules)
	before := len(all)
	for _, g := range em.guards {
		if g.onClientRow() {
			condition(g.WherePos, em.client, "c", g.Where)
		} else {
			condition(g.WherePos, g.rel, "t", g.Where)
		}
	}
	for _, a := range em.activity {
		condition(a.WherePos, a.rel, "t", a.Where)
	}
	for i := before; i < len(all); i++ {
		all[i].guards = true
	}
	for _, e := range em.entries {
		condition(e.WherePos, e.rel, "t", e.Where)
		rules(e.rel, update, e.allRules())
	}
	for i := range all {
		all[i].open = em.catalog.Open
	}
	return all
}

// ruleProbes assign a rule's value to its column, because an assignment allows
// fewer casts than CAST does.
func (em emitter) ruleProbes(r *Relation, format string, rule columnRule) []Probe {
	col := rule.column
	base := Probe{pos: rule.Pos, rel: r, column: col, what: fmt.Sprintf("{%s: …}", rule.Kind)}
	var values []string
	switch rule.Kind {
	case erasuremap.SQL:
		base.expr = rule.Text
		base.SQL = fmt.Sprintf(format, r.ident(), ident(col.Name), em.text().expression(rule.Text))
		return []Probe{base}
	case erasuremap.Value:
		values = []string{rule.Text}
	case erasuremap.Label:
		values = em.m.LabelTexts(rule.Text)
	}
	var all []Probe
	for _, value := range values {
		p := base
		p.SQL, p.Args = fmt.Sprintf(fitsSQL, col.Type), []string{value, r.ident(), col.Name}
		all = append(all, p)
	}
	return all
}

// fitsSQL reads a value as the column's type does, and compares it with the
// column's length.
const fitsSQL = `SELECT $1::text::%s::text, coalesce((
  SELECT char_length(rtrim($1::text, ' ')) <= a.atttypmod - 4 FROM pg_attribute AS a
  WHERE a.attrelid = $2::text::regclass AND a.attname = $3::text
    AND a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND a.atttypmod > 4), true)`
