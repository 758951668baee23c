package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// Rows that move to another client must still fit their unique indexes there.
// Before anything is written, each row is compared with existing rows as it would
// be after the move, by the indexes' own expressions. What this does not foresee,
// such as an exclusion constraint, PostgreSQL refuses, and the source stays as it
// is.

// conflicts count the rows of one entry that a merge cannot move as they are.
func (em mergeEmitter) conflicts(e *entry) []Conflict {
	indexes := e.uniqueIndexes
	if e.Merge != erasuremap.Move {
		return nil
	}
	if len(indexes) == 0 {
		return em.valuelessConflicts(e)
	}
	t, name := em.text(), em.name(e.rel)
	t.add("WITH %s\nSELECT count(*) FILTER (WHERE %s),\n  count(*) FILTER (WHERE %s)\nFROM mine", t.movedRows(e, indexes, nil),
		t.collides(e, indexes, anyRow), t.collides(e, indexes, otherRows))
	s := t.statement(name+": count rows that would collide", name)
	c := Conflict{Statement: s, CarriesValue: em.carriesValue(e.rel), NeverDropped: !em.droppable(e)}
	return append(em.valuelessConflicts(e), c)
}

// valuelessConflicts count rows that hold a value of the source and cannot hold one of
// the target, which has none.
func (em mergeEmitter) valuelessConflicts(e *entry) []Conflict {
	if !e.byValue() {
		return nil
	}
	t, name := em.text(), em.name(e.rel)
	t.add("SELECT count(*), 0::bigint\nFROM %s AS \"t\"\nWHERE %s\n  AND NOT EXISTS (SELECT FROM %s AS \"v\" WHERE %s AND %s)", e.rel.ident(),
		t.belongs(e, "t"), em.client.ident(), t.isTarget("v"), e.link.hasValue(ident("v", e.target.Name)))
	return []Conflict{{Statement: t.statement(name+": count rows for which the target has no "+e.target.Name, name), NeverDropped: true}}
}

// valueConflicts count rows that carry value and stay with the source, so that
// deleting the source would erase or unlink them.
func (em mergeEmitter) valueConflicts() []Conflict {
	var all []Conflict
	for _, e := range em.entries {
		if e.CarriesValue && e.staysBehind() {
			t, name := em.text(), em.name(e.rel)
			t.add("SELECT count(*), 0::bigint\nFROM %s AS \"t\"\nWHERE %s", e.rel.ident(), t.belongs(e, "t"))
			all = append(all, Conflict{Statement: t.statement(name+": count rows that carry value", name), CarriesValue: true, OnDelete: true})
		}
	}
	return all
}

// movedRows is the common table expression mine: the source's rows with their keys
// under each index as these would be after the move. The inner query replaces the
// reference only, so that index expressions over bare column names see the row
// after the move. carry are further columns, unchanged.
func (t *text) movedRows(e *entry, indexes []*Index, carry []string) string {
	target := t.newReference(e.link, Arg{Kind: ArgTarget})
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
	cond := t.belongs(e, "t")
	if e.rel == t.client && !e.reference.NotNull {
		cond += " AND NOT (" + t.isTarget("t") + ")" // the target must not refer to itself
	}
	return fmt.Sprintf("mine AS MATERIALIZED (\n  SELECT %s\n  FROM (SELECT %s\n    FROM %s AS \"t\" WHERE %s) AS \"m\"\n)",
		strings.Join(keys, ", "), strings.Join(moved, ", "), e.rel.ident(), cond)
}

// rowOwner says whose rows a moved row may collide with.
type rowOwner int

const (
	anyRow     rowOwner = iota
	targetRows          // the target's; the source's row can be dropped in favour of them
	otherRows           // all others: nobody's, or another tenant's
)

// collides is the condition under which a row of mine collides, under any of the
// indexes, with an existing row that does not move itself.
func (t *text) collides(e *entry, indexes []*Index, owner rowOwner) string {
	conds := make([]string, len(indexes))
	for i := range indexes {
		conds[i] = fmt.Sprintf("EXISTS (SELECT FROM %s)", t.collidingRow(e, indexes, i, owner))
	}
	return strings.Join(conds, "\n   OR ")
}

// collidingRow is the FROM item, aliased t, and the condition of the row with
// which a row of mine collides under the i-th index.
func (t *text) collidingRow(e *entry, indexes []*Index, i int, owner rowOwner) string {
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
		conds = append(conds, "NOT coalesce("+t.belongs(e, "t")+", false)")
	}
	switch owner {
	case targetRows:
		conds = append(conds, t.belongsToTarget(e, "t"))
	case otherRows:
		conds = append(conds, "NOT coalesce("+t.belongsToTarget(e, "t")+", false)")
	}
	return fmt.Sprintf("%s AS \"t\" WHERE %s", e.rel.ident(), strings.Join(conds, " AND "))
}

// belongsToTarget is the condition under which a row of the entry is the target's.
func (t *text) belongsToTarget(e *entry, alias string) string {
	cond := ident(alias, e.link.key.Name) + " = " + t.newReference(e.link, Arg{Kind: ArgTarget})
	if !e.byValue() && e.link.key.text() && (t.key.oneOf("uuid") || t.key.text()) {
		cond = t.isKey(e.link.key, ident(alias, e.link.key.Name), t.scalar(Arg{Kind: ArgTarget}, keyType(t.key, t.key)))
	}
	if e.link.tenant != nil {
		cond += " AND " + ident(alias, e.link.tenant.Name) + " = " + t.scalar(Arg{Kind: ArgTenant}, keyType(e.link.tenant, t.tenant))
	}
	return "(" + where(cond, e.Where) + ")"
}

// lockConflictStatements lock the rows of an entry that may be dropped, and those
// of the target in whose favour they are. Otherwise another transaction could
// delete the target's row, or refer to the source's row, between the count and the
// drop.
func (em mergeEmitter) lockConflictStatements(e *entry) []Statement {
	if !em.mayCollide(e) {
		return nil
	}
	t, name := em.text(), em.name(e.rel)
	var order []string
	for _, column := range rowID(e.rel) {
		order = append(order, ident("t", column))
	}
	// HAVING returns no row, so that locked rows are not counted as changed.
	t.add("SELECT count(*)\nFROM (SELECT FROM %s AS \"t\" WHERE (%s) OR %s ORDER BY %s FOR UPDATE) AS \"locked\"\nHAVING count(*) < 0",
		e.rel.ident(), t.belongs(e, "t"), t.belongsToTarget(e, "t"), strings.Join(order, ", "))
	return []Statement{t.statement(name+": lock rows that may collide", name)}
}

// dropStatements delete the rows of one entry that would collide with rows of the
// target. Rows that refer to them refer to the target's rows then.
func (em mergeEmitter) dropStatements(e *entry) []Statement {
	indexes := e.uniqueIndexes
	if !em.mayCollide(e) {
		return nil
	}
	var all []Statement
	for _, p := range e.pointers {
		all = append(all, em.repointStatements(e, indexes, p)...)
	}
	t, name := em.text(), em.name(e.rel)
	var same []string
	for i, column := range rowID(e.rel) {
		same = append(same, fmt.Sprintf("%s = mine.oubli_c%d", ident("t", column), i))
	}
	t.add("WITH %s\nDELETE FROM %s AS \"t\"\nUSING mine\nWHERE %s AND %s AND (%s)", t.movedRows(e, indexes, nil),
		e.rel.ident(), strings.Join(same, " AND "), t.belongs(e, "t"), t.collides(e, indexes, targetRows))
	return append(all, t.statement(name+": drop rows that collide with the target's", name))
}

// repointStatements make rows that refer to a dropped row refer to the target's
// row. Generated columns of the foreign key, such as a discriminator, are left
// out: they are equal in both.
func (em mergeEmitter) repointStatements(e *entry, indexes []*Index, p pointer) []Statement {
	t, name := em.text(), em.name(p.from)
	var carry, winner, set, same []string
	n := len(rowID(e.rel))
	for i, pair := range p.pairs {
		carry = append(carry, pair.target)
		winner = append(winner, fmt.Sprintf("%s AS oubli_w%d", ident("t", pair.target), i))
		from, to := p.from.Column(pair.column), e.rel.Column(pair.target)
		same = append(same, ident("t", from.Name)+" = "+asKey(from, to, fmt.Sprintf("mine.oubli_c%d", n+i)))
		if p.from == e.rel { // the target's row must not refer to itself
			same = append(same, ident("t", to.Name)+" <> w.oubli_w"+fmt.Sprint(i))
		}
		if !from.Generated {
			set = append(set, ident(from.Name)+" = "+asKey(from, to, fmt.Sprintf("w.oubli_w%d", i)))
		}
	}
	if len(set) == 0 {
		return nil // PostgreSQL will refuse to delete the row, and the source stays
	}
	var matches []string
	for i := range indexes {
		matches = append(matches, fmt.Sprintf("SELECT %s FROM %s", strings.Join(winner, ", "), t.collidingRow(e, indexes, i, targetRows)))
	}
	t.add("WITH %s\nUPDATE %s AS \"t\"\nSET %s\nFROM mine, LATERAL (\n  SELECT * FROM (%s) AS r LIMIT 1) AS w\nWHERE %s",
		t.movedRows(e, indexes, carry), p.from.ident(), strings.Join(set, ", "),
		strings.Join(matches, "\n    UNION ALL "), where(strings.Join(same, " AND "), p.where))
	return []Statement{t.statement(name+": refer to the target's "+em.name(e.rel), name)}
}
