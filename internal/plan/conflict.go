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
	t.add("WITH %s\nSELECT count(*) FILTER (WHERE %s),\n  count(*) FILTER (WHERE %s)\nFROM mine", c.mine(t, e, indexes, nil),
		c.clashes(t, e, indexes, anybodys), c.clashes(t, e, indexes, strangers))
	return []Conflict{{Statement: t.statement(name+": count rows that meet others at the target", name), CarriesValue: c.valuable(e.rel), NeverDropped: !c.droppable(e)}}
}

// valuable reports whether the map says that rows of the relation carry value:
// by whichever path one of them comes to a client, it is never dropped.
func (c *compiler) valuable(r *Relation) bool {
	return slices.ContainsFunc(c.entry, func(e *entry) bool { return e.rel == r && e.CarriesValue })
}

// droppable reports whether rows of an entry may give way to the target's. One
// that an erasure would only unlink is somebody else's.
func (c *compiler) droppable(e *entry) bool {
	return !c.valuable(e.rel) && e.Erase != erasuremap.Unlink && e.rel != c.client && e.rel != c.studio
}

// valuables count rows that carry value and that deleting the source would
// erase, or leave to nobody.
func (c *compiler) valuables() []Conflict {
	var all []Conflict
	for _, e := range c.entry {
		if e.CarriesValue && e.staysBehind() {
			t, name := &text{}, c.name(e.rel)
			t.add("SELECT count(*), 0::bigint\nFROM %s AS \"t\"\nWHERE %s", e.rel.ident(), c.belongs(t, e, "t"))
			all = append(all, Conflict{Statement: t.statement(name+": count rows that carry value", name), CarriesValue: true, OnDelete: true})
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
	return slices.Equal(x.Keys, y.Keys) && slices.Equal(x.Expression, y.Expression) && x.Predicate == y.Predicate &&
		x.NullsNotDistinct == y.NullsNotDistinct && x.Unusable == y.Unusable
}

// mine are the source's rows with their keys under each index as these would
// be after the move. The inner query changes nothing but the reference's value,
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
	for i, column := range slices.Concat(rowID(e.rel), carry, []string{"tableoid"}) {
		name := fmt.Sprintf("oubli_c%d", i)
		if i == len(rowID(e.rel))+len(carry) {
			name = "oubli_table"
		}
		moved = append(moved, ident("t", column)+" AS "+name)
		keys = append(keys, name)
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
	cond := c.belongs(t, e, "t")
	if e.rel == c.client && !e.reference.NotNull {
		cond += " AND NOT (" + c.thisTarget(t, "t") + ")" // it does not come to refer to itself
	}
	return fmt.Sprintf("mine AS MATERIALIZED (\n  SELECT %s\n  FROM (SELECT %s\n    FROM %s AS \"t\" WHERE %s) AS \"m\"\n)",
		strings.Join(keys, ", "), strings.Join(moved, ", "), e.rel.ident(), cond)
}

// key is the n-th key of the index over bare column names.
func (x *Index) key(n int) string {
	if x.Expression[n] {
		return "(" + x.Keys[n] + ")"
	}
	return ident(x.Keys[n])
}

// whose says which rows a row can meet.
type whose int

const (
	anybodys  whose = iota
	targets         // those that are the target's; only they can win
	strangers       // those that are not: nobody's, or another tenant's
)

// clashes is the condition under which a row of mine meets, under any of the
// indexes, one that is there already and not itself about to move.
func (c *compiler) clashes(t *text, e *entry, indexes []*Index, w whose) string {
	conds := make([]string, len(indexes))
	for i := range indexes {
		conds[i] = fmt.Sprintf("EXISTS (SELECT FROM %s)", c.rival(t, e, indexes, i, w))
	}
	return strings.Join(conds, "\n   OR ")
}

// rival is the row aliased t, with its conditions, that a row of mine meets
// under the i-th index.
func (c *compiler) rival(t *text, e *entry, indexes []*Index, i int, w whose) string {
	x := indexes[i]
	conds := []string{fmt.Sprintf("mine.oubli_a%d", i)}
	for k, key := range x.Keys {
		equal := "="
		if x.NullsNotDistinct && (x.Expression[k] || key != e.Reference && !e.rel.Column(key).NotNull) {
			equal = "IS NOT DISTINCT FROM" // which no index serves
		}
		conds = append(conds, fmt.Sprintf("%s %s mine.oubli_k%d_%d", x.key(k), equal, i, k))
	}
	if x.Predicate != "" {
		conds = append(conds, "("+x.Predicate+")")
	}
	if x.Unusable { // only a partition's
		conds = append(conds, `"t"."tableoid" = mine.oubli_table`)
	}
	if !x.has(e.Reference) {
		conds = append(conds, "NOT coalesce("+c.belongs(t, e, "t")+", false)")
	}
	switch w {
	case targets:
		conds = append(conds, c.ofTarget(t, e, "t"))
	case strangers:
		conds = append(conds, "NOT coalesce("+c.ofTarget(t, e, "t")+", false)")
	}
	return fmt.Sprintf("%s AS \"t\" WHERE %s", e.rel.ident(), strings.Join(conds, " AND "))
}

// ofTarget is the condition under which a row of the entry is the target's.
func (c *compiler) ofTarget(t *text, e *entry, alias string) string {
	cond := ident(alias, e.link.key.Name) + " = " + t.scalar(Arg{Kind: ArgTarget}, keyType(e.link.key, c.key))
	if e.link.tenant != nil {
		cond += " AND " + ident(alias, e.link.tenant.Name) + " = " + t.scalar(Arg{Kind: ArgTenant}, keyType(e.link.tenant, c.tenant))
	}
	return "(" + where(cond, e.Where) + ")"
}

// hold locks the rows of an entry that may give way, and those of the target
// that may win, so that live traffic changes neither between the count and the
// end: a row that is let go of a moment later would otherwise win, and one that
// has just been referred to would be dropped.
func (c *compiler) hold(e *entry) []Statement {
	if e.Merge != erasuremap.Move || !c.droppable(e) || len(c.uniquesOver(e)) == 0 {
		return nil
	}
	t, name := &text{}, c.name(e.rel)
	var order []string
	for _, column := range rowID(e.rel) {
		order = append(order, ident("t", column))
	}
	// HAVING lets no row out, so that locking counts for none.
	t.add("SELECT count(*)\nFROM (SELECT FROM %s AS \"t\" WHERE (%s) OR %s ORDER BY %s FOR UPDATE) AS \"held\"\nHAVING count(*) < 0",
		e.rel.ident(), c.belongs(t, e, "t"), c.ofTarget(t, e, "t"), strings.Join(order, ", "))
	return []Statement{t.statement(name+": lock what may give way or win", name)}
}

// drop deletes the rows of one entry of which the target has the like, and lets
// what refers to them refer to the target's instead.
func (c *compiler) drop(e *entry) []Statement {
	indexes := c.uniquesOver(e)
	if e.Merge != erasuremap.Move || !c.droppable(e) || len(indexes) == 0 {
		return nil
	}
	var all []Statement
	for _, p := range c.referrers(e) {
		all = append(all, c.repoint(e, indexes, p)...)
	}
	t, name := &text{}, c.name(e.rel)
	var same []string
	for i, column := range rowID(e.rel) {
		same = append(same, fmt.Sprintf("%s = mine.oubli_c%d", ident("t", column), i))
	}
	t.add("WITH %s\nDELETE FROM %s AS \"t\"\nUSING mine\nWHERE %s AND %s AND (%s)", c.mine(t, e, indexes, nil),
		e.rel.ident(), strings.Join(same, " AND "), c.belongs(t, e, "t"), c.clashes(t, e, indexes, targets))
	return append(all, t.statement(name+": drop what the target has already", name))
}

// repoint lets rows that refer to a dropped row refer to the target's. What of a
// key PostgreSQL computes, such as a discriminator, is the same for both.
func (c *compiler) repoint(e *entry, indexes []*Index, p referrer) []Statement {
	t, name := &text{}, c.name(p.from)
	var carry, winner, set, same []string
	n := len(rowID(e.rel))
	for i, pair := range p.pairs {
		carry = append(carry, pair.target)
		winner = append(winner, fmt.Sprintf("%s AS oubli_w%d", ident("t", pair.target), i))
		from, to := p.from.Column(pair.column), e.rel.Column(pair.target)
		same = append(same, ident("t", from.Name)+" = "+asKey(from, to, fmt.Sprintf("mine.oubli_c%d", n+i)))
		if p.from == e.rel { // the target's row does not come to refer to itself
			same = append(same, ident("t", to.Name)+" <> w.oubli_w"+fmt.Sprint(i))
		}
		if !from.Generated {
			set = append(set, ident(from.Name)+" = "+asKey(from, to, fmt.Sprintf("w.oubli_w%d", i)))
		}
	}
	if len(set) == 0 {
		return nil // PostgreSQL will not let the row go, and the source stays
	}
	var rivals []string
	for i := range indexes {
		rivals = append(rivals, fmt.Sprintf("SELECT %s FROM %s", strings.Join(winner, ", "), c.rival(t, e, indexes, i, targets)))
	}
	t.add("WITH %s\nUPDATE %s AS \"t\"\nSET %s\nFROM mine, LATERAL (\n  SELECT * FROM (%s) AS r LIMIT 1) AS w\nWHERE %s", c.mine(t, e, indexes, carry),
		p.from.ident(), strings.Join(set, ", "), strings.Join(rivals, "\n    UNION ALL "), where(strings.Join(same, " AND "), p.where))
	return []Statement{t.statement(name+": refer to the target's "+c.name(e.rel), name)}
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
		for k := range r.ForeignKeys {
			if fk := &r.ForeignKeys[k]; fk.to(e.rel) {
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
