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
// An index over a column that erasing sets to NULL at once keeps no rows apart.
func collisionsOf(e *entry) []collision {
	var all []collision
	for _, x := range e.rel.Indexes {
		if !x.Unique || !x.has(e.Reference) {
			continue
		}
		col, emptied := collision{predicate: x.Predicate, nullsMeet: x.NullsNotDistinct}, false
		for k, key := range x.Keys {
			switch {
			case x.Expression[k]:
				col.others, col.nullable = append(col.others, "("+key+")"), append(col.nullable, true)
			case key != e.Reference:
				col.others, col.nullable = append(col.others, ident(key)), append(col.nullable, !e.rel.Column(key).NotNull)
				emptied = emptied || nulled(e.rules, key) && !x.NullsNotDistinct
			}
		}
		if !emptied && !slices.ContainsFunc(all, col.same) {
			all = append(all, col)
		}
	}
	return all
}

// uniqueIndexesOf are the unique indexes in which a change of the entry's
// reference shows.
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
