package plan

import (
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// checkUniqueness refuses changes of kept rows that a unique index or an
// exclusion constraint might refuse. Collisions of reassigned rows are expected:
// each such row is assigned to a profile for which it is free (emit_assign.go).
// What cannot be foreseen is refused here.
func (c *checker) checkUniqueness() {
	for _, e := range c.entries {
		for i := range e.rel.Indexes {
			if x := &e.rel.Indexes[i]; e.stays() && e.reference != nil && (x.Unique || x.Exclusion) {
				c.checkReferenceIn(e, x)
				c.checkRulesIn(e.rel, e.allRules(), x, e.Erase == erasuremap.Reassign && x.has(e.Reference))
			}
		}
	}
	if c.m.Client.Erase == erasuremap.Anonymize {
		for i := range c.client.Indexes {
			if x := &c.client.Indexes[i]; x.Unique || x.Exclusion {
				c.checkRulesIn(c.client, c.clientRules, x, false)
			}
		}
	}
}

// checkReferenceIn refuses indexes for which no number of profiles suffices, or
// may not suffice.
func (c *checker) checkReferenceIn(e *entry, x *Index) {
	refuse := func(why string) {
		c.gaps.add(e.Pos, e.rel, e.Reference, "use erase: delete or erase: unlink", "cannot be reassigned: "+why, x.Name)
	}
	switch {
	case e.Erase == erasuremap.Unlink && x.has(e.Reference) && x.NullsNotDistinct:
		c.gaps.add(e.Pos, e.rel, e.Reference, "use erase: delete or erase: reassign",
			"cannot be unlinked: index %s treats NULLs as equal", x.Name)
	case e.Erase != erasuremap.Reassign:
	case x.computes(e.Reference):
		refuse("index %s is unique over an expression of it")
	case mentions(withoutNotNull(x.Predicate, e.Reference), e.Reference):
		refuse("the condition of index %s depends on it")
	case x.Exclusion && x.has(e.Reference):
		refuse("constraint %s excludes rows of one client that overlap")
	case x.has(e.Reference) && c.oneRowPerClient(e, x):
		refuse("index %s allows one row a client, so every erased client would need a profile")
	}
}

// oneRowPerClient reports whether the index has no other key than the reference
// and the tenant.
func (c *checker) oneRowPerClient(e *entry, x *Index) bool {
	for _, key := range x.Keys {
		if key != e.Reference && (c.tenant == nil || !c.holdsTenant(e.rel, key)) {
			return false
		}
	}
	return true
}

// holdsTenant reports whether the column holds the row's tenant.
func (c *checker) holdsTenant(r *Relation, column string) bool {
	for _, fk := range r.ForeignKeys {
		parent := c.catalog.parent(&fk)
		switch at := slices.Index(fk.Columns, column); {
		case at < 0:
		case parent == c.tenantTable && fk.ParentColumns[at] == c.m.Tenant.Key:
			return true
		case parent == c.client && fk.ParentColumns[at] == c.tenant.Name:
			return true
		}
	}
	return column == c.tenant.Name && !r.isForeign(column)
}

// checkRulesIn refuses rules that could make two rows equal under the index.
// reassigned says that reassigned rows are assigned to profiles by this index:
// its other keys must not change then.
func (c *checker) checkRulesIn(r *Relation, rules []columnRule, x *Index, reassigned bool) {
	for _, rule := range rules {
		refuse := func(why string) {
			c.gaps.add(rule.Pos, r, rule.Column, rule.Column+": keep, or erase: delete", "cannot be rewritten: "+why, x.Name)
		}
		switch {
		case !rule.writes():
		case rule.Kind == erasuremap.Null && x.leavesWithNull(rule.Column):
		case mentions(x.Predicate, rule.Column):
			refuse("the condition of unique index %s depends on it")
		case x.computes(rule.Column):
			refuse("index %s is unique over an expression of it")
		case !x.has(rule.Column):
		case rule.Kind == erasuremap.Null && !x.NullsNotDistinct: // NULLs never collide
		case rule.Kind == erasuremap.SQL && !reassigned: // the expression may be unique
		default:
			refuse("index %s is unique over it")
		}
	}
}
