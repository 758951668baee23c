package plan

import "slices"

// resolveSince finds the parent's column from which the entry's retention counts.
func (rs *resolver) resolveSince(e *entry) {
	pos, r := e.Retain.Pos, rs.relation(e.Retain.Pos, e.Retain.SinceOf)
	if r == nil || len(e.pairs) == 0 {
		return // a gap already
	}
	switch ways := stepsTo(e, r, nil); len(ways) {
	case 0:
		rs.gaps.add(pos, e.rel, "", "name a table to which through leads, or a column of this one",
			"since names %s, to which through does not lead", rs.name(r))
	case 1:
		e.since, e.sinceOf = rs.column(pos, r, e.Retain.Since), ways[0]
	default:
		rs.gaps.add(pos, e.rel, "", "name a table that comes before on the way",
			"since names %s, to which through leads by several ways, so that a row could have several dates", rs.name(r))
	}
}

// stepsTo are the different ways from rows of e to rows of a parent. A cyclic
// `through` chain leads nowhere.
func stepsTo(e *entry, to *Relation, seen []*entry) [][]step {
	if !e.through() || len(e.pairs) == 0 || len(e.parents) == 0 || slices.Contains(seen, e) {
		return nil
	}
	first := step{e.parents[0].rel, e.pairs}
	if first.rel == to {
		return [][]step{{first}}
	}
	var all [][]step
	for _, p := range e.parents {
		for _, rest := range stepsTo(p, to, append(seen, e)) {
			way := append([]step{first}, rest...)
			if !slices.ContainsFunc(all, func(known []step) bool { return sameSteps(known, way) }) {
				all = append(all, way)
			}
		}
	}
	return all
}

func sameSteps(a, b []step) bool {
	return slices.EqualFunc(a, b, func(x, y step) bool { return x.rel == y.rel && slices.Equal(x.pairs, y.pairs) })
}
