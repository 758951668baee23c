package plan

import (
	"fmt"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// value is the SQL expression that a rule gives to its column in the row alias.
func (t *text) value(alias string, rule columnRule) string {
	col := rule.column
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
		// Removing a path from a number or a string is an error in PostgreSQL.
		return fmt.Sprintf("CASE WHEN jsonb_typeof(%s) IN ('object', 'array') THEN (%s)::%s ELSE %s END", doc, expr, col.Type, own)
	case erasuremap.SQL:
		return "(" + t.expression(rule.Text) + ")"
	}
	return own
}

// expression puts parameters in place of :tenant and :slot.
func (t *text) expression(expr string) string {
	var b strings.Builder
	from := 0
	for _, p := range erasuremap.Placeholders(expr) {
		b.WriteString(expr[from:p.Start])
		switch p.Name {
		case erasuremap.TenantPlaceholder:
			b.WriteString(t.scalar(Arg{Kind: ArgTenant}, t.tenantType()))
		case erasuremap.SlotPlaceholder:
			b.WriteString(t.arg(Arg{Kind: ArgSlot}) + "::int")
		}
		from = p.End
	}
	b.WriteString(expr[from:])
	return b.String()
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

// changes are what erasing writes to a row of e, except for its reference: the
// column rules, and the rules of retained columns whose period has ended.
func (t *text) changes(e *entry, alias string) []change {
	all := t.ruleChanges(alias, e.rules)
	for _, rule := range e.retained {
		all = append(all, change{rule.column, fmt.Sprintf("CASE WHEN %s THEN %s ELSE %s END",
			t.stillRetained(e, alias), ident(alias, rule.Column), t.value(alias, rule))})
	}
	return all
}

// ruleChanges are the changes that column rules make to the row alias.
func (t *text) ruleChanges(alias string, rules []columnRule) []change {
	var all []change
	for _, rule := range rules {
		if rule.writes() {
			all = append(all, change{rule.column, t.value(alias, rule)})
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
