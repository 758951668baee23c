package plan

import (
	"fmt"
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// coverDescendants records a gap for what a table has in addition to the table of the map
// from which it inherits: the statements change its rows and know the inherited
// columns only. An entry of its own, by the same path, covers it.
func (c *checker) coverDescendants() {
	for _, r := range c.relations() {
		for _, descendant := range c.catalog.descendants(r) {
			own := ownColumns(descendant, r)
			if r == c.client && c.m.Client.Erase == erasuremap.Anonymize {
				c.coverOwnColumns(c.m.Client.Pos, r, descendant, own, "ALTER TABLE … NO INHERIT, or use client.erase: delete")
			}
			for _, e := range c.pathsTo(r) {
				switch like := c.entryLike(e, descendant); {
				case e.owned():
				case like == nil:
					c.coverDescendant(e, descendant, own)
				case !agrees(like, e):
					c.gaps.add(like.Pos, descendant, like.Reference, "write the same erase, and the same rules of inherited columns",
						"inherits from %s, and differs from its entry on line %d, whose statements see these rows too", c.name(r),
						e.Pos.Line)
				}
			}
		}
	}
}

// entryLike is the entry of a table by the same path as e; nil without one.
func (c *checker) entryLike(e *entry, r *Relation) *entry {
	for _, o := range c.pathsTo(r) {
		if !o.owned() && o.Reference == e.Reference && c.catalog.Relation(o.Through) == c.catalog.Relation(e.Through) &&
			o.Where == e.Where {
			return o
		}
	}
	return nil
}

// agrees reports whether the entry of a descendant does to inherited columns what e does.
func agrees(descendant, e *entry) bool {
	if descendant.Erase != e.Erase || descendant.Merge != e.Merge || (descendant.Retain == nil) != (e.Retain == nil) {
		return false
	}
	if e.Retain != nil {
		if own := descendant.Retain; own.Rule != e.Retain.Rule || own.Since != e.Retain.Since || descendant.dated() != e.dated() {
			return false
		}
	}
	same := func(own, inherited []columnRule) bool {
		return !slices.ContainsFunc(inherited, func(r columnRule) bool {
			return !slices.ContainsFunc(own, func(o columnRule) bool { return o.Column == r.Column && o.sameAs(r) })
		})
	}
	return same(descendant.rules, e.rules) && same(descendant.retained, e.retained)
}

func (r columnRule) sameAs(o columnRule) bool {
	return r.Kind == o.Kind && r.Text == o.Text && slices.Equal(r.Paths, o.Paths)
}

func (c *checker) coverDescendant(e *entry, descendant *Relation, own []*Column) {
	through := ""
	if e.through() {
		through = " through: " + e.Through.String() + ","
	}
	fix := fmt.Sprintf("under tables: - {table: %s,%s reference: %s, erase: …, columns: …}", c.name(descendant), through, e.Reference)
	if !e.stays() {
		for _, col := range own {
			if c.looksLikeReference(col) || c.polymorphic(descendant, col) {
				c.gaps.add(e.Pos, descendant, col.Name, fix, "looks like a reference to a client, in a table that inherits from %s",
					c.name(e.rel))
			}
		}
		return
	}
	if e.rel == c.client && e.Erase == erasuremap.Unlink {
		return // the row stays the row of another client
	}
	c.coverOwnColumns(e.Pos, e.rel, descendant, own, fix)
	for i := range descendant.Indexes {
		if x := &descendant.Indexes[i]; e.moves() && (x.Unique || x.Exclusion) && x.has(e.Reference) {
			c.gaps.add(e.Pos, descendant, e.Reference, fix, "index %s is unique over it, in a table that inherits from %s", x.Name, c.name(e.rel))
		}
	}
}

func (c *checker) coverOwnColumns(pos erasuremap.Pos, r, descendant *Relation, own []*Column, fix string) {
	for _, col := range own {
		if c.personal(descendant, col) {
			c.gaps.add(pos, descendant, col.Name, fix,
				"a column of type %s of rows that are kept, in a table that inherits from %s, not classified", col.Type, c.name(r))
		}
	}
}

// isOrInherits reports whether r is the ancestor or inherits from it.
func (c *checker) isOrInherits(r, ancestor *Relation) bool {
	return r == ancestor || c.catalog.inherits(r, ancestor)
}
