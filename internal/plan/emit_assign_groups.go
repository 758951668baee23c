package plan

import (
	"fmt"
	"slices"
	"strings"
)

// assignInGroups is assignStatement for rows that one index keeps apart. Each row
// belongs to one group then, of rows with the same other keys, and its place in the
// group is drawn at random. The n-th row takes the n-th profile that is free for the
// group: first the lane's first, and then the others in a circle from a random
// start. The profiles of a group are looked up until there are enough, so that the
// cost grows with the rows of the clients and with the profiles that are taken.
func (em emitter) assignInGroups(e *entry) Statement {
	x, t, name := e.collisions[0], em.text(), em.name(e.rel)
	typ := e.link.referenceType(em.key)
	var rows, same, others, of []string
	for i, column := range rowID(e.rel) {
		rows = append(rows, fmt.Sprintf("%s AS oubli_r%d", ident("t", column), i))
		same = append(same, fmt.Sprintf("%s = assigned.oubli_r%d", ident("t", column), i))
	}
	for i, o := range x.others {
		others = append(others, fmt.Sprintf("%s AS oubli_o%d", o, i))
		of = append(of, fmt.Sprintf("oubli_o%d", i))
	}
	group := strings.Join(of, ", ")
	// A subquery, so that the array is made once.
	keys := "(SELECT " + t.newReferences(e.link) + ")"

	// Materialized, so that what is drawn stays the same.
	t.add("WITH drawn AS MATERIALIZED (\n"+
		"  SELECT %s, random() AS oubli_turn, random() AS oubli_start\n"+
		"  FROM %s AS \"t\"\n"+
		"  WHERE %s\n),\n",
		strings.Join(slices.Concat(rows, others), ", "), e.rel.ident(), where(t.belongs(e, "t"), anyApplies(e.collisions)))
	t.add("mine AS MATERIALIZED (\n"+
		"  SELECT *, dense_rank() OVER (ORDER BY %[1]s) AS oubli_group, row_number() OVER w AS oubli_n,\n"+
		"    count(*) OVER (PARTITION BY %[1]s) AS oubli_rows, first_value(oubli_start) OVER w AS oubli_from\n"+
		"  FROM drawn\n"+
		"  WINDOW w AS (PARTITION BY %[1]s ORDER BY oubli_turn)\n),\n", group)
	t.add("free AS MATERIALIZED (\n"+
		"  SELECT mine.oubli_group, f.oubli_key, f.oubli_n\n"+
		"  FROM mine CROSS JOIN LATERAL (\n"+
		"    SELECT p.oubli_key, row_number() OVER () AS oubli_n\n"+
		"    FROM (\n"+
		"      SELECT %[1]s[CASE WHEN s.n = 0 THEN 1\n"+
		"        ELSE 2 + (s.n - 1 + floor(mine.oubli_from * (cardinality(%[1]s) - 1))::int)"+
		" %% greatest(cardinality(%[1]s) - 1, 1) END] AS oubli_key\n"+
		"      FROM (SELECT generate_series(0, cardinality(%[1]s) - 1) AS n) AS s\n"+
		"      OFFSET 0) AS p\n"+
		"    WHERE (SELECT 1 FROM %[2]s AS \"x\" WHERE %[3]s = p.oubli_key AND %[4]s LIMIT 1) IS NULL\n"+
		"    LIMIT mine.oubli_rows) AS f\n"+
		"  WHERE mine.oubli_n = 1\n)\n",
		keys, e.rel.ident(), ident("x", e.Reference), x.meets("mine", slices.Clone(x.others)))

	set := append([]change{{e.reference, fmt.Sprintf("coalesce(assigned.oubli_key, oubli.need_profiles()::%s)", typ)}}, t.changes(e, "t")...)
	t.add("UPDATE %s AS \"t\"\nSET %s\n"+
		"FROM (SELECT mine.*, free.oubli_key\n"+
		"  FROM mine LEFT JOIN free ON free.oubli_group = mine.oubli_group AND free.oubli_n = mine.oubli_n) AS assigned\n"+
		"WHERE %s\n  AND %s",
		e.rel.ident(), assignments(set...), strings.Join(same, " AND "), t.belongs(e, "t"))
	return t.statement(name+": reassign, each to a free profile", name)
}
