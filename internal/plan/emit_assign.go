package plan

import (
	"fmt"
	"slices"
	"strings"
)

// assignStatement assigns each of the rows that could collide to a profile that is
// free for it. Where one index keeps rows apart, assignInGroups does it in one pass.
// Where there are several, it is done profile by profile. All try the lane's first profile; of the rows for which it is free,
// one under every index takes it, drawn at random, and the rest go on to the next
// profile. The statement fails with SQLSTATE OB001 if the lane's profiles do not
// suffice, before it tries any if one index alone keeps more rows apart.
//
// Which row takes which profile says nothing about whose it was: with a fixed
// order, of two clients who attend every class together one would have a profile
// to itself. After the first, the profiles are tried in a circle from a random
// start, which is drawn for each group of rows that an index keeps apart. Where
// there are several indexes, their groups overlap and all rows must try the same
// profile at a time, so that one start is drawn for the statement.
//
// The UPDATE finds the rows by their primary key and checks again that they belong
// to the clients: a row that another transaction has moved to another client is
// left alone.
func (em emitter) assignStatement(e *entry) Statement {
	collisions := e.collisions
	if len(collisions) == 1 {
		return em.assignInGroups(e)
	}
	t, name := em.text(), em.name(e.rel)
	typ := e.link.referenceType(em.key)
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
	keys := t.newReferences(e.link)

	// Materialized, so that what is drawn for a row stays the same.
	t.add("WITH RECURSIVE mine AS MATERIALIZED (\n"+
		"  SELECT %s, random() AS oubli_turn, random() AS oubli_start\n"+
		"  FROM %s AS \"t\"\n"+
		"  WHERE %s\n),\n",
		strings.Join(selected, ", "), e.rel.ident(), where(t.belongs(e, "t"), anyApplies(collisions)))
	t.add("assigned AS (\n"+
		"  SELECT %s, oubli_turn, %s AS oubli_start,\n"+
		"    CASE WHEN %s THEN cardinality(%s) ELSE 0 END::bigint AS oubli_n, NULL::%s AS oubli_profile\n"+
		"  FROM mine\n"+
		"UNION ALL\n",
		strings.Join(columns, ", "), s.start(), s.tooMany(keys), keys, typ)
	t.add("  SELECT %s, oubli_turn, oubli_start, oubli_n + 1, CASE WHEN %s THEN oubli_key END\n"+
		"  FROM (\n", strings.Join(columns, ", "), s.first())
	t.add("    SELECT assigned.*, p.oubli_key, %s AS oubli_free\n", s.free(e))
	t.add("    FROM assigned JOIN unnest(%s) WITH ORDINALITY AS p(oubli_key, oubli_at) ON p.oubli_at = %s\n", keys, position(keys))
	// OFFSET 0: evaluate oubli_free once, not at each mention.
	t.add("    WHERE assigned.oubli_profile IS NULL AND assigned.oubli_n < cardinality(%s)\n"+
		"    OFFSET 0) AS tried\n"+
		")\n", keys)

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

// partition is the window of the rows that the i-th index keeps apart.
func (s assignment) partition(i int, more ...string) string {
	group := more
	if len(s.collisions) > 1 {
		group = append(group, fmt.Sprintf("oubli_a%d", i))
	}
	for _, o := range s.collisions[i].others {
		group = append(group, fmt.Sprintf("oubli_o%d", slices.Index(s.keys, o)))
	}
	return "PARTITION BY " + strings.Join(group, ", ")
}

// start is where a row's circle of profiles begins, from 0 to 1.
func (s assignment) start() string {
	if len(s.collisions) > 1 {
		return "(SELECT random())"
	}
	return fmt.Sprintf("first_value(oubli_start) OVER (%s)", s.partition(0))
}

// tooMany is the condition under which an index keeps more rows apart than there
// are profiles.
func (s assignment) tooMany(profiles string) string {
	conds := make([]string, len(s.collisions))
	for i := range s.collisions {
		conds[i] = fmt.Sprintf("count(*) OVER (%s) > cardinality(%s)", s.partition(i), profiles)
		if len(s.collisions) > 1 {
			conds[i] = fmt.Sprintf("oubli_a%d AND %s", i, conds[i])
		}
	}
	return strings.Join(conds, " OR ")
}

// position is the place, from 1, of the profile that a row tries next: the first
// of the lane, and then the others in a circle.
func position(profiles string) string {
	return fmt.Sprintf("CASE WHEN assigned.oubli_n = 0 THEN 1\n"+
		"      ELSE 2 + (assigned.oubli_n - 1 + floor(assigned.oubli_start * (cardinality(%[1]s) - 1))::bigint)"+
		" %% greatest(cardinality(%[1]s) - 1, 1) END", profiles)
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
// row is the first under every index that applies to it. The order is random and
// the same under all indexes, so that one row at least is the first everywhere.
func (s assignment) first() string {
	conds := []string{"oubli_free"}
	for i := range s.collisions {
		cond := fmt.Sprintf("row_number() OVER (%s ORDER BY oubli_turn, %s) = 1", s.partition(i, "oubli_free"), strings.Join(s.row, ", "))
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
