package plan

import (
	"fmt"
	"slices"
	"strings"
)

// seat gives each of the rows that could collide a profile that is free for
// it. Profiles are tried in turn: of the rows without a seat for which one is
// free, those that come first under every index take it, and the rest go on to
// the next. The statement gives up with SQLSTATE OB001 when the lane's profiles
// do not suffice.
//
// The rows are named by their primary key and held against the client once
// more in the UPDATE: one that live traffic has moved to another client since
// is then left alone.
func (em emitter) assignStatement(e *entry, collisions []collision) Statement {
	t, name := em.text(), em.name(e.rel)
	typ := keyType(e.reference, em.key)
	id := rowID(e.rel)
	s := assignment{collisions: collisions}
	var mine, same []string
	for i, column := range id {
		s.row = append(s.row, fmt.Sprintf("oubli_r%d", i))
		mine = append(mine, fmt.Sprintf("%s AS oubli_r%d", ident("t", column), i))
		same = append(same, fmt.Sprintf("%s = seat.oubli_r%d", ident("t", column), i))
	}
	for _, x := range collisions {
		for _, o := range x.others {
			if !slices.Contains(s.keys, o) {
				mine = append(mine, fmt.Sprintf("%s AS oubli_o%d", o, len(s.keys)))
				s.keys = append(s.keys, o)
			}
		}
	}
	for i, x := range collisions {
		if len(collisions) > 1 {
			mine = append(mine, fmt.Sprintf("coalesce(%s, false) AS oubli_a%d", x.applies(), i))
		}
	}
	var columns []string
	for _, m := range mine {
		columns = append(columns, m[strings.LastIndex(m, " ")+1:])
	}
	keys := t.array(Arg{Kind: ArgProfiles}, typ)

	t.add("WITH RECURSIVE mine AS MATERIALIZED (\n  SELECT %s\n  FROM %s AS \"t\"\n  WHERE %s\n),\n",
		strings.Join(mine, ", "), e.rel.ident(), where(t.belongs(e, "t"), anyApplies(collisions)))
	t.add("seat AS (\n  SELECT %s, 0::bigint AS oubli_n, NULL::%s AS oubli_profile FROM mine\nUNION ALL\n", strings.Join(columns, ", "), typ)
	t.add("  SELECT %s, oubli_at, CASE WHEN %s THEN oubli_key END\n  FROM (\n", strings.Join(columns, ", "), s.first())
	t.add("    SELECT seat.*, p.oubli_key, p.oubli_at, %s AS oubli_free\n", s.free(e))
	t.add("    FROM seat JOIN unnest(%s) WITH ORDINALITY AS p(oubli_key, oubli_at) ON p.oubli_at = seat.oubli_n + 1\n", keys)
	t.add("    WHERE seat.oubli_profile IS NULL\n    OFFSET 0) AS try\n)\n") // OFFSET 0: look once, not once for each mention

	profile := fmt.Sprintf("coalesce(seat.oubli_profile, oubli.need_profiles()::%s)", typ)
	set := append([]change{{e.reference, profile}}, t.changes(e, "t")...)
	t.add("UPDATE %s AS \"t\"\nSET %s\nFROM seat\nWHERE %s\n  AND (seat.oubli_profile IS NOT NULL OR seat.oubli_n = cardinality(%s))\n  AND %s",
		e.rel.ident(), assignments(set...), strings.Join(same, " AND "), keys, t.belongs(e, "t"))
	return t.statement(name+": reassign, each to a free profile", name)
}

// seating is what the parts of the statement share.
type assignment struct {
	collisions []collision
	row        []string // columns that name a row
	keys       []string // the indexes' other keys, as expressions, each once
}

// free is the condition under which no row of another erasure keeps a row from
// profile p. Scalar subqueries with a LIMIT are never hashed: each is one look
// into the index, however large the table.
func (s assignment) free(e *entry) string {
	conds := make([]string, len(s.collisions))
	for i, x := range s.collisions {
		conds[i] = fmt.Sprintf("(SELECT 1 FROM %s AS \"x\" WHERE %s = p.oubli_key AND %s LIMIT 1) IS NULL", e.rel.ident(), ident("x", e.Reference), x.meets("seat", s.keys))
		if len(s.collisions) > 1 {
			conds[i] = fmt.Sprintf("(NOT seat.oubli_a%d OR %s)", i, conds[i])
		}
	}
	return strings.Join(conds, " AND ")
}

// first is the condition under which a row is the first of all that a profile
// is free for, under every index that applies to it.
func (s assignment) first() string {
	conds := []string{"oubli_free"}
	for i, x := range s.collisions {
		apart := []string{"oubli_free"}
		if len(s.collisions) > 1 {
			apart = append(apart, fmt.Sprintf("oubli_a%d", i))
		}
		for _, o := range x.others {
			apart = append(apart, fmt.Sprintf("oubli_o%d", slices.Index(s.keys, o)))
		}
		cond := fmt.Sprintf("row_number() OVER (PARTITION BY %s ORDER BY %s) = 1", strings.Join(apart, ", "), strings.Join(s.row, ", "))
		if len(s.collisions) > 1 {
			cond = fmt.Sprintf("(NOT oubli_a%d OR %s)", i, cond)
		}
		conds = append(conds, cond)
	}
	return strings.Join(conds, " AND ")
}

// anyApplies is the condition under which a row is subject to any of the
// indexes; empty when each row is.
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

// rowID names one row: by its id or, where it has none, by its place, which
// holds within one statement.
func rowID(r *Relation) []string {
	if id := r.rowID(); id != nil {
		return id
	}
	return []string{"tableoid", "ctid"}
}
