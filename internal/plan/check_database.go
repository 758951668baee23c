package plan

import (
	"fmt"
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// coverTriggers records a gap for every user trigger that the statements would
// fire and that the map does not acknowledge, since a trigger may copy rows into
// a history table; and for every rule that would rewrite the statements.
func (c *checker) coverTriggers() {
	for _, r := range c.relations() {
		// Anonymous profiles are the only rows that oubli inserts, but an update that
		// moves a row to another partition fires the triggers of an insert too.
		concerns := func(h Hook) bool { return !h.Insert || r == c.client || c.movesRows(r) }
		for _, h := range r.Triggers {
			known := slices.ContainsFunc(c.m.Triggers, func(a erasuremap.Acknowledged) bool {
				return a.Name == h.Name && (a.Table == (erasuremap.Name{}) || c.catalog.Relation(a.Table) == r)
			})
			if concerns(h) && !known {
				fix := fmt.Sprintf(`under triggers: - {name: %s, table: %s, because: "…"}`, h.Name, c.name(r))
				c.gaps.add(c.firstMention(r), r, "", fix,
					"trigger %s fires when oubli changes a row and is not acknowledged", h.Name)
			}
		}
		for _, h := range r.Rules {
			if concerns(h) {
				fix := fmt.Sprintf("ALTER TABLE %s DISABLE RULE %s, or make it a trigger", r.ident(), ident(h.Name))
				c.gaps.add(c.firstMention(r), r, "", fix,
					"rule %s would rewrite the statements of oubli", h.Name)
			}
		}
	}
}

// movesRows reports whether erasing writes a column that decides in which partition a
// row is.
func (c *checker) movesRows(r *Relation) bool {
	return slices.ContainsFunc(c.writes(), func(w write) bool {
		return w.rel == r && slices.Contains(r.PartitionedBy, w.column.Name)
	})
}

// coverKeyless records a gap for every table whose rows nothing identifies, if
// erasing changes them and a trigger runs on them: the chunk could not find them
// again to prove what the trigger made of them.
func (c *checker) coverKeyless() {
	for i, e := range c.entries {
		hooks := e.rel.interferes()
		if !e.stays() || len(e.rel.keyColumns()) > 0 || len(hooks) == 0 ||
			slices.ContainsFunc(c.entries[:i], func(o *entry) bool { return o.rel == e.rel && o.stays() }) {
			continue
		}
		c.gaps.add(e.Pos, e.rel, "", fmt.Sprintf(
			"ALTER TABLE %s ADD PRIMARY KEY (…), or create a unique index over columns that are NOT NULL", e.rel.ident()),
			"nothing identifies its rows, so that what trigger %s does to them cannot be proved", hooks[0])
	}
}

// coverRowSecurity records a gap for every relation in which policies hide rows:
// hidden rows would not be erased, and guards over them would not hold.
func (c *checker) coverRowSecurity() {
	for _, r := range c.usedRelations() {
		if r.RowSecurity {
			c.gaps.add(c.firstMention(r), r, "", "ALTER ROLE … BYPASSRLS, for the role that oubli connects as",
				"row-level security hides rows from this role, and what is hidden cannot be erased")
		}
	}
}

// coverDetaching records a gap for every partition that is being detached:
// statements on the table do not see its rows, and it is not yet a table of its
// own.
func (c *checker) coverDetaching() {
	for _, r := range c.usedRelations() {
		for _, partition := range r.Detaching {
			fix := fmt.Sprintf("ALTER TABLE %s DETACH PARTITION %s FINALIZE, and map or drop it", r.ident(), ident(partition))
			c.gaps.add(c.firstMention(r), r, "", fix,
				"its partition %s is being detached, and the rows in it cannot be reached", partition)
		}
	}
}

// coverViews records a gap for every materialized view that copies mapped rows
// and is neither refreshed nor ignored.
func (c *checker) coverViews() {
	mapped := c.reached()
	for i := range c.catalog.Relations {
		view := &c.catalog.Relations[i]
		known := slices.Contains(c.ignored, view) || slices.Contains(c.refreshed, view)
		if view.Kind != "m" || known {
			continue
		}
		reads := func(from Reference) bool {
			return slices.Contains(mapped, c.catalog.Relation(erasuremap.Name{Schema: from.Schema, Relation: from.Name}))
		}
		switch n := slices.IndexFunc(view.Reads, reads); {
		case n >= 0:
			r := c.catalog.Relation(erasuremap.Name{Schema: view.Reads[n].Schema, Relation: view.Reads[n].Name})
			c.gaps.add(c.firstMention(r), view, "", "under refresh: - "+c.name(view),
				"a materialized view that holds a copy of %s", c.name(r))
		case len(view.Calls) > 0:
			fix := fmt.Sprintf(`under refresh: - %s, or under ignore: - {table: %s, because: "…"}`, c.name(view), c.name(view))
			c.gaps.add(c.m.Client.Pos, view, "", fix,
				"a materialized view that reads through function %s: nothing says which rows it copies", view.Calls[0])
		}
	}
}

// usedRelations are those that a plan reads or writes.
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
