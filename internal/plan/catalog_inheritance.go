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

// heirs are the tables that inherit from r, directly or not. A statement on r
// changes their rows as well.
func (c *Catalog) heirs(r *Relation) []*Relation {
	var all []*Relation
	if !r.Inherited {
		return nil
	}
	for i := range c.Relations {
		if heir := &c.Relations[i]; c.inherits(heir, r) {
			all = append(all, heir)
		}
	}
	return all
}

// ownColumns are the columns of an heir that its ancestor does not have.
func ownColumns(heir, ancestor *Relation) []*Column {
	var own []*Column
	for i := range heir.Columns {
		if ancestor.Column(heir.Columns[i].Name) == nil {
			own = append(own, &heir.Columns[i])
		}
	}
	return own
}

// reached are the tables whose rows erasing may change: those of the map, and those
// that inherit from them.
func (md *model) reached() []*Relation {
	all := md.relations()
	for _, r := range md.relations() {
		for _, heir := range md.catalog.heirs(r) {
			if !slices.Contains(all, heir) {
				all = append(all, heir)
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
