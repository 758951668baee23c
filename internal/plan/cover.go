package plan

import (
	"fmt"
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// coverForeignKeys records a gap for every foreign key by which rows reach a
// client, directly or through mapped tables, and that the map does not name.
func (c *compiler) coverForeignKeys() {
	for i := range c.cat.Relations {
		r := &c.cat.Relations[i]
		for k := range r.ForeignKeys {
			fk := &r.ForeignKeys[k]
			parent := c.cat.parent(fk)
			if parent == nil || (parent != c.client && !c.belonging(parent)) || c.covered(r, fk, parent) {
				continue
			}
			c.gap(c.at(r), r, c.referring(fk, parent), "under tables: "+c.line(r, fk, parent), "foreign key %s reaches the clients and is not in the map", fk.Name)
		}
	}
}

// belonging reports whether rows of r belong to clients, rather than only
// point to them.
func (c *compiler) belonging(r *Relation) bool {
	return slices.ContainsFunc(c.entry, func(e *entry) bool { return e.rel == r && !e.owned() && e.Erase != erasuremap.Unlink })
}

// line is the entry that would map a foreign key.
func (c *compiler) line(r *Relation, fk *ForeignKey, parent *Relation) string {
	through := ""
	if parent != c.client {
		through = " through: " + c.name(parent) + ","
	}
	return fmt.Sprintf("- {table: %s,%s reference: %s, erase: …}", c.name(r), through, c.referring(fk, parent))
}

// referring is the column of a foreign key that tells rows apart: of a key
// that includes the tenant, the other one.
func (c *compiler) referring(fk *ForeignKey, parent *Relation) string {
	for i, column := range fk.Columns {
		tenant := c.tenant != nil && (column == c.tenant.Name || parent == c.client && fk.ParentColumns[i] == c.tenant.Name)
		if !tenant {
			return column
		}
	}
	return fk.Columns[0]
}

func (c *compiler) ignored(r *Relation) bool {
	return slices.ContainsFunc(c.m.Ignore, func(i erasuremap.Ignored) bool { return c.cat.Relation(i.Table) == r })
}

// covered reports whether the map says what becomes of a foreign key: its rows
// are reached by it, or its column has a rule, or its table is ignored. The
// client's own row and whatever is deleted whole take their keys with them.
func (c *compiler) covered(r *Relation, fk *ForeignKey, parent *Relation) bool {
	for _, e := range c.entry {
		if e.rel != r || e.owned() {
			continue
		}
		if c.follows(e, fk) {
			return true
		}
		ruled := func(column string) bool {
			return hasRule(e.rules(), column) || column == e.Reference && !c.isTenant(column)
		}
		if parent != c.client && (e.Erase == erasuremap.Delete || slices.ContainsFunc(fk.Columns, ruled)) {
			return true
		}
	}
	return parent != c.client && (r == c.client || c.ignored(r))
}

func (c *compiler) isTenant(column string) bool { return c.tenant != nil && column == c.tenant.Name }

// coverColumns records a gap for every column of a kept row that can hold
// something of a person and that the map does not classify. Every entry that
// keeps rows must account for them; one that only unlinks may leave that to
// another.
func (c *compiler) coverColumns() {
	for _, e := range c.entry {
		if !e.stays() || e.rel == c.client {
			continue
		}
		for i := range e.rel.Columns {
			col := &e.rel.Columns[i]
			if col.Name == e.Reference || e.rel.isForeign(col.Name) || !c.personal(col) || hasRule(e.rules(), col.Name) {
				continue
			}
			if c.classified(e, col.Name) {
				continue
			}
			c.gap(e.Pos, e.rel, col.Name, fmt.Sprintf("under columns: %s: null, or %s: keep", col.Name, col.Name),
				"a column of type %s of rows that are kept, not classified", col.Type)
		}
	}
	if c.m.Client.Erase == erasuremap.Anonymize {
		for i := range c.client.Columns {
			col := &c.client.Columns[i]
			if c.personal(col) && !hasRule(c.m.Client.Columns, col.Name) && col.Name != c.m.Client.Key && col.Name != c.m.Client.Tenant {
				c.gap(c.m.Client.Pos, c.client, col.Name, fmt.Sprintf("under client.columns: %s: null", col.Name),
					"a column of type %s of the client's kept row, not classified", col.Type)
			}
		}
	}
}

// classified reports whether another entry says what becomes of the column: by
// finding its rows through it or, for an entry that only unlinks, by a rule or
// by deleting the clients' own rows: what merely refers to one of those is
// somebody else's. A row that names the client itself may tell of both.
func (c *compiler) classified(e *entry, column string) bool {
	return slices.ContainsFunc(c.entry, func(other *entry) bool {
		if other.rel != e.rel || other.owned() {
			return false
		}
		goes := e.through() && slices.Contains(e.parents, other) && other.Erase == erasuremap.Delete && other.Where == ""
		return other.Reference == column || e.Erase == erasuremap.Unlink && (goes || hasRule(other.rules(), column))
	})
}

// used are the relations that a plan reads or writes.
func (c *compiler) used() []*Relation {
	all := []*Relation{c.client}
	add := func(r *Relation) {
		if r != nil && !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	add(c.studio)
	for _, e := range c.entry {
		add(e.rel)
		if e.owned() {
			for _, p := range c.pointers(e) {
				add(p.from)
			}
		}
	}
	for _, g := range c.m.Guards {
		add(c.cat.Relation(g.Table))
	}
	for _, a := range c.m.Activity {
		add(c.cat.Relation(a.Table))
	}
	return all
}

// mapped are the relations whose rows erasing changes.
func (c *compiler) mapped() []*Relation {
	all := []*Relation{c.client}
	for _, e := range c.entry {
		if !slices.Contains(all, e.rel) {
			all = append(all, e.rel)
		}
	}
	return all
}
