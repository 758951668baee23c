package erasuremap

import "slices"

// Parents lists the entries whose rows the rows of t hang on: those of the
// table that t goes through, without the ones that are unlinked, since a row
// that merely points to a client is not the client's. It is empty for an entry
// that refers to the client itself. In a map that was read, following Parents
// always ends.
func (m *Map) Parents(t Table) []Table {
	if t.Through == (Name{}) {
		return nil
	}
	var parents []Table
	for _, p := range m.Tables {
		if p.Table == t.Through && p.Erase != Unlink {
			parents = append(parents, p)
		}
	}
	return parents
}

// parents is Parents by index, while the map is being read.
func (d *draft) parents(i int) []int {
	var list []int
	for j, p := range d.entries {
		if d.entries[i].Through != (Name{}) && p.Table.Table == d.entries[i].Through && p.Erase != Unlink {
			list = append(list, j)
		}
	}
	return list
}

func (d *draft) checkThrough(r *reader) {
	var names []string
	for _, e := range d.entries {
		names = append(names, e.Table.Table.String())
	}
	for i, e := range d.entries {
		at := e.f.at("through")
		switch {
		case e.Through == (Name{}):
		case e.Through == d.Client.Table:
			r.problemf(at, "%s is the client: leave out through", e.Through)
		case !slices.Contains(names, e.Through.String()):
			r.problemf(at, "no table %s is mapped: %s, or map it by an entry of its own", e.Through, suggest(e.Through.String(), names))
		case len(d.parents(i)) == 0:
			r.problemf(at, "rows of %s are only unlinked here, so they are not the client's: map the way by which they are", e.Through)
		}
	}
	d.checkCycles(r)
}

// checkCycles refuses ways that lead back to where they began. One entry that
// unlinks ends the way, so that a table whose rows point to one another, or
// two tables that point to each other, can be mapped.
func (d *draft) checkCycles(r *reader) {
	const (
		untouched = iota
		open
		done
	)
	state := make([]int, len(d.entries))
	var visit func(i int) bool
	visit = func(i int) bool {
		state[i] = open
		for _, p := range d.parents(i) {
			if state[p] == open || state[p] == untouched && !visit(p) {
				return false
			}
		}
		state[i] = done
		return true
	}
	for i, e := range d.entries {
		if state[i] == untouched && e.Erase != Unlink && !visit(i) {
			r.problemf(e.f.at("through"), "the way through %s leads back to %s: write erase: unlink where it closes", e.Through, e.Table.Table)
			for j := range state {
				if state[j] == open {
					state[j] = done
				}
			}
		}
	}
}

// defaultMerges gives every entry its merge. A row that belongs to the client
// through another follows that one: it stays as it is when its parent moves
// and goes when its parent goes. An owned row goes with the client that
// pointed to it, unless the target's row has come to point to it.
func (d *draft) defaultMerges(r *reader) {
	if len(r.problems) > 0 {
		return // a default would rest on entries that are wrong
	}
	for i := range d.entries {
		d.defaultMerge(r, i)
	}
}

func (d *draft) defaultMerge(r *reader, i int) Action {
	e := &d.entries[i]
	switch {
	case e.Merge != "":
	case e.OwnedBy != "":
		e.Merge = Delete
	case e.Through == (Name{}):
		e.Merge = Move
	case e.Erase == Unlink:
		e.Merge = Keep
	default:
		e.Merge = d.followParents(r, i)
	}
	return e.Merge
}

func (d *draft) followParents(r *reader, i int) Action {
	gone, stay := 0, 0
	for _, p := range d.parents(i) {
		if d.defaultMerge(r, p) == Delete {
			gone++
		} else {
			stay++
		}
	}
	switch {
	case gone == 0:
		return Keep
	case stay == 0:
		return Delete
	}
	e := d.entries[i]
	r.problemf(e.f.pos, "some entries of %s are deleted by a merge and some are not: say merge: keep or delete here", e.Through)
	return Keep
}
