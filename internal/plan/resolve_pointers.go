package plan

import "slices"

// resolvePointers finds, for every entry, the ways in which rows refer to its
// rows: every foreign key, and the soft references that the map names.
func (rs *resolver) resolvePointers() {
	for _, e := range rs.entries {
		e.pointers = rs.foreignPointers(e.rel)
		if e.owned() {
			e.pointers = append(e.pointers, rs.clientPointers(e.rel)...)
		} else {
			e.pointers = append(e.pointers, rs.childPointers(e)...)
		}
	}
}

func (rs *resolver) foreignPointers(to *Relation) []pointer {
	var all []pointer
	for i := range rs.catalog.Relations {
		r := &rs.catalog.Relations[i]
		for k := range r.ForeignKeys {
			if fk := &r.ForeignKeys[k]; fk.to(to) {
				all = append(all, pointer{from: r, pairs: fk.pairs()})
			}
		}
	}
	return all
}

// clientPointers are the client's columns without a foreign key that point to
// rows of an owned table.
func (rs *resolver) clientPointers(to *Relation) []pointer {
	var all []pointer
	for _, e := range rs.entries {
		if e.owned() && e.rel == to && rs.client.foreignTo(e.OwnedBy, to) == nil {
			all = append(all, pointer{from: rs.client, pairs: e.pairs})
		}
	}
	return all
}

// childPointers are the soft references of entries that go through e.
func (rs *resolver) childPointers(e *entry) []pointer {
	var all []pointer
	for _, child := range rs.entries {
		if child.through() && slices.Contains(child.parents, e) && child.rel.foreignTo(child.Reference, e.rel) == nil {
			all = append(all, pointer{child.rel, child.pairs, child.Where})
		}
	}
	return all
}
