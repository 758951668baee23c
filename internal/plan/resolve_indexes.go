package plan

import "slices"

// resolveIndexes finds, for every entry, the unique indexes that a change of its
// reference affects.
func (rs *resolver) resolveIndexes() {
	for _, e := range rs.entries {
		e.collisions = collisionsOf(e)
		e.uniqueIndexes = uniqueIndexesOf(e)
	}
}

// collisionsOf are the unique indexes under which reassigned rows could collide.
// Under an index over a column that erasing sets to NULL they cannot.
func collisionsOf(e *entry) []collision {
	var all []collision
	for _, x := range e.rel.Indexes {
		if !x.Unique || !x.has(e.Reference) {
			continue
		}
		col, emptied := collision{index: x.Name, predicate: x.Predicate, nullsMeet: x.NullsNotDistinct}, false
		for k, key := range x.Keys {
			switch {
			case x.Expression[k]:
				col.others, col.nullable = append(col.others, "("+key+")"), append(col.nullable, true)
			case key != e.Reference:
				col.others, col.nullable = append(col.others, ident(key)), append(col.nullable, !e.rel.Column(key).NotNull)
				emptied = emptied || nulled(e.rules, key) && !x.NullsNotDistinct
			}
		}
		if !emptied && !slices.ContainsFunc(all, func(known collision) bool { return sameCollision(known, col) }) {
			all = append(all, col)
		}
	}
	return all
}

// uniqueIndexesOf are the unique indexes that depend on the entry's reference.
func uniqueIndexesOf(e *entry) []*Index {
	var all []*Index
	for i := range e.rel.Indexes {
		x := &e.rel.Indexes[i]
		if x.Unique && (x.has(e.Reference) || x.computes(e.Reference) || mentions(x.Predicate, e.Reference)) &&
			!slices.ContainsFunc(all, x.alike) {
			all = append(all, x)
		}
	}
	return all
}

// sameCollision finds the same index on another partition, or a second one like
// it.
func sameCollision(x, y collision) bool {
	return slices.Equal(x.others, y.others) && x.predicate == y.predicate && x.nullsMeet == y.nullsMeet
}
