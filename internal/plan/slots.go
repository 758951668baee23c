package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// collision is a unique index that two re-pointed rows could violate: the
// reference is one of its keys, others are the rest.
type collision struct {
	others    []string // expressions over bare column names, as they will be after erasing
	nullable  []bool
	predicate string
}

// checkSlots records a gap for a unique index under which no number of
// profiles would do, or of which this cannot be known.
func (c *compiler) checkSlots(e *entry) {
	for _, x := range e.rel.Indexes {
		if !x.Unique && !x.Exclusion {
			continue
		}
		at := slices.Index(x.Keys, e.Reference)
		touches := at >= 0 && !x.Expression[at]
		for k := range x.Keys {
			if x.Expression[k] && mentions(x.Keys[k], e.Reference) {
				c.gap(e.Pos, e.rel, e.Reference, "use erase: delete or erase: unlink", "cannot be reassigned: index %s is unique over an expression of it", x.Name)
			}
		}
		switch {
		case !touches:
		case x.Exclusion:
			c.gap(e.Pos, e.rel, e.Reference, "use erase: delete or erase: unlink", "cannot be reassigned: constraint %s excludes rows of one client that overlap", x.Name)
		case len(x.Keys) == 1:
			c.gap(e.Pos, e.rel, e.Reference, "use erase: delete or erase: unlink", "cannot be reassigned: index %s allows one row a client, so every erased client would need a profile", x.Name)
		}
	}
}

// mentions reports whether an expression could name the column.
func mentions(expr, column string) bool {
	for rest := expr; ; {
		i := strings.Index(rest, column)
		if i < 0 {
			return false
		}
		before, after := rest[:i], rest[i+len(column):]
		if !wordAtEnd(before) && !wordAtStart(after) {
			return true
		}
		rest = after
	}
}

func wordAtEnd(s string) bool   { return s != "" && isWord(s[len(s)-1]) }
func wordAtStart(s string) bool { return s != "" && isWord(s[0]) }
func isWord(b byte) bool {
	return b == '_' || b == '$' || b >= 0x80 || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

// collisions are the unique indexes under which re-pointed rows could meet. An
// index over a column that erasing sets to NULL keeps no rows apart; one over
// a column that erasing rewrites otherwise cannot be foreseen and is a gap.
func (c *compiler) collisions(e *entry) []collision {
	var all []collision
	for _, x := range e.rel.Indexes {
		at := slices.Index(x.Keys, e.Reference)
		if !x.Unique || at < 0 || x.Expression[at] {
			continue
		}
		col, nulled := collision{predicate: x.Predicate}, false
		for k, key := range x.Keys {
			if k == at {
				continue
			}
			rule, written := rewritten(e, key, x.Expression[k])
			switch {
			case written && !x.Expression[k] && rule.Kind == erasuremap.Null && !x.NullsNotDistinct:
				nulled = true
			case written:
				c.gap(rule.Pos, e.rel, rule.Column, rule.Column+": keep, or erase: delete", "cannot be rewritten: index %s is unique over it and %s", x.Name, e.Reference)
			case x.Expression[k]:
				col.others = append(col.others, "("+key+")")
				col.nullable = append(col.nullable, !x.NullsNotDistinct)
			default:
				col.others = append(col.others, ident(key))
				col.nullable = append(col.nullable, !x.NullsNotDistinct && !e.rel.Column(key).NotNull)
			}
		}
		if !nulled {
			all = append(all, col)
		}
	}
	return all
}

// rewritten finds the rule by which erasing changes an index's key.
func rewritten(e *entry, key string, expression bool) (erasuremap.ColumnRule, bool) {
	for _, rules := range [][]erasuremap.ColumnRule{e.Columns, retained(e.Table)} {
		for _, rule := range rules {
			if rule.Kind != erasuremap.KeepValue && (rule.Column == key || expression && mentions(key, rule.Column)) {
				return rule, true
			}
		}
	}
	return erasuremap.ColumnRule{}, false
}

// reassign re-points rows to the tenant's anonymous profile. Rows that a
// unique index keeps apart take the first free profiles of this lane; the
// statement gives up with SQLSTATE OB001 when those do not suffice.
func (c *compiler) reassign(e *entry) []Statement {
	var all []Statement
	collisions := c.collisions(e)
	if len(collisions) > 0 {
		all = append(all, c.seat(e, collisions))
	}
	if len(collisions) == 1 && collisions[0].predicate == "" && !slices.Contains(collisions[0].nullable, true) {
		return all // every row was seated
	}
	t := &text{}
	columns, values := c.changes(t, e, "t")
	profile := t.scalar(Arg{Kind: ArgProfile}, castFor(e.reference, c.key))
	columns, values = append([]string{e.Reference}, columns...), append([]string{profile}, values...)
	t.add("UPDATE %s AS \"t\"\nSET %s\nWHERE %s", e.rel.ident(), assignments(columns, values), c.belongs(t, e, "t"))
	return append(all, t.statement(e.name()+": reassign", e.name()))
}

// seat gives each of the rows that could collide a profile that is free for
// it. Rows that may meet under any of the indexes are numbered together; the
// n-th of them takes the n-th profile that no row of another erasure holds.
func (c *compiler) seat(e *entry, collisions []collision) Statement {
	t := &text{}
	row := rowID(e.rel)
	typ := castFor(e.reference, c.key)

	together, others := common(collisions)
	selected := make([]string, 0, len(row)+len(others))
	for i, id := range row {
		selected = append(selected, fmt.Sprintf("%s AS oubli_r%d", ident("t", id), i))
	}
	for i, o := range others {
		selected = append(selected, fmt.Sprintf("%s AS oubli_o%d", o, i))
	}
	partition := ""
	if len(together) > 0 {
		partition = "PARTITION BY " + strings.Join(together, ", ") + " "
	}
	order := ident("t", e.Reference)
	for _, id := range row {
		order += ", " + ident("t", id)
	}
	var meets, applies []string
	for _, x := range collisions {
		meets = append(meets, x.meets("m", others))
		applies = append(applies, x.applies())
	}
	rivals := "(" + strings.Join(meets, " OR ") + ")"
	if len(collisions) > 1 {
		// Rows numbered together must agree on what is free, so a profile
		// counts as taken when it is for any of them.
		same := make([]string, len(together))
		for i, o := range together {
			same[i] = fmt.Sprintf("r.oubli_o%d IS NOT DISTINCT FROM m.oubli_o%d", slices.Index(others, o), slices.Index(others, o))
		}
		if len(same) == 0 {
			same = []string{"true"}
		}
		var any []string
		for _, x := range collisions {
			any = append(any, x.meets("r", others))
		}
		rivals = fmt.Sprintf("EXISTS (SELECT FROM mine AS r WHERE %s AND (%s))", strings.Join(same, " AND "), strings.Join(any, " OR "))
	}

	t.add("WITH mine AS MATERIALIZED (\n  SELECT %s,\n    row_number() OVER (%sORDER BY %s) AS oubli_n\n  FROM %s AS \"t\"\n  WHERE %s\n    AND (%s)\n),",
		strings.Join(selected, ", "), partition, order, e.rel.ident(), c.belongs(t, e, "t"), strings.Join(applies, " OR "))
	// Profiles come in the order of the array, which unnest keeps.
	t.add("\nseat AS MATERIALIZED (\n  SELECT m.*, (\n      SELECT p.oubli_key\n      FROM unnest(%s) AS p(oubli_key)\n      WHERE NOT EXISTS (SELECT FROM %s AS \"x\" WHERE %s = p.oubli_key AND %s)\n      OFFSET m.oubli_n - 1 LIMIT 1\n    ) AS oubli_profile\n  FROM mine AS m\n)",
		t.array(Arg{Kind: ArgProfiles}, typ), e.rel.ident(), ident("x", e.Reference), rivals)

	columns, values := c.changes(t, e, "t")
	columns = append([]string{e.Reference}, columns...)
	values = append([]string{fmt.Sprintf("coalesce(seat.oubli_profile, oubli.need_profiles()::text::%s)", typ)}, values...)
	same := make([]string, len(row))
	for i, id := range row {
		same[i] = fmt.Sprintf("%s = seat.oubli_r%d", ident("t", id), i)
	}
	t.add("\nUPDATE %s AS \"t\"\nSET %s\nFROM seat\nWHERE %s", e.rel.ident(), assignments(columns, values), strings.Join(same, " AND "))
	return t.statement(e.name()+": reassign, each to a free profile", e.name())
}

// rowID are the columns that name one row: the primary key, or the row's place
// in its file, which holds within one statement.
func rowID(r *Relation) []string {
	if len(r.PrimaryKey) > 0 {
		return r.PrimaryKey
	}
	return []string{"tableoid", "ctid"}
}

// common finds the keys that all indexes share, and lists all keys once.
func common(collisions []collision) (shared, all []string) {
	for _, x := range collisions {
		for _, o := range x.others {
			if !slices.Contains(all, o) {
				all = append(all, o)
			}
		}
	}
	for _, o := range all {
		if !slices.ContainsFunc(collisions, func(x collision) bool { return !slices.Contains(x.others, o) }) {
			shared = append(shared, o)
		}
	}
	return shared, all
}

// meets is the condition under which row x of the table shares the index's
// other keys with row mine.
func (x collision) meets(mine string, others []string) string {
	conds := make([]string, 0, len(x.others)+1)
	for _, o := range x.others {
		conds = append(conds, fmt.Sprintf("%s = %s.oubli_o%d", o, mine, slices.Index(others, o)))
	}
	if x.predicate != "" {
		conds = append(conds, "("+x.predicate+")")
	}
	return "(" + strings.Join(conds, " AND ") + ")"
}

// applies is the condition under which a row is subject to the index at all.
func (x collision) applies() string {
	conds := []string{"true"}
	for i, o := range x.others {
		if x.nullable[i] {
			conds = append(conds, o+" IS NOT NULL")
		}
	}
	if x.predicate != "" {
		conds = append(conds, "("+x.predicate+")")
	}
	if len(conds) > 1 {
		conds = conds[1:]
	}
	return strings.Join(conds, " AND ")
}
