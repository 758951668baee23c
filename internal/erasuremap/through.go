package erasuremap

import "slices"

// parents lists the entries whose rows the rows of entry i hang on: those of
// the table that it goes through, without the ones that are unlinked, since a
// row that merely points to a client is not the client's.
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
		if n := e.Table.Table; n != (Name{}) && !slices.Contains(names, n.String()) {
			names = append(names, n.String())
		}
	}
	for i, e := range d.entries {
		at := e.f.at("through")
		switch {
		case e.Through == (Name{}):
		case e.Through == d.Client.Table:
			r.problemf(at, "%s is the client: leave out through", e.Through)
		case !slices.Contains(names, e.Through.String()):
			r.problemf(at, "no entry of its own maps %s: %s", e.Through, suggest(e.Through.String(), names))
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
	var visit func(i int)
	visit = func(i int) {
		state[i] = open
		for _, p := range d.parents(i) {
			switch {
			case d.entries[p].Erase == "": // what it does is not known yet
			case state[p] == untouched:
				visit(p)
			case state[p] == open:
				e := d.entries[i]
				r.problemf(e.f.at("through"), "the way from %s through %s leads back to where it began: write erase: unlink where it closes", e.Table.Table, e.Through)
			}
		}
		state[i] = done
	}
	for i, e := range d.entries {
		if state[i] == untouched && e.Erase != Unlink && e.Erase != "" {
			visit(i)
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
		if e := &d.entries[i]; d.defaultMerge(r, i) == Delete && e.CarriesValue && e.f.has("through") {
			r.problemf(e.f.pos, "a merge deletes the rows of %s, and these, which carry value, with them: say merge: move there, or leave out carries_value", e.Through)
		}
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
