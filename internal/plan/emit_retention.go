package plan

import (
	"fmt"
	"strings"
)

// How long the law keeps a row depends on the tenant's country and on the row's
// date: the later the date, the longer. So the caller computes from the map the
// first date that is still kept (ArgFirstKept), and statements compare with it.
// The end of the period is computed from the latest date that was found.

// stillRetained is the condition under which the law still keeps the retained
// columns of a row of e. It is NULL, and nothing is kept, if the row has no date.
func (t *text) stillRetained(e *entry, alias string) string {
	return t.since(e, alias) + " >= " + t.firstRetained(e)
}

// since is the date of a row of e: its own, or that of the parent. A row whose parent
// is gone has none.
func (t *text) since(e *entry, alias string) string {
	if len(e.sinceOf) == 0 {
		return ident(alias, e.Retain.Since)
	}
	from, cond, last := t.parentOf(e, alias)
	return fmt.Sprintf("(SELECT max(%s) FROM %s WHERE %s)", ident(last, e.Retain.Since), from, cond)
}

// parentOf is FROM and WHERE of the parent that has the date of a row of e, and the
// parent's alias.
func (t *text) parentOf(e *entry, alias string) (from, cond, last string) {
	child, conds := e.rel, []string{}
	var tables []string
	last = alias
	for i, s := range e.sinceOf {
		next := fmt.Sprintf("d%d", i+1)
		for _, p := range s.pairs {
			conds = append(conds, ident(last, p.column)+" = "+asKey(child.Column(p.column), s.rel.Column(p.target), ident(next, p.target)))
		}
		tables = append(tables, s.rel.ident()+" AS "+ident(next))
		child, last = s.rel, next
	}
	return strings.Join(tables, ", "), strings.Join(conds, " AND "), last
}

// expired is the opposite, in a form for which an index can be used.
func (t *text) expired(e *entry, alias string) string {
	since := t.since(e, alias)
	return fmt.Sprintf("(%s < %s OR %s IS NULL)", since, t.firstRetained(e), since)
}

func (t *text) firstRetained(e *entry) string {
	first := t.arg(Arg{ArgFirstKept, e.Retain.Rule}) + "::date"
	switch e.since.Base {
	case "timestamp":
		return first + "::timestamp"
	case "timestamptz":
		return "(" + first + "::timestamp AT TIME ZONE " + t.arg(Arg{Kind: ArgTimeZone}) + "::text)"
	}
	return first
}

// day is the day of a row of e, in the tenant's time zone. Infinite dates become
// the year 9800 or the year 1, and a missing one the year 1.
func (t *text) day(e *entry, alias string) string {
	since := t.since(e, alias)
	switch e.since.Base {
	case "timestamp":
		since += "::date"
	case "timestamptz":
		since = "(" + since + " AT TIME ZONE " + t.arg(Arg{Kind: ArgTimeZone}) + "::text)::date"
	}
	return "least(greatest(" + since + ", date '0001-01-01'), date '9800-12-31')"
}

// retentionRules are the rules of the days that Plan.Guards gives, in their order.
func (em emitter) retentionRules() []string {
	var rules []string
	for _, e := range em.retaining() {
		rules = append(rules, e.Retain.Rule)
	}
	return rules
}

// latestRetained is, for each entry with retained columns, the latest day of a row
// of the client aliased c of which the law keeps something.
func (t *text) latestRetained() string {
	var subs []string
	for _, e := range t.retaining() {
		var held []string
		for _, rule := range e.retained {
			held = append(held, ident("t", rule.Column)+" IS NOT NULL")
		}
		subs = append(subs, fmt.Sprintf("(SELECT max(%s) FROM %s AS \"t\" WHERE %s AND (%s) AND %s)",
			t.day(e, "t"), e.rel.ident(), t.belongsTo(e, "t"), strings.Join(held, " OR "), t.stillRetained(e, "t")))
	}
	if len(subs) == 0 {
		return "NULL::date[]"
	}
	return "ARRAY[" + strings.Join(subs, ",\n  ") + "]"
}
