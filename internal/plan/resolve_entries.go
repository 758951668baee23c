package plan

import (
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// resolveEntries finds the tables, columns and parents of the map's entries.
func (rs *resolver) resolveEntries() {
	for i := range rs.m.Tables {
		t := &rs.m.Tables[i]
		if r := rs.table(t.Pos, t.Table); r != nil {
			rs.entries = append(rs.entries, rs.entry(t, r))
		}
	}
	for _, e := range rs.entries {
		if e.through() && e.reference != nil {
			rs.resolveThrough(e)
		}
	}
	for _, e := range rs.entries {
		if e.Retain != nil && e.Retain.SinceOf != (erasuremap.Name{}) {
			rs.resolveSince(e)
		}
	}
	for _, e := range rs.entries {
		e.mayComeLate = rs.mayComeLate(e, nil)
	}
}

func (rs *resolver) entry(t *erasuremap.Table, r *Relation) *entry {
	e := &entry{Table: t, link: link{rel: r}, rules: rs.rules(r, t.Columns)}
	if t.Retain != nil {
		e.retained = rs.rules(r, t.Retain.Columns)
		if t.Retain.SinceOf == (erasuremap.Name{}) {
			e.since = rs.column(t.Retain.Pos, r, t.Retain.Since)
		}
	}
	if e.owned() {
		rs.resolveOwned(e)
	} else if e.reference = rs.column(t.Pos, r, t.Reference); e.reference != nil && !e.through() {
		e.link = rs.linkOf(r, e.reference, t.References)
	}
	return e
}

func (rs *resolver) resolveOwned(e *entry) {
	if rs.column(e.Pos, rs.client, e.OwnedBy) == nil {
		return
	}
	if e.pairs = rs.targets(rs.client, e.OwnedBy, e.rel); e.pairs == nil {
		rs.gaps.add(e.Pos, e.rel, "", "add a foreign key, or a primary key of one column", "cannot tell which column %s points to",
			e.OwnedBy)
	}
}

func (rs *resolver) resolveThrough(e *entry) {
	parent := rs.table(e.Pos, e.Through)
	if parent == nil {
		return
	}
	if parent == rs.client {
		rs.gaps.add(e.Pos, e.rel, e.Reference, "leave out through", "%s is the client itself", e.Through)
		return
	}
	for _, p := range rs.pathsTo(parent) {
		if p != e && !p.owned() && p.Erase != erasuremap.Unlink {
			e.parents = append(e.parents, p)
		}
	}
	if len(e.parents) == 0 {
		rs.gaps.add(e.Pos, e.rel, e.Reference, "map "+e.Through.String()+" with its own path to the client",
			"no rows of %s belong to a client", e.Through)
		return
	}
	if e.References != nil {
		rs.resolveParentColumn(e, parent)
		return
	}
	if e.pairs = rs.targets(e.rel, e.Reference, parent); e.pairs == nil {
		rs.gaps.add(e.Pos, e.rel, e.Reference, "add a foreign key, or a primary key of one column",
			"cannot tell which column of %s it refers to", e.Through)
	}
}

// targets pairs the columns of child with those of parent to which they refer,
// reference first: the columns of the foreign key or, for a soft reference, of
// the parent's primary key. If that has several columns, reference refers to the
// one that is not the tenant's, and a column of child with the tenant's name to
// the tenant's. Other columns of the same name, such as id, are no references.
func (rs *resolver) targets(child *Relation, reference string, parent *Relation) []pair {
	if fk := child.foreignTo(reference, parent); fk != nil {
		all := fk.pairs()
		at := slices.Index(fk.Columns, reference)
		all[0], all[at] = all[at], all[0]
		return all
	}
	var target string
	var rest []pair
	for _, key := range parent.PrimaryKey {
		switch {
		case rs.tenant != nil && key == rs.tenant.Name && key != reference && child.Column(key) != nil:
			rest = append(rest, pair{key, key})
		case target == "":
			target = key
		default:
			return nil
		}
	}
	if target == "" {
		return nil
	}
	return append([]pair{{reference, target}}, rest...)
}

// mayComeLate reports whether rows of the entry may be written after their
// client is gone. A cyclic `through` chain returns false.
func (rs *resolver) mayComeLate(e *entry, seen []*entry) bool {
	switch {
	case e.owned() || slices.Contains(seen, e):
		return false
	case e.through():
		return slices.ContainsFunc(e.parents, func(p *entry) bool { return rs.mayComeLate(p, append(seen, e)) })
	}
	return !slices.ContainsFunc(e.rel.ForeignKeys, func(fk ForeignKey) bool { return rs.follows(e, &fk) && fk.holds(e.rel, e.Reference) })
}
