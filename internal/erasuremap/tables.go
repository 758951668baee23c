package erasuremap

// tableEntry is an entry of tables with the places of its keys. The checks that
// compare entries need these places.
type tableEntry struct {
	Table
	f      *fields
	retain *fields // nil without retain
}

func (r *reader) readTable(v value) tableEntry {
	f := r.fields(v, "a table")
	retain, kept := r.readRetain(f.take("retain"), f.has("through"))
	t := Table{
		Pos:          f.pos,
		Table:        r.name(f.need("table")),
		Reference:    r.column(f.take("reference")),
		References:   r.readReferences(f.take("references")),
		Through:      r.name(f.take("through")),
		OwnedBy:      r.column(f.take("owned_by")),
		Where:        r.condition(f.take("where")),
		WherePos:     f.at("where"),
		Erase:        choice(r, f.need("erase"), Delete, Reassign, Unlink, Keep),
		Merge:        choice(r, f.take("merge"), Move, Delete, Keep),
		Columns:      r.rules(f.take("columns")),
		Retain:       kept,
		CarriesValue: r.flag(f.take("carries_value")),
	}
	f.close()
	e := tableEntry{Table: t, f: f, retain: retain}
	if !f.broken {
		e.check(r)
	}
	return e
}

func (r *reader) readReferences(v value) *References {
	if !v.set {
		return nil
	}
	f := r.fields(v, "references")
	refs := &References{
		Pos:        f.pos,
		Column:     r.column(f.need("column")),
		IgnoreCase: r.flag(f.take("ignore_case")),
	}
	f.close()
	return refs
}

func (r *reader) readRetain(v value, through bool) (*fields, *Retain) {
	if !v.set {
		return nil, nil
	}
	f := r.fields(v, "retain")
	t := &Retain{Pos: f.pos, Rule: r.text(f.need("rule"), "the name of a retention rule")}
	if since := f.need("since"); through {
		t.SinceOf, t.Since = r.columnOf(since)
	} else {
		t.Since = r.column(since)
	}
	columns, before := f.need("columns"), len(r.problems)
	t.Columns = r.rules(columns)
	if columns.set && len(t.Columns) == 0 && len(r.problems) == before {
		r.problemf(f.key("columns"), "retain needs columns, what becomes of each when the period has ended")
	}
	for _, c := range t.Columns {
		if c.Kind == KeepValue {
			r.problemf(c.Pos, "%q would be kept for ever: list it under the table's columns", c.Column)
		}
	}
	f.close()
	return f, t
}

// check refuses mistakes that can be found in one entry alone.
func (e *tableEntry) check(r *reader) {
	f := e.f
	if f.has("owned_by") {
		f.without("an owned row is deleted, or stays while another row points to it",
			"reference", "references", "through", "where", "columns", "retain", "carries_value")
		if e.Erase != "" && e.Erase != Delete {
			r.problemf(f.at("erase"), "an owned row can only be deleted: write erase: delete")
		}
		if e.Merge == Move {
			r.problemf(f.at("merge"), "an owned row holds no reference to move: leave out merge, and name %s under the client's fill",
				e.OwnedBy)
		}
		return
	}
	if !f.has("reference") {
		r.problemf(f.pos, "a table needs reference, the column that refers to the client or to a row of through, or owned_by")
	}
	if f.has("through") && e.References != nil && e.References.IgnoreCase {
		r.problemf(f.at("references"), "a reference to a row of %s is compared as it is: leave out ignore_case", e.Through)
	}
	switch e.Erase {
	case Delete:
		f.without("a deleted row has no columns left", "columns", "retain")
	case Reassign:
		if f.has("through") {
			r.problemf(f.at("erase"), "a row that belongs to the client through another follows it: write erase: keep, delete or unlink")
		}
	}
	if e.Erase == Reassign || e.Erase == Unlink {
		e.refuseRuleFor(r, e.Reference)
	}
	if f.has("through") && e.Merge == Move {
		r.problemf(f.at("merge"), "a row that belongs to the client through another follows it: write merge: keep or delete")
	}
	if e.CarriesValue && e.Merge == Delete {
		r.problemf(f.at("merge"), "a row that carries value is never dropped by a merge: write merge: move, or leave out carries_value")
	}
	if e.Retain == nil {
		return
	}
	now := map[string]bool{}
	for _, c := range e.Columns {
		now[c.Column] = true
	}
	for _, c := range e.Retain.Columns {
		if now[c.Column] {
			r.problemf(c.Pos, "%q is also under columns, which are changed at once: name it once", c.Column)
		}
	}
}

func (e *tableEntry) refuseRuleFor(r *reader, reference string) {
	rules := e.Columns
	if e.Retain != nil {
		rules = append(rules[:len(rules):len(rules)], e.Retain.Columns...)
	}
	for _, c := range rules {
		if c.Column == reference && reference != "" {
			r.problemf(c.Pos, "%q is set by erase: %s: leave out its rule", c.Column, e.Erase)
		}
	}
}
