package plan

import (
	"fmt"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// How long the law keeps a row depends on the tenant's country and on nothing
// of the row but the day it is dated: the later, the longer. So a statement
// compares that day with the first that is still kept, which whoever runs it
// works out from the map (ArgFirstKept), and what is reported is worked out
// from the latest day that was found.

// kept is the condition under which the law still keeps the retained columns of
// a row of e; NULL when the row does not say when its clock started, and then
// nothing is kept.
func (c *compiler) kept(t *text, e *entry, alias string) string {
	return ident(alias, e.Retain.Since) + " >= " + c.firstKept(t, e)
}

// over is the opposite, in a form that an index serves.
func (c *compiler) over(t *text, e *entry, alias string) string {
	since := ident(alias, e.Retain.Since)
	return fmt.Sprintf("(%s < %s OR %s IS NULL)", since, c.firstKept(t, e), since)
}

func (c *compiler) firstKept(t *text, e *entry) string {
	first := t.arg(Arg{ArgFirstKept, e.Retain.Rule}) + "::date"
	switch e.rel.Column(e.Retain.Since).Base {
	case "timestamp":
		return first + "::timestamp"
	case "timestamptz":
		return "(" + first + "::timestamp AT TIME ZONE " + t.arg(Arg{Kind: ArgTimeZone}) + "::text)"
	}
	return first
}

// dated is the day of a row of e, at the tenant. A day that no calendar of ours
// has, such as infinity, counts as one of a far year, and none as a very early one.
func (c *compiler) dated(t *text, e *entry, alias string) string {
	since := ident(alias, e.Retain.Since)
	switch e.rel.Column(e.Retain.Since).Base {
	case "timestamp":
		since += "::date"
	case "timestamptz":
		since = "(" + since + " AT TIME ZONE " + t.arg(Arg{Kind: ArgTimeZone}) + "::text)::date"
	}
	return "least(greatest(" + since + ", date '0001-01-01'), date '9800-12-31')"
}

// retainedEntries are those with retained columns.
func (c *compiler) retainedEntries() []*entry {
	var all []*entry
	for _, e := range c.entry {
		if e.Retain != nil {
			all = append(all, e)
		}
	}
	return all
}

// retainedRules are the rules of the days that Plan.Guards gives, in their order.
func (c *compiler) retainedRules() []string {
	var rules []string
	for _, e := range c.retainedEntries() {
		rules = append(rules, e.Retain.Rule)
	}
	return rules
}

// latestKept is, for each entry with retained columns, the latest day of a row
// of the client aliased c that the law keeps something of.
func (c *compiler) latestKept(t *text) string {
	var subs []string
	for _, e := range c.retainedEntries() {
		var held []string
		for _, rule := range e.Retain.Columns {
			held = append(held, ident("t", rule.Column)+" IS NOT NULL")
		}
		subs = append(subs, fmt.Sprintf("(SELECT max(%s) FROM %s AS \"t\" WHERE %s AND (%s) AND %s)",
			c.dated(t, e, "t"), e.rel.ident(), c.belongsTo(e, "t"), strings.Join(held, " OR "), c.kept(t, e, "t")))
	}
	if len(subs) == 0 {
		return "NULL::date[]"
	}
	return "ARRAY[" + strings.Join(subs, ",\n  ") + "]"
}

// lawStatement reads what decides how long a tenant's records are kept. Where
// nobody says in which time zone the tenant lives, its day has begun when it
// has begun everywhere: a record goes too late rather than too early.
func (c *compiler) lawStatement() Statement {
	if c.studio == nil || len(c.retainedEntries()) == 0 {
		return Statement{}
	}
	column := func(name string) string {
		if name == "" {
			return "''"
		}
		return "coalesce(" + ident("s", name) + "::text, '')"
	}
	m, t := c.m.Tenant, &text{}
	t.add("SELECT %s, %s, %s, (%s::timestamptz AT TIME ZONE coalesce(nullif(%s, ''), 'Etc/GMT+12'))::date\nFROM %s AS \"s\"\nWHERE %s::text = %s::text",
		column(m.Country), column(m.FiscalYearEnd), column(m.TimeZone), t.arg(Arg{Kind: ArgNow}), column(m.TimeZone),
		c.studio.ident(), ident("s", m.Key), t.arg(Arg{Kind: ArgTenant}))
	return t.statement("tenant: what decides how long the law keeps", c.name(c.studio))
}

// checkCalendar refuses columns of the tenant that cannot say what they are
// asked.
func (c *compiler) checkCalendar(m erasuremap.Tenant) {
	text := func(col *Column) bool { return col.text() }
	for _, part := range []struct {
		name string
		fits func(*Column) bool
		want string
	}{
		{m.TimeZone, text, "a text column with names such as Europe/Vienna"},
		{m.FiscalYearEnd, func(col *Column) bool { return col.text() || col.integer() }, "an integer column with the month, or a text column with MM-DD"},
	} {
		if part.name == "" {
			continue
		}
		if col := c.column(m.Pos, c.studio, part.name); col != nil && !part.fits(col) {
			c.gap(m.Pos, c.studio, col.Name, "name "+part.want, "its type %s does not say it", col.Type)
		}
	}
}

// retentionWarnings say where the day or the year is guessed that a retention
// counts from.
func retentionWarnings(m *erasuremap.Map, cat *Catalog) []Warning {
	var all []Warning
	for _, e := range m.Tables {
		r := cat.Relation(e.Table)
		if e.Retain == nil || r == nil {
			continue
		}
		table := r.Schema + "." + r.Name
		col := r.Column(e.Retain.Since)
		if col != nil && col.Base == "timestamptz" && (m.Tenant == nil || m.Tenant.TimeZone == "") {
			all = append(all, Warning{Table: table,
				Why: fmt.Sprintf("on which day %s falls depends on a time zone that the map does not name: the latest on earth is taken, and what is dated on the last day of a year may be kept for a year too long", col.Name),
				Fix: "under tenant: timezone: …, a column with names such as Europe/Vienna; or let since name a column of type date"})
		}
		for _, rule := range m.Retention {
			if rule.Name == e.Retain.Rule && fiscalYears(rule) && (m.Tenant == nil || m.Tenant.FiscalYearEnd == "") {
				all = append(all, Warning{Table: table,
					Why: "retention " + rule.Name + " counts from the end of fiscal years, and the map does not say when these end: calendar years are taken",
					Fix: "under tenant: fiscal_year_end: …, a column with the month or MM-DD"})
			}
		}
	}
	return all
}

func fiscalYears(rule erasuremap.Retention) bool {
	for _, periods := range rule.Countries {
		if erasuremap.NeedsFiscalYear(periods) {
			return true
		}
	}
	return erasuremap.NeedsFiscalYear(rule.Otherwise)
}
