package plan

import (
	"fmt"
	"slices"
	"strings"
)

// assignStatement assigns each of the rows that could collide to a profile that is
// free for it. It tries one profile after the other: of the rows for which it is
// free, those that come first under every index take it, and the rest go on to the
// next profile. The statement fails with SQLSTATE OB001 if the lane's profiles do
// not suffice.
//
// The UPDATE finds the rows by their primary key and checks again that they belong
// to the clients: a row that another transaction has moved to another client is
// left alone.
func (em emitter) assignStatement(e *entry) Statement {
	collisions := e.collisions
	t, name := em.text(), em.name(e.rel)
	typ := keyType(e.reference, em.key)
	id := rowID(e.rel)
	s := assignment{collisions: collisions}
	var selected, same []string
	for i, column := range id {
		s.row = append(s.row, fmt.Sprintf("oubli_r%d", i))
		selected = append(selected, fmt.Sprintf("%s AS oubli_r%d", ident("t", column), i))
		same = append(same, fmt.Sprintf("%s = assigned.oubli_r%d", ident("t", column), i))
	}
	for _, x := range collisions {
		for _, o := range x.others {
			if !slices.Contains(s.keys, o) {
				selected = append(selected, fmt.Sprintf("%s AS oubli_o%d", o, len(s.keys)))
				s.keys = append(s.keys, o)
			}
		}
	}
	for i, x := range collisions {
		if len(collisions) > 1 {
			selected = append(selected, fmt.Sprintf("coalesce(%s, false) AS oubli_a%d", x.applies(), i))
		}
	}
	var columns []string
	for _, m := range selected {
		columns = append(columns, m[strings.LastIndex(m, " ")+1:])
	}
	keys := t.array(Arg{Kind: ArgProfiles}, typ)

	t.add("WITH RECURSIVE mine AS MATERIALIZED (\n  SELECT %s\n  FROM %s AS \"t\"\n  WHERE %s\n),\n",
		strings.Join(selected, ", "), e.rel.ident(), where(t.belongs(e, "t"), anyApplies(collisions)))
	t.add("assigned AS (\n  SELECT %s, 0::bigint AS oubli_n, NULL::%s AS oubli_profile FROM mine\nUNION ALL\n",
		strings.Join(columns, ", "), typ)
	t.add("  SELECT %s, oubli_at, CASE WHEN %s THEN oubli_key END\n  FROM (\n", strings.Join(columns, ", "), s.first())
	t.add("    SELECT assigned.*, p.oubli_key, p.oubli_at, %s AS oubli_free\n", s.free(e))
	t.add("    FROM assigned JOIN unnest(%s) WITH ORDINALITY AS p(oubli_key, oubli_at) ON p.oubli_at = assigned.oubli_n + 1\n", keys)
	t.add("    WHERE assigned.oubli_profile IS NULL\n    OFFSET 0) AS tried\n)\n") // OFFSET 0: evaluate oubli_free once, not at each mention

	profile := fmt.Sprintf("coalesce(assigned.oubli_profile, oubli.need_profiles()::%s)", typ)
	set := append([]change{{e.reference, profile}}, t.changes(e, "t")...)
	t.add("UPDATE %s AS \"t\"\nSET %s\nFROM assigned\n"+
		"WHERE %s\n  AND (assigned.oubli_profile IS NOT NULL OR assigned.oubli_n = cardinality(%s))\n  AND %s",
		e.rel.ident(), assignments(set...), strings.Join(same, " AND "), keys, t.belongs(e, "t"))
	return t.statement(name+": reassign, each to a free profile", name)
}

// assignment is what the parts of the statement share.
type assignment struct {
	collisions []collision
	row        []string // columns that identify a row
	keys       []string // the indexes' other keys, as expressions, each once
}

// free is the condition under which no existing row prevents the assignment to
// profile p. Scalar subqueries with a LIMIT are never hashed: each is one index
// lookup, however large the table.
func (s assignment) free(e *entry) string {
	conds := make([]string, len(s.collisions))
	for i, x := range s.collisions {
		conds[i] = fmt.Sprintf("(SELECT 1 FROM %s AS \"x\" WHERE %s = p.oubli_key AND %s LIMIT 1) IS NULL",
			e.rel.ident(), ident("x", e.Reference), x.meets("assigned", s.keys))
		if len(s.collisions) > 1 {
			conds[i] = fmt.Sprintf("(NOT assigned.oubli_a%d OR %s)", i, conds[i])
		}
	}
	return strings.Join(conds, " AND ")
}

// first is the condition under which, of the rows for which a profile is free, a
// row is the first under every index that applies to it.
func (s assignment) first() string {
	conds := []string{"oubli_free"}
	for i, x := range s.collisions {
		group := []string{"oubli_free"}
		if len(s.collisions) > 1 {
			group = append(group, fmt.Sprintf("oubli_a%d", i))
		}
		for _, o := range x.others {
			group = append(group, fmt.Sprintf("oubli_o%d", slices.Index(s.keys, o)))
		}
		cond := fmt.Sprintf("row_number() OVER (PARTITION BY %s ORDER BY %s) = 1", strings.Join(group, ", "), strings.Join(s.row, ", "))
		if len(s.collisions) > 1 {
			cond = fmt.Sprintf("(NOT oubli_a%d OR %s)", i, cond)
		}
		conds = append(conds, cond)
	}
	return strings.Join(conds, " AND ")
}

// anyApplies is the condition under which a row is subject to any of the
// indexes; empty if every row is.
func anyApplies(collisions []collision) string {
	conds := make([]string, len(collisions))
	for i, x := range collisions {
		if x.appliesAlways() {
			return ""
		}
		conds[i] = x.applies()
	}
	return strings.Join(conds, " OR ")
}

// rowID are the columns that identify one row. Without a key that is its place in
// the table, which is stable within one statement.
func rowID(r *Relation) []string {
	if id := r.rowID(); id != nil {
		return id
	}
	return []string{"tableoid", "ctid"}
}

// appliesAlways reports whether every row is subject to the index.
func (x collision) appliesAlways() bool { return x.applies() == "true" }

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

// meets is the condition under which a row has the same other keys as the row
// aliased alias, whose column oubli_oN holds the key keys[N].
func (x collision) meets(alias string, keys []string) string {
	var conds []string
	for i, o := range x.others {
		equal := "="
		if x.nullable[i] && x.nullsMeet {
			equal = "IS NOT DISTINCT FROM"
		}
		conds = append(conds, fmt.Sprintf("%s %s %s.oubli_o%d", o, equal, alias, slices.Index(keys, o)))
	}
	if x.predicate != "" {
		conds = append(conds, "("+x.predicate+")")
	}
	return strings.Join(conds, " AND ")
}
