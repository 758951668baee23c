package plan

import (
	"fmt"
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// coverHooks records a gap for every user trigger that the statements would
// fire and that nobody has acknowledged, since a history table keeps what it
// saw, and for every rule that would rewrite them.
func (c *checker) coverTriggers() {
	for _, r := range c.relations() {
		// Anonymous profiles are the only rows that oubli inserts.
		concerns := func(h Hook) bool { return !h.Insert || r == c.client }
		for _, h := range r.Triggers {
			known := slices.ContainsFunc(c.m.Triggers, func(a erasuremap.Acknowledged) bool {
				return a.Name == h.Name && (a.Table == (erasuremap.Name{}) || c.catalog.Relation(a.Table) == r)
			})
			if concerns(h) && !known {
				c.gaps.add(c.firstMention(r), r, "", fmt.Sprintf(`under triggers: - {name: %s, table: %s, because: "…"}`, h.Name, c.name(r)),
					"trigger %s fires when oubli changes a row and is not acknowledged", h.Name)
			}
		}
		for _, h := range r.Rules {
			if concerns(h) {
				c.gaps.add(c.firstMention(r), r, "", fmt.Sprintf("ALTER TABLE %s DISABLE RULE %s, or make it a trigger", r.ident(), ident(h.Name)),
					"rule %s would rewrite what oubli does", h.Name)
			}
		}
	}
}

// coverRowSecurity records a gap for every relation of which policies hide
// rows: hidden rows would be left behind, and hidden guards would not hold.
func (c *checker) coverRowSecurity() {
	for _, r := range c.usedRelations() {
		if r.RowSecurity {
			c.gaps.add(c.firstMention(r), r, "", "ALTER ROLE … BYPASSRLS, for the role that oubli connects as",
				"row-level security hides rows from this role, and what is hidden cannot be erased")
		}
	}
}

// coverDetaching records a gap for every partition on its way out of its table:
// statements on the table pass its rows by, and it is no table of its own yet.
func (c *checker) coverDetaching() {
	for _, r := range c.usedRelations() {
		for _, partition := range r.Detaching {
			c.gaps.add(c.firstMention(r), r, "", fmt.Sprintf("ALTER TABLE %s DETACH PARTITION %s FINALIZE, and map or drop it", r.ident(), ident(partition)),
				"its partition %s is being detached, and the rows in it cannot be reached", partition)
		}
	}
}

// coverCopies records a gap for every materialized view that holds a copy of
// mapped rows.
func (c *checker) coverViews() {
	mapped := c.relations()
	for i := range c.catalog.Relations {
		view := &c.catalog.Relations[i]
		known := slices.Contains(c.ignored, view) || slices.Contains(c.refreshed, view)
		if view.Kind != "m" || known {
			continue
		}
		for _, from := range view.Reads {
			if r := c.catalog.Relation(erasuremap.Name{Schema: from.Schema, Relation: from.Name}); slices.Contains(mapped, r) {
				c.gaps.add(c.firstMention(r), view, "", "under refresh: - "+c.name(view), "a materialized view that keeps a copy of %s", c.name(r))
				break
			}
		}
	}
}

// used are the relations that a plan reads or writes.
func (c *checker) usedRelations() []*Relation {
	all := []*Relation{c.client}
	add := func(r *Relation) {
		if r != nil && !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	add(c.tenantTable)
	for _, e := range c.entries {
		add(e.rel)
		if e.owned() {
			for _, p := range e.pointers {
				add(p.from)
			}
		}
	}
	for _, g := range c.guards {
		add(g.rel)
	}
	for _, a := range c.activity {
		add(a.rel)
	}
	return all
}
