package plan

import (
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// inherits reports whether r inherits from ancestor (INHERITS), directly or not.
func (c *Catalog) inherits(r, ancestor *Relation) bool {
	return slices.ContainsFunc(r.Inherits, func(ref Reference) bool {
		parent := c.Relation(erasuremap.Name{Schema: ref.Schema, Relation: ref.Name})
		return parent != nil && (parent == ancestor || c.inherits(parent, ancestor))
	})
}

// descendants are the tables that inherit from r, directly or not. A statement on r
// changes their rows as well.
func (c *Catalog) descendants(r *Relation) []*Relation {
	var all []*Relation
	if !r.Inherited {
		return nil
	}
	for i := range c.Relations {
		if descendant := &c.Relations[i]; c.inherits(descendant, r) {
			all = append(all, descendant)
		}
	}
	return all
}

// ownColumns are the columns of a descendant that its ancestor does not have.
func ownColumns(descendant, ancestor *Relation) []*Column {
	var own []*Column
	for i := range descendant.Columns {
		if ancestor.Column(descendant.Columns[i].Name) == nil {
			own = append(own, &descendant.Columns[i])
		}
	}
	return own
}

// reached are the tables whose rows erasing may change: those of the map, and those
// that inherit from them.
func (md *model) reached() []*Relation {
	all := md.relations()
	for _, r := range md.relations() {
		for _, descendant := range md.catalog.descendants(r) {
			if !slices.Contains(all, descendant) {
				all = append(all, descendant)
			}
		}
	}
	return all
}

// countedAs is the table with whose rows those of r are counted: the table of the
// map from which r inherits, or r.
func (md *model) countedAs(r *Relation) *Relation {
	for _, mapped := range md.relations() {
		if md.catalog.inherits(r, mapped) {
			return md.countedAs(mapped)
		}
	}
	return r
}
