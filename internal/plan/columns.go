package plan

import (
	"fmt"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// checkRules records a gap for each rule that its column cannot take.
func (c *compiler) checkRules(r *Relation, rules []erasuremap.ColumnRule) {
	for _, rule := range rules {
		if col := c.column(rule.Pos, r, rule.Column); col != nil {
			c.checkRule(r, col, rule)
		}
	}
}

func (c *compiler) checkRule(r *Relation, col *Column, rule erasuremap.ColumnRule) {
	switch {
	case rule.Kind == erasuremap.KeepValue:
	case col.Generated && col.Default:
		c.gap(rule.Pos, r, col.Name, col.Name+": keep", "cannot be written: PostgreSQL always numbers the column itself")
	case col.Generated:
		c.gap(rule.Pos, r, col.Name, col.Name+": keep", "a generated column cannot be written; what it is computed from can")
	case rule.Kind == erasuremap.Null && col.NotNull && col.text():
		c.gap(rule.Pos, r, col.Name, fmt.Sprintf(`%s: {value: ""}, or drop the NOT NULL`, col.Name), "cannot become NULL: the column is NOT NULL")
	case rule.Kind == erasuremap.Null && col.NotNull:
		c.gap(rule.Pos, r, col.Name, fmt.Sprintf(`%s: {value: …}, or drop the NOT NULL`, col.Name), "cannot become NULL: the column is NOT NULL")
	case rule.Kind == erasuremap.JSONRemove && !col.json():
		c.gap(rule.Pos, r, col.Name, col.Name+": null", "json_remove needs a json column, this one is %s", col.Type)
	case rule.Kind == erasuremap.Truncate && !col.moment():
		c.gap(rule.Pos, r, col.Name, col.Name+": null", "truncate needs a date or timestamp, this one is %s", col.Type)
	case rule.Kind == erasuremap.Label && !(col.Category == "S" && !col.Array):
		c.gap(rule.Pos, r, col.Name, col.Name+": null", "a label needs a text column, this one is %s", col.Type)
	}
}

// value is the SQL expression that a rule gives to a column of the row alias.
func (c *compiler) value(t *text, r *Relation, alias string, rule erasuremap.ColumnRule) string {
	col := r.Column(rule.Column)
	own := ident(alias, col.Name)
	switch rule.Kind {
	case erasuremap.Null:
		return "NULL"
	case erasuremap.Value:
		return t.scalar(Arg{ArgLiteral, rule.Text}, col.Type)
	case erasuremap.Label:
		return t.scalar(Arg{ArgLabel, rule.Text}, col.Type)
	case erasuremap.Truncate:
		return fmt.Sprintf("date_trunc(%s, %s)::%s", literal(rule.Text), own, col.Type)
	case erasuremap.JSONRemove:
		doc := own + "::jsonb"
		expr := doc
		for _, path := range rule.Paths {
			expr += " #- " + t.scalar(Arg{ArgLiteral, jsonPath(path)}, "text[]")
		}
		// Nothing can be removed from a number or a string, and PostgreSQL says
		// so with an error.
		return fmt.Sprintf("CASE WHEN jsonb_typeof(%s) IN ('object', 'array') THEN (%s)::%s ELSE %s END", doc, expr, col.Type, own)
	case erasuremap.SQL:
		return "(" + c.expression(t, rule.Text) + ")"
	}
	return own
}

// expression puts parameters in place of :tenant and :slot.
func (c *compiler) expression(t *text, expr string) string {
	var b strings.Builder
	from := 0
	for _, p := range erasuremap.Placeholders(expr) {
		b.WriteString(expr[from:p.Start])
		switch p.Name {
		case erasuremap.TenantPlaceholder:
			b.WriteString(t.scalar(Arg{Kind: ArgTenant}, c.tenantType()))
		case erasuremap.SlotPlaceholder:
			b.WriteString(t.arg(Arg{Kind: ArgSlot}) + "::int")
		}
		from = p.End
	}
	b.WriteString(expr[from:])
	return b.String()
}

// checkSlots records a gap for every :slot outside of an anonymous profile: a
// row that is re-pointed does not know the number of the profile it goes to.
func (c *compiler) checkSlots() {
	check := func(r *Relation, rules []erasuremap.ColumnRule) {
		for _, rule := range rules {
			if rule.Kind != erasuremap.SQL {
				continue
			}
			for _, p := range erasuremap.Placeholders(rule.Text) {
				if p.Name == erasuremap.SlotPlaceholder {
					c.gap(rule.Pos, r, rule.Column, "write an expression without :slot", ":slot is the number of an anonymous profile and means something under client.anonymous only")
					break
				}
			}
		}
	}
	check(c.client, c.m.Client.Columns)
	for _, e := range c.entry {
		check(e.rel, e.rules())
	}
}

func jsonPath(dotted string) string {
	keys := strings.Split(dotted, ".")
	for i, k := range keys {
		keys[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(k) + `"`
	}
	return "{" + strings.Join(keys, ",") + "}"
}

// change is a column and the expression that it becomes.
type change struct {
	column *Column
	value  string
}

// changes are what erasing writes to a row of e beside its reference: the
// column rules, and the retained columns whose time is over.
func (c *compiler) changes(t *text, e *entry, alias string) []change {
	all := c.ruled(t, e.rel, alias, e.Columns)
	for _, rule := range e.retained() {
		all = append(all, change{e.rel.Column(rule.Column), fmt.Sprintf("CASE WHEN %s THEN %s ELSE %s END",
			c.kept(t, e, alias), ident(alias, rule.Column), c.value(t, e.rel, alias, rule))})
	}
	return all
}

// ruled are the changes that column rules ask for at once.
func (c *compiler) ruled(t *text, r *Relation, alias string, rules []erasuremap.ColumnRule) []change {
	var all []change
	for _, rule := range rules {
		if rule.Kind != erasuremap.KeepValue {
			all = append(all, change{r.Column(rule.Column), c.value(t, r, alias, rule)})
		}
	}
	return all
}

func assignments(changes ...change) string {
	set := make([]string, len(changes))
	for i, ch := range changes {
		set[i] = ident(ch.column.Name) + " = " + ch.value
	}
	return strings.Join(set, ", ")
}

// differs is the condition under which at least one column would change.
func differs(alias string, changes []change) string {
	conds := make([]string, len(changes))
	for i, ch := range changes {
		own, value := ident(alias, ch.column.Name), ch.value
		if !ch.column.hasEquality() && value != "NULL" {
			own, value = own+"::text", "("+value+")::text"
		}
		conds[i] = own + " IS DISTINCT FROM " + value
	}
	return "(" + strings.Join(conds, " OR ") + ")"
}
