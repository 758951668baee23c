package plan

import (
	"fmt"
	"strings"
)

// kept is the condition under which the law still keeps the retained columns of
// a row of e; NULL when the row does not say when its clock started, and then
// nothing is kept.
func (t *text) stillRetained(e *entry, alias string) string {
	return ident(alias, e.Retain.Since) + " >= " + t.firstRetained(e)
}

// over is the opposite, in a form that an index serves.
func (t *text) expired(e *entry, alias string) string {
	since := ident(alias, e.Retain.Since)
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

// dated is the day of a row of e, at the tenant. A day that no calendar of ours
// has, such as infinity, counts as one of a far year, and none as a very early one.
func (t *text) day(e *entry, alias string) string {
	since := ident(alias, e.Retain.Since)
	switch e.since.Base {
	case "timestamp":
		since += "::date"
	case "timestamptz":
		since = "(" + since + " AT TIME ZONE " + t.arg(Arg{Kind: ArgTimeZone}) + "::text)::date"
	}
	return "least(greatest(" + since + ", date '0001-01-01'), date '9800-12-31')"
}

// retainedRules are the rules of the days that Plan.Guards gives, in their order.
func (em emitter) retentionRules() []string {
	var rules []string
	for _, e := range em.retaining() {
		rules = append(rules, e.Retain.Rule)
	}
	return rules
}

// latestKept is, for each entry with retained columns, the latest day of a row
// of the client aliased c that the law keeps something of.
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
