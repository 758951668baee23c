package plan

import (
	"fmt"
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// coverHooks records a gap for every user trigger that the statements would
// fire and that nobody has acknowledged, since a history table keeps what it
// saw, and for every rule that would rewrite them.
func (c *compiler) coverHooks() {
	for _, r := range c.mapped() {
		// Anonymous profiles are the only rows that oubli inserts.
		concerns := func(h Hook) bool { return !h.Insert || r == c.client }
		for _, h := range r.Triggers {
			known := slices.ContainsFunc(c.m.Triggers, func(a erasuremap.Acknowledged) bool {
				return a.Name == h.Name && (a.Table == (erasuremap.Name{}) || c.cat.Relation(a.Table) == r)
			})
			if concerns(h) && !known {
				c.gap(c.at(r), r, "", fmt.Sprintf(`under triggers: - {name: %s, table: %s, because: "…"}`, h.Name, c.name(r)),
					"trigger %s fires when oubli changes a row and is not acknowledged", h.Name)
			}
		}
		for _, h := range r.Rules {
			if concerns(h) {
				c.gap(c.at(r), r, "", fmt.Sprintf("ALTER TABLE %s DISABLE RULE %s, or make it a trigger", r.ident(), ident(h.Name)),
					"rule %s would rewrite what oubli does", h.Name)
			}
		}
	}
}

// coverRowSecurity records a gap for every relation of which policies hide
// rows: hidden rows would be left behind, and hidden guards would not hold.
func (c *compiler) coverRowSecurity() {
	for _, r := range c.used() {
		if r.RowSecurity {
			c.gap(c.at(r), r, "", "ALTER ROLE … BYPASSRLS, for the role that oubli connects as",
				"row-level security hides rows from this role, and what is hidden cannot be erased")
		}
	}
}

// coverDetaching records a gap for every partition on its way out of its table:
// statements on the table pass its rows by, and it is no table of its own yet.
func (c *compiler) coverDetaching() {
	for _, r := range c.used() {
		for _, partition := range r.Detaching {
			c.gap(c.at(r), r, "", fmt.Sprintf("ALTER TABLE %s DETACH PARTITION %s FINALIZE, and map or drop it", r.ident(), ident(partition)),
				"its partition %s is being detached, and the rows in it cannot be reached", partition)
		}
	}
}

// coverCopies records a gap for every materialized view that holds a copy of
// mapped rows.
func (c *compiler) coverCopies() {
	mapped := c.mapped()
	for i := range c.cat.Relations {
		view := &c.cat.Relations[i]
		known := c.ignored(view) || slices.ContainsFunc(c.m.Refresh, func(f erasuremap.Refresh) bool { return c.cat.Relation(f.View) == view })
		if view.Kind != "m" || known {
			continue
		}
		for _, from := range view.Reads {
			if r := c.cat.Relation(erasuremap.Name{Schema: from.Schema, Relation: from.Name}); slices.Contains(mapped, r) {
				c.gap(c.at(r), view, "", "under refresh: - "+c.name(view), "a materialized view that keeps a copy of %s", c.name(r))
				break
			}
		}
	}
}
