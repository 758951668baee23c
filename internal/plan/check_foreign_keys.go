package plan

import (
	"fmt"
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// coverForeignKeys records a gap for every foreign key that reaches a client,
// directly or through mapped tables, and that the map does not name.
func (c *checker) coverForeignKeys() {
	for i := range c.catalog.Relations {
		r := &c.catalog.Relations[i]
		for k := range r.ForeignKeys {
			fk := &r.ForeignKeys[k]
			parent := c.catalog.parent(fk)
			if parent == nil || (!c.isOrInherits(parent, c.client) && !c.holdsClientRows(parent)) || c.mapsForeignKey(r, fk, parent) {
				continue
			}
			c.gaps.add(c.firstMention(r), r, c.referenceColumn(fk, parent), "under tables: "+c.proposedEntry(r, fk, parent),
				"foreign key %s reaches the clients and is not in the map", fk.Name)
		}
	}
}

// holdsClientRows reports whether rows of r belong to clients, and do not only
// refer to them.
func (c *checker) holdsClientRows(r *Relation) bool {
	return slices.ContainsFunc(c.entries, func(e *entry) bool {
		return c.isOrInherits(r, e.rel) && !e.owned() && e.Erase != erasuremap.Unlink
	})
}

// proposedEntry is the entry that would map a foreign key.
func (c *checker) proposedEntry(r *Relation, fk *ForeignKey, parent *Relation) string {
	through := ""
	if parent != c.client {
		through = " through: " + c.name(parent) + ","
	}
	reference := c.referenceColumn(fk, parent)
	references := ""
	if target := fk.target(reference); parent == c.client && target != c.key.Name {
		references = fmt.Sprintf(" references: {column: %s},", target)
	}
	return fmt.Sprintf("- {table: %s,%s reference: %s,%s erase: …}", c.name(r), through, reference, references)
}

// referenceColumn is the column of a foreign key to name as the reference: the
// first that is not the tenant's.
func (c *checker) referenceColumn(fk *ForeignKey, parent *Relation) string {
	for i, column := range fk.Columns {
		tenant := c.tenant != nil && (column == c.tenant.Name || parent == c.client && fk.ParentColumns[i] == c.tenant.Name)
		if !tenant {
			return column
		}
	}
	return fk.Columns[0]
}

// mapsForeignKey reports whether the map says what becomes of a foreign key: an
// entry finds its rows by it, a column of it has a rule, or the table is ignored.
// A foreign key of the client's own row, or of rows that are deleted, is deleted
// with its row.
func (c *checker) mapsForeignKey(r *Relation, fk *ForeignKey, parent *Relation) bool {
	for _, e := range c.entries {
		if e.rel != r || e.owned() {
			continue
		}
		if c.follows(e, fk) {
			return true
		}
		ruled := func(column string) bool {
			return hasRule(e.allRules(), column) || column == e.Reference && !c.isTenant(column)
		}
		if parent != c.client && (e.Erase == erasuremap.Delete || slices.ContainsFunc(fk.Columns, ruled)) {
			return true
		}
	}
	return parent != c.client && (r == c.client || slices.Contains(c.ignored, r))
}

// checkReferences refuses changes that a foreign key does not allow in the rows
// that it refers to.
func (c *checker) checkReferences() {
	for i := range c.catalog.Relations {
		r := &c.catalog.Relations[i]
		for k := range r.ForeignKeys {
			fk := &r.ForeignKeys[k]
			parent := c.catalog.parent(fk)
			if parent == nil {
				continue
			}
			c.checkRewritten(r, fk, parent)
			if c.deletesRowsOf(parent) {
				c.checkDeleted(r, fk, parent)
			}
		}
	}
}

// checkRewritten refuses to write a column to which a foreign key refers.
func (c *checker) checkRewritten(r *Relation, fk *ForeignKey, parent *Relation) {
	refuse := func(pos erasuremap.Pos, column string) {
		if slices.Contains(fk.ParentColumns, column) {
			c.gaps.add(pos, parent, column, "use erase: delete, or let the foreign key refer to another column",
				"cannot be written: foreign key %s of %s refers to it", fk.Name, c.name(r))
		}
	}
	for _, w := range c.writes() {
		if c.isOrInherits(parent, w.rel) {
			refuse(w.pos, w.column.Name)
		}
	}
}

// deletesRowsOf reports whether erasing deletes rows of r that belong to a client.
func (c *checker) deletesRowsOf(r *Relation) bool {
	if c.isOrInherits(r, c.client) {
		return c.m.Client.Erase == erasuremap.DeleteClient
	}
	return slices.ContainsFunc(c.entries, func(e *entry) bool {
		return c.isOrInherits(r, e.rel) && !e.owned() && e.Erase == erasuremap.Delete
	})
}

// checkDeleted refuses foreign keys that would prevent the deletion of their
// parent's rows, or whose ON DELETE CASCADE would delete rows that no entry names.
func (c *checker) checkDeleted(r *Relation, fk *ForeignKey, parent *Relation) {
	path := slices.ContainsFunc(c.entries, func(e *entry) bool { return e.rel == r && e.Where == "" && c.follows(e, fk) })
	if fk.OnDelete == "cascade" && !path && (parent != c.client || c.followed(r, fk)) {
		c.gaps.add(c.firstMention(r), r, fk.Columns[0], "under tables: "+c.proposedEntry(r, fk, parent)+", or ON DELETE NO ACTION",
			"foreign key %s is ON DELETE CASCADE, so that deleting rows of %s would delete rows here that no entry names", fk.Name,
			c.name(parent))
	}
	if fk.OnDelete != "" || parent == c.client {
		return
	}
	if r == c.client && !c.unlinked(r, fk) && !(fk.Deferred && c.deletesRowsOf(r)) {
		entry := fmt.Sprintf("- {table: %s, through: %s, reference: %s, erase: unlink}", c.name(r), c.name(parent), fk.Columns[0])
		c.gaps.add(c.m.Client.Pos, r, fk.Columns[0], "under tables: "+entry,
			"the client's row would still point to a deleted row of %s", c.name(parent))
	}
	for _, e := range c.entries {
		if e.rel != r || !e.stays() || e.Erase == erasuremap.Unlink || r == c.client {
			continue
		}
		for _, column := range fk.Columns {
			refers := c.follows(e, fk) && column == e.Reference && !nulled(e.allRules(), column)
			if refers || kept(e.rules, column) && !c.unlinked(r, fk) {
				c.gaps.add(e.Pos, r, column, "erase: delete, erase: unlink, or "+column+": null",
					"kept rows would still point to deleted rows of %s", c.name(parent))
			}
		}
	}
}

// followed reports whether any entry finds its rows by the foreign key.
func (c *checker) followed(r *Relation, fk *ForeignKey) bool {
	return slices.ContainsFunc(c.entries, func(e *entry) bool { return e.rel == r && c.follows(e, fk) })
}

func (c *checker) isTenant(column string) bool { return c.tenant != nil && column == c.tenant.Name }
