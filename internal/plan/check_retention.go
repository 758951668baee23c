package plan

import "fmt"

// checkRetention refuses a date of a parent where the rows could not be found again
// without the parent, and rules that write the date from which a retention period
// counts while the period runs: the sweep would compute another last day than the
// one that was promised when the client was erased. A rule under the same retain is
// applied together with the others when the period has ended.
func (c *checker) checkRetention() {
	for _, e := range c.entries {
		if e.since == nil {
			continue
		}
		if len(e.sinceOf) > 0 && !c.recordable(e) {
			c.gaps.add(e.Retain.Pos, e.rel, "",
				fmt.Sprintf("ALTER TABLE %s ADD PRIMARY KEY (…), over columns that erasing does not write", e.rel.ident()),
				"nothing identifies its rows, so that they could not be found again once their row of %s is gone", c.name(e.dated()))
		}
		for _, w := range c.writes() {
			dates := w.column == e.since || mentions(e.since.Computed, w.column.Name)
			if w.rule == nil || w.rel != e.dated() || !dates || c.writesWithRetain(e, w) {
				continue
			}
			c.gaps.add(w.pos, w.rel, w.column.Name, w.column.Name+": keep, or move its rule under columns of retain",
				"the period of retain on line %d counts from %s, which a rule would change before the period ends", e.Retain.Pos.Line,
				e.since.Name)
		}
	}
}

// writesWithRetain reports whether the write comes when the period of the entry has
// ended, or is of rows that the entry does not have.
func (c *checker) writesWithRetain(e *entry, w write) bool {
	switch {
	case w.entry == nil:
		return false
	case w.entry != e && c.sameReference(w.entry, e):
		return true // told apart by where
	}
	return hasRule(w.entry.retained, w.column.Name) && w.entry.Retain.Rule == e.Retain.Rule
}
