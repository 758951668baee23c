package plan

import (
	"fmt"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

func today(t *text) string { return t.arg(Arg{Kind: ArgToday}) + "::date" }

// until is the last day on which the law keeps the retained columns of a row
// of e; NULL when the row does not say when its clock started, and then
// nothing is kept.
func (c *compiler) until(t *text, e *entry, alias string) string {
	var rule erasuremap.Retention
	for _, r := range c.m.Retention {
		if r.Name == e.Retain.Rule {
			rule = r
		}
	}
	since := ident(alias, e.Retain.Since) + "::date"
	years := t.arg(Arg{ArgYears, rule.Name}) + "::int"
	if rule.Clock == erasuremap.IssueDate {
		return fmt.Sprintf("(%s + make_interval(years => %s))::date", since, years)
	}
	// Financial years are calendar years unless the map says otherwise, so
	// both other clocks start at the end of the calendar year.
	return fmt.Sprintf("make_date(extract(year FROM %s)::int + %s, 12, 31)", since, years)
}

// retainedUntil is the last day on which anything of the client aliased c is kept, NULL
// when nothing is.
func (c *compiler) retainedUntil(t *text) string {
	var subs []string
	for _, e := range c.entry {
		if e.Retain == nil {
			continue
		}
		var held []string
		for _, rule := range e.Retain.Columns {
			held = append(held, ident("t", rule.Column)+" IS NOT NULL")
		}
		until := c.until(t, e, "t")
		subs = append(subs, fmt.Sprintf("(SELECT max(%s) FROM %s AS \"t\" WHERE %s AND (%s) AND %s >= %s)",
			until, e.rel.ident(), c.belongsTo(e, "t"), strings.Join(held, " OR "), until, today(t)))
	}
	if len(subs) == 0 {
		return "NULL::date"
	}
	return "greatest(" + strings.Join(subs, ", ") + ")"
}
