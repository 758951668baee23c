package plan

import (
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// linkOf is the reference to the client that a column holds, with the tenant's
// column where there is one. A foreign key over the column and the tenant tells which
// column that is. Where values are unique within their tenant only, it may also be
// the column that has the same name as the client's.
func (rs *resolver) linkOf(r *Relation, reference *Column, refs *erasuremap.References) link {
	l, target := link{rel: r, key: reference}, rs.key
	if refs != nil && (refs.Column != rs.key.Name || refs.IgnoreCase) {
		if target = rs.column(refs.Pos, rs.client, refs.Column); target == nil {
			return l
		}
		l.target, l.fold = target, refs.IgnoreCase
	}
	l.tenant = rs.tenantOf(l, target)
	l.shared = l.byValue() && (l.fold || !rs.client.uniqueBy(target.Name) &&
		(l.tenant == nil || !rs.client.uniqueBy(target.Name, rs.tenant.Name)))
	return l
}

func (rs *resolver) tenantOf(l link, target *Column) *Column {
	if rs.tenant == nil {
		return nil
	}
	if l.rel == rs.client && l.key == target {
		return rs.tenant
	}
	perTenant := rs.keyPerTenant
	if l.byValue() {
		perTenant = !rs.client.uniqueBy(target.Name)
	}
	for _, fk := range l.rel.ForeignKeys {
		at := slices.Index(fk.ParentColumns, rs.tenant.Name)
		if fk.to(rs.client) && fk.target(l.key.Name) == target.Name && at >= 0 {
			if col := l.rel.Column(fk.Columns[at]); col.NotNull || perTenant {
				return col
			}
		}
	}
	if perTenant {
		if col := l.rel.Column(rs.tenant.Name); col != nil && canHold(col, rs.tenant) {
			return col
		}
	}
	return nil
}

// resolveParentColumn finds the columns by which an entry refers to another column
// of its parent than the key: with a foreign key to that column, or without one. If
// the column is unique within the tenant only, the tenant's columns are compared too.
func (rs *resolver) resolveParentColumn(e *entry, parent *Relation) {
	target := rs.column(e.References.Pos, parent, e.References.Column)
	if target == nil {
		return
	}
	for i := range e.rel.ForeignKeys {
		if fk := &e.rel.ForeignKeys[i]; fk.to(parent) && fk.target(e.Reference) == target.Name {
			e.pairs = fk.pairs()
			at := slices.Index(fk.Columns, e.Reference)
			e.pairs[0], e.pairs[at] = e.pairs[at], e.pairs[0]
			return
		}
	}
	e.pairs = []pair{{e.Reference, target.Name}}
	if parent.uniqueBy(target.Name) {
		return
	}
	if rs.tenant != nil {
		name := rs.tenant.Name
		if e.rel.Column(name) != nil && parent.Column(name) != nil && parent.uniqueBy(target.Name, name) {
			e.pairs = append(e.pairs, pair{name, name})
			return
		}
	}
	rs.gaps.add(e.References.Pos, parent, target.Name, "refer to a column of which no two rows have the same value",
		"several rows of %s may have the same %s: a row that refers to it may belong to somebody else", e.Through, target.Name)
}
