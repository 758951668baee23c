package plan

import (
	"fmt"
	"slices"
	"strings"
)

// sweepStatements apply the rules of retained columns to rows whose period is
// over, for one tenant: GDPR Art. 17(3)(b) ends where the duty to keep ends.
// Rows are found by the profiles that they stand on now, so $keys are those of
// the tenant's anonymous profiles. Each run takes a bounded number of rows and
// is repeated until it takes none. The name tells two entries of one table
// apart: a sweep keeps its books by it.
func (c *compiler) sweepStatements() []Statement {
	var all []Statement
	for i, e := range c.entry {
		if e.Retain == nil {
			continue
		}
		t := &text{}
		set := c.ruled(t, e.rel, "t", e.retained())
		row := rowID(e.rel)
		rows := make([]string, len(row))
		for k, id := range row {
			rows[k] = ident("t", id)
		}
		id := strings.Join(rows, ", ")
		t.add("UPDATE %s AS \"t\"\nSET %s\nWHERE (%s) IN (\n  SELECT %s FROM %s AS \"t\"\n  WHERE %s\n    AND coalesce(%s < %s, true)\n    AND %s\n  LIMIT %s::int\n  FOR UPDATE SKIP LOCKED)",
			e.rel.ident(), assignments(set...), id, id, e.rel.ident(),
			c.belongs(t, e, "t"), c.until(t, e, "t"), today(t), differs("t", set), t.arg(Arg{Kind: ArgLimit}))
		all = append(all, t.statement(fmt.Sprintf("%s by %s (entry %d): retained columns whose time is over", c.name(e.rel), e.Reference, i+1), c.name(e.rel)))
	}
	return all
}

// refreshStatements bring materialized views up to date, which hold copies of
// what was erased. A view with a unique index over plain columns stays readable
// meanwhile.
func (c *compiler) refreshStatements() []Statement {
	var all []Statement
	for _, f := range c.m.Refresh {
		view := c.cat.Relation(f.View)
		how := ""
		if slices.ContainsFunc(view.Indexes, func(x Index) bool {
			return x.Unique && x.Predicate == "" && !slices.Contains(x.Expression, true)
		}) {
			how = "CONCURRENTLY "
		}
		t := &text{}
		t.add("REFRESH MATERIALIZED VIEW %s%s", how, view.ident())
		all = append(all, t.statement(c.name(view)+": refresh", c.name(view)))
	}
	return all
}
