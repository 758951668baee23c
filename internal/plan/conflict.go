package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// Rows that move to another client must still fit their unique indexes there.
// Each is looked at as it would be after the move, by the indexes' own
// expressions, before anything is written. What this cannot foresee, such as an
// exclusion constraint, PostgreSQL refuses, and then the source stays as it is.

// conflicts count the rows of one entry that a merge cannot move as they are.
func (c *compiler) conflicts(e *entry) []Conflict {
	indexes := c.uniquesOver(e)
	if e.Merge != erasuremap.Move || len(indexes) == 0 {
		return nil
	}
	t, name := &text{}, c.name(e.rel)
	t.add("WITH %s\nSELECT count(*) FROM mine\nWHERE %s", c.mine(t, e, indexes, nil), c.clashes(t, e, indexes))
	return []Conflict{{Statement: t.statement(name+": count rows that the target has already", name), Value: e.CarriesValue}}
}

// valuables count rows that carry value and that deleting the source would
// erase.
func (c *compiler) valuables() []Conflict {
	var all []Conflict
	for _, e := range c.entry {
		if e.CarriesValue && e.staysBehind() && (e.Erase == erasuremap.Delete || e.Erase == erasuremap.Unlink) {
			t, name := &text{}, c.name(e.rel)
			t.add("SELECT count(*)\nFROM %s AS \"t\"\nWHERE %s", e.rel.ident(), c.belongs(t, e, "t"))
			all = append(all, Conflict{Statement: t.statement(name+": count rows that carry value", name), Value: true, OnDelete: true})
		}
	}
	return all
}

// uniquesOver are the unique indexes in which a change of the entry's
// reference shows.
func (c *compiler) uniquesOver(e *entry) []*Index {
	var all []*Index
	for i := range e.rel.Indexes {
		x := &e.rel.Indexes[i]
		if x.Unique && (x.has(e.Reference) || x.computes(e.Reference) || mentions(x.Predicate, e.Reference)) &&
			!slices.ContainsFunc(all, x.alike) {
			all = append(all, x)
		}
	}
	return all
}

// alike finds the same index on another partition, or a second one like it.
func (x *Index) alike(y *Index) bool {
	return slices.Equal(x.Keys, y.Keys) && slices.Equal(x.Expression, y.Expression) && x.Predicate == y.Predicate && x.NullsNotDistinct == y.NullsNotDistinct
}

// mine are the source's rows with their keys under each index as these would
// be after the move. The inner query renames nothing but the reference's value,
// so that expressions over bare column names see the row that is to be. carry
// are columns taken along as they are.
func (c *compiler) mine(t *text, e *entry, indexes []*Index, carry []string) string {
	target := t.scalar(Arg{Kind: ArgTarget}, keyType(e.reference, c.key))
	var moved, keys []string
	for _, col := range e.rel.Columns {
		value := ident("t", col.Name)
		if col.Name == e.Reference {
			value = target + "::" + col.Type
		}
		moved = append(moved, value+" AS "+ident(col.Name))
	}
	for i, column := range append(rowID(e.rel), carry...) {
		moved = append(moved, fmt.Sprintf("%s AS oubli_c%d", ident("t", column), i))
		keys = append(keys, fmt.Sprintf("oubli_c%d", i))
	}
	for i, x := range indexes {
		for k := range x.Keys {
			keys = append(keys, fmt.Sprintf("%s AS oubli_k%d_%d", x.key(k), i, k))
		}
		applies := "true"
		if x.Predicate != "" {
			applies = "coalesce((" + x.Predicate + "), false)"
		}
		keys = append(keys, fmt.Sprintf("%s AS oubli_a%d", applies, i))
	}
	return fmt.Sprintf("mine AS MATERIALIZED (\n  SELECT %s\n  FROM (SELECT %s\n    FROM %s AS \"t\" WHERE %s) AS \"m\"\n)",
		strings.Join(keys, ", "), strings.Join(moved, ", "), e.rel.ident(), c.belongs(t, e, "t"))
}

// key is the n-th key of the index over bare column names.
func (x *Index) key(n int) string {
	if x.Expression[n] {
		return "(" + x.Keys[n] + ")"
	}
	return ident(x.Keys[n])
}

// clashes is the condition under which a row of mine meets, under any of the
// indexes, one that is there already and not itself about to move.
func (c *compiler) clashes(t *text, e *entry, indexes []*Index) string {
	conds := make([]string, len(indexes))
	for i := range indexes {
		conds[i] = fmt.Sprintf("EXISTS (SELECT FROM %s)", c.rival(t, e, indexes, i))
	}
	return strings.Join(conds, "\n   OR ")
}

// rival is the row aliased x, with its conditions, that a row of mine meets
// under the i-th index.
func (c *compiler) rival(t *text, e *entry, indexes []*Index, i int) string {
	x := indexes[i]
	conds := []string{fmt.Sprintf("mine.oubli_a%d", i)}
	for k := range x.Keys {
		equal := "="
		if x.NullsNotDistinct {
			equal = "IS NOT DISTINCT FROM"
		}
		conds = append(conds, fmt.Sprintf("%s %s mine.oubli_k%d_%d", x.key(k), equal, i, k))
	}
	if x.Predicate != "" {
		conds = append(conds, "("+x.Predicate+")")
	}
	if !x.has(e.Reference) {
		conds = append(conds, "NOT coalesce("+c.belongs(t, e, "x")+", false)")
	}
	return fmt.Sprintf("%s AS \"x\" WHERE %s", e.rel.ident(), strings.Join(conds, " AND "))
}

// drop deletes the rows of one entry of which the target has the like, and lets
// what refers to them refer to the target's instead.
func (c *compiler) drop(e *entry) []Statement {
	indexes := c.uniquesOver(e)
	if e.Merge != erasuremap.Move || len(indexes) == 0 || e.CarriesValue {
		return nil
	}
	var all []Statement
	for _, p := range c.referrers(e) {
		all = append(all, c.repoint(e, indexes, p))
	}
	t, name := &text{}, c.name(e.rel)
	var same []string
	for i, column := range rowID(e.rel) {
		same = append(same, fmt.Sprintf("%s = mine.oubli_c%d", ident("t", column), i))
	}
	t.add("WITH %s\nDELETE FROM %s AS \"t\"\nUSING mine\nWHERE %s AND (%s)", c.mine(t, e, indexes, nil),
		e.rel.ident(), strings.Join(same, " AND "), c.clashes(t, e, indexes))
	return append(all, t.statement(name+": drop what the target has already", name))
}

// repoint lets rows that refer to a dropped row refer to the target's.
func (c *compiler) repoint(e *entry, indexes []*Index, p referrer) Statement {
	t, name := &text{}, c.name(p.from)
	var carry, winner, set, same []string
	n := len(rowID(e.rel))
	for i, pair := range p.pairs {
		carry = append(carry, pair.target)
		winner = append(winner, fmt.Sprintf("%s AS oubli_w%d", ident("x", pair.target), i))
		from, to := p.from.Column(pair.column), e.rel.Column(pair.target)
		same = append(same, ident("t", from.Name)+" = "+asKey(from, to, fmt.Sprintf("mine.oubli_c%d", n+i)))
		set = append(set, ident(from.Name)+" = "+asKey(from, to, fmt.Sprintf("w.oubli_w%d", i)))
	}
	var rivals []string
	for i := range indexes {
		rivals = append(rivals, fmt.Sprintf("SELECT %s FROM %s", strings.Join(winner, ", "), c.rival(t, e, indexes, i)))
	}
	t.add("WITH %s\nUPDATE %s AS \"t\"\nSET %s\nFROM mine, LATERAL (\n  SELECT * FROM (%s) AS r LIMIT 1) AS w\nWHERE %s", c.mine(t, e, indexes, carry),
		p.from.ident(), strings.Join(set, ", "), strings.Join(rivals, "\n    UNION ALL "), where(strings.Join(same, " AND "), p.where))
	return t.statement(name+": refer to the target's "+c.name(e.rel), name)
}

// referrer is a way in which rows refer to those of an entry.
type referrer struct {
	pointer
	where string // which of the rows; "" all
}

// referrers are all ways in which rows refer to those of an entry: every
// foreign key, and the soft references that the map names.
func (c *compiler) referrers(e *entry) []referrer {
	var all []referrer
	for i := range c.cat.Relations {
		r := &c.cat.Relations[i]
		for k := range r.Foreign {
			if fk := &r.Foreign[k]; fk.to(e.rel) {
				all = append(all, referrer{pointer: pointer{r, fk.pairs()}})
			}
		}
	}
	for _, x := range c.entry {
		if x.through() && slices.Contains(x.parents, e) && x.rel.foreignTo(x.Reference, e.rel) == nil {
			all = append(all, referrer{pointer{x.rel, x.pairs}, x.Where})
		}
	}
	return all
}
