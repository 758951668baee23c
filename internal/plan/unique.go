package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// Rows that are kept must still fit their unique indexes afterwards. Those that
// keep re-pointed rows apart are foreseen, and seat.go finds each row a place;
// what cannot be foreseen is refused here.

// checkUniqueness holds every change of kept rows against the indexes that
// might refuse it.
func (c *compiler) checkUniqueness() {
	for _, e := range c.entry {
		for i := range e.rel.Indexes {
			if x := &e.rel.Indexes[i]; e.stays() && e.reference != nil && (x.Unique || x.Exclusion) {
				c.checkReferenceIn(e, x)
				c.checkRulesIn(e.rel, e.rules(), x, e.Erase == erasuremap.Reassign && x.has(e.Reference))
			}
		}
	}
	if c.m.Client.Erase == erasuremap.Anonymize {
		for i := range c.client.Indexes {
			if x := &c.client.Indexes[i]; x.Unique || x.Exclusion {
				c.checkRulesIn(c.client, c.m.Client.Columns, x, false)
			}
		}
	}
}

// checkReferenceIn refuses indexes under which no number of profiles would do,
// or of which this cannot be known.
func (c *compiler) checkReferenceIn(e *entry, x *Index) {
	refuse := func(why string) {
		c.gap(e.Pos, e.rel, e.Reference, "use erase: delete or erase: unlink", "cannot be reassigned: "+why, x.Name)
	}
	switch {
	case e.Erase == erasuremap.Unlink && x.has(e.Reference) && x.NullsNotDistinct:
		c.gap(e.Pos, e.rel, e.Reference, "use erase: delete or erase: reassign", "cannot be unlinked: index %s takes two rows without it for the same", x.Name)
	case e.Erase != erasuremap.Reassign:
	case x.computes(e.Reference):
		refuse("index %s is unique over an expression of it")
	case mentions(withoutNotNull(x.Predicate, e.Reference), e.Reference):
		refuse("the condition of index %s depends on it")
	case x.Exclusion && x.has(e.Reference):
		refuse("constraint %s excludes rows of one client that overlap")
	case x.has(e.Reference) && c.oneRowEach(e, x):
		refuse("index %s allows one row a client, so every erased client would need a profile")
	}
}

// oneRowEach reports whether nothing but the tenant stands beside the
// reference in the index.
func (c *compiler) oneRowEach(e *entry, x *Index) bool {
	for _, key := range x.Keys {
		if key != e.Reference && (c.tenant == nil || !c.holdsTenant(e.rel, key)) {
			return false
		}
	}
	return true
}

func (c *compiler) holdsTenant(r *Relation, column string) bool {
	for _, fk := range r.ForeignKeys {
		parent := c.cat.parent(&fk)
		switch at := slices.Index(fk.Columns, column); {
		case at < 0:
		case parent == c.studio && fk.ParentColumns[at] == c.m.Tenant.Key:
			return true
		case parent == c.client && fk.ParentColumns[at] == c.tenant.Name:
			return true
		}
	}
	return column == c.tenant.Name && !r.isForeign(column)
}

// checkRulesIn refuses rules under which two rows could become the same. apart
// says that the index keeps re-pointed rows apart, so that its other keys must
// hold still for that to be foreseen.
func (c *compiler) checkRulesIn(r *Relation, rules []erasuremap.ColumnRule, x *Index, apart bool) {
	for _, rule := range rules {
		refuse := func(why string) {
			c.gap(rule.Pos, r, rule.Column, rule.Column+": keep, or erase: delete", "cannot be rewritten: "+why, x.Name)
		}
		switch {
		case rule.Kind == erasuremap.KeepValue:
		case mentions(x.Predicate, rule.Column):
			refuse("the condition of unique index %s depends on it")
		case x.computes(rule.Column):
			refuse("index %s is unique over an expression of it")
		case !x.has(rule.Column):
		case rule.Kind == erasuremap.Null && !x.NullsNotDistinct: // NULLs never collide
		case rule.Kind == erasuremap.SQL && !apart: // may well be unique
		default:
			refuse("index %s is unique over it")
		}
	}
}

// has reports whether the column itself is a key of the index.
func (x *Index) has(column string) bool {
	for i, key := range x.Keys {
		if key == column && !x.Expression[i] {
			return true
		}
	}
	return false
}

// computes reports whether a key of the index is computed from the column.
func (x *Index) computes(column string) bool {
	for i, key := range x.Keys {
		if x.Expression[i] && mentions(key, column) {
			return true
		}
	}
	return false
}

// withoutNotNull is a predicate without the commonest condition on a
// reference, which holds before and after.
func withoutNotNull(predicate, column string) string {
	return strings.NewReplacer(column+" IS NOT NULL", "true", ident(column)+" IS NOT NULL", "true").Replace(predicate)
}

// mentions reports whether an expression could name the column.
func mentions(expr, column string) bool {
	column = strings.ReplaceAll(column, `"`, `""`)
	for rest := expr; ; {
		i := strings.Index(rest, column)
		if i < 0 {
			return false
		}
		before, after := rest[:i], rest[i+len(column):]
		if !wordAtEnd(before) && !wordAtStart(after) {
			return true
		}
		rest = rest[i+1:]
	}
}

func wordAtEnd(s string) bool   { return s != "" && isWord(s[len(s)-1]) }
func wordAtStart(s string) bool { return s != "" && isWord(s[0]) }
func isWord(b byte) bool {
	return b == '_' || b == '$' || b >= 0x80 || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

// collision is a unique index that keeps re-pointed rows apart: the reference
// is one of its keys, others are the rest.
type collision struct {
	others    []string // expressions over bare column names
	nullable  []bool
	predicate string
	nullsMeet bool // NULLS NOT DISTINCT
}

// collisions are the unique indexes under which re-pointed rows could meet. An
// index over a column that erasing sets to NULL at once keeps no rows apart.
func (c *compiler) collisions(e *entry) []collision {
	var all []collision
	for _, x := range e.rel.Indexes {
		if !x.Unique || !x.has(e.Reference) {
			continue
		}
		col, gone := collision{predicate: x.Predicate, nullsMeet: x.NullsNotDistinct}, false
		for k, key := range x.Keys {
			switch {
			case x.Expression[k]:
				col.others, col.nullable = append(col.others, "("+key+")"), append(col.nullable, true)
			case key != e.Reference:
				col.others, col.nullable = append(col.others, ident(key)), append(col.nullable, !e.rel.Column(key).NotNull)
				gone = gone || nulled(e.Columns, key) && !x.NullsNotDistinct
			}
		}
		if !gone && !slices.ContainsFunc(all, col.same) {
			all = append(all, col)
		}
	}
	return all
}

// same finds the same index on another partition, or a second one like it.
func (x collision) same(y collision) bool {
	return slices.Equal(x.others, y.others) && x.predicate == y.predicate && x.nullsMeet == y.nullsMeet
}

// takesEveryRow reports whether no row is outside of the index.
func (x collision) takesEveryRow() bool { return x.applies() == "true" }

// applies is the condition under which a row is subject to the index at all.
func (x collision) applies() string {
	var conds []string
	for i, o := range x.others {
		if x.nullable[i] && !x.nullsMeet {
			conds = append(conds, o+" IS NOT NULL")
		}
	}
	if x.predicate != "" {
		conds = append(conds, "("+x.predicate+")")
	}
	if len(conds) == 0 {
		return "true"
	}
	return strings.Join(conds, " AND ")
}

// meets is the condition under which a row shares the index's other keys with
// the row aliased mine, whose n-th key of them all is mine.oubli_on.
func (x collision) meets(mine string, keys []string) string {
	var conds []string
	for i, o := range x.others {
		equal := "="
		if x.nullable[i] && x.nullsMeet {
			equal = "IS NOT DISTINCT FROM"
		}
		conds = append(conds, fmt.Sprintf("%s %s %s.oubli_o%d", o, equal, mine, slices.Index(keys, o)))
	}
	if x.predicate != "" {
		conds = append(conds, "("+x.predicate+")")
	}
	return strings.Join(conds, " AND ")
}
