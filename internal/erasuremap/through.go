package erasuremap

import "slices"

// parents lists the entries of the table that entry i goes through. Entries that
// unlink are left out: a row that only refers to a client does not belong to it.
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
			r.problemf(at, "rows of %s are only unlinked, so they do not belong to a client: map the path by which they do", e.Through)
		}
	}
	d.checkCycles(r)
}

// checkCycles refuses cyclic through chains. An entry that unlinks ends a chain, so
// that a table whose rows refer to each other, or two tables that refer to each
// other, can be mapped.
func (d *draft) checkCycles(r *reader) {
	const (
		unvisited = iota
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
			case state[p] == unvisited:
				visit(p)
			case state[p] == open:
				e := d.entries[i]
				r.problemf(e.f.at("through"), "the path from %s through %s is a cycle: write erase: unlink in one of its entries",
					e.Table.Table, e.Through)
			}
		}
		state[i] = done
	}
	for i, e := range d.entries {
		if state[i] == unvisited && e.Erase != Unlink && e.Erase != "" {
			visit(i)
		}
	}
}

// defaultMerges sets the merge of entries that have none. A row that belongs to the
// client through a parent follows the parent: it stays as it is if the parent moves,
// and is deleted if the parent is deleted. An owned row is deleted with the client
// whose row points to it, unless the target's row points to it after the merge.
func (d *draft) defaultMerges(r *reader) {
	if len(r.problems) > 0 {
		return // the defaults depend on entries that are wrong
	}
	for i := range d.entries {
		if e := &d.entries[i]; d.defaultMerge(r, i) == Delete && e.CarriesValue && e.f.has("through") {
			r.problemf(e.f.pos, "a merge deletes the rows of %s, and with them these, which carry value: "+
				"write merge: move there, or leave out carries_value", e.Through)
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
	r.problemf(e.f.pos, "some entries of %s are deleted by a merge and some are not: write merge: keep or delete here", e.Through)
	return Keep
}
