package plan

import (
	"fmt"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

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
		expr := own + "::jsonb"
		for _, path := range rule.Paths {
			expr += " #- " + t.scalar(Arg{ArgLiteral, jsonPath(path)}, "text[]")
		}
		return fmt.Sprintf("(%s)::%s", expr, col.Type)
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
		case "tenant":
			b.WriteString(t.scalar(Arg{Kind: ArgTenant}, c.tenantType()))
		case "slot":
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

// changes are the columns that erasing a row of e writes, with their new
// values: the column rules, and the retained columns whose time is over.
func (c *compiler) changes(t *text, e *entry, alias string) (columns, values []string) {
	for _, rule := range e.Columns {
		if rule.Kind != erasuremap.KeepValue {
			columns = append(columns, rule.Column)
			values = append(values, c.value(t, e.rel, alias, rule))
		}
	}
	for _, rule := range retained(e.Table) {
		if rule.Kind != erasuremap.KeepValue {
			columns = append(columns, rule.Column)
			values = append(values, fmt.Sprintf("CASE WHEN %s >= %s THEN %s ELSE %s END",
				c.until(t, e, alias), today(t), ident(alias, rule.Column), c.value(t, e.rel, alias, rule)))
		}
	}
	return columns, values
}

func assignments(columns, values []string) string {
	set := make([]string, len(columns))
	for i := range columns {
		set[i] = ident(columns[i]) + " = " + values[i]
	}
	return strings.Join(set, ", ")
}

// differs is the condition under which at least one column would change.
func differs(alias string, columns, values []string) string {
	conds := make([]string, len(columns))
	for i := range columns {
		conds[i] = ident(alias, columns[i]) + " IS DISTINCT FROM " + values[i]
	}
	return "(" + strings.Join(conds, " OR ") + ")"
}
