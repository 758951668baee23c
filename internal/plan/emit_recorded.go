package plan

import (
	"fmt"
	"slices"
	"strings"
)

// A sweep finds the rows of former clients by the anonymous profiles on which they
// stand. Years pass until then: somebody deletes the profile, and a foreign key sets
// the reference to NULL, or the application makes the rows another client's. So
// oubli.retained_rows records, in the transaction that erases, which rows keep
// something, and from which day their period counts.

// recordable reports whether rows of the entry can be recorded: something identifies
// them that erasing does not write.
func (md *model) recordable(e *entry) bool {
	id := e.rel.rowID()
	return e.Retain != nil && len(id) > 0 && !slices.ContainsFunc(md.writes(), func(w write) bool {
		return w.rel == e.rel && slices.Contains(id, w.column.Name)
	})
}

// recordStatements record what the statements after them keep. They come before any
// row changes.
func (em emitter) recordStatements(which func(*entry) bool) []Statement {
	var all []Statement
	for _, e := range em.retaining() {
		if !em.recordable(e) || !which(e) {
			continue
		}
		t, name := em.text(), em.name(e.rel)
		var held []string
		for _, rule := range e.retained {
			held = append(held, ident("t", rule.Column)+" IS NOT NULL")
		}
		t.add("INSERT INTO oubli.retained_rows (tenant_id, table_name, reference, rows, days)\n"+
			"SELECT %s::text, %s, %s, array_agg(k.id ORDER BY k.id), array_agg(k.day ORDER BY k.id)\n"+
			"FROM (SELECT %s AS id, %s AS day FROM %s AS \"t\"\n  WHERE %s\n    AND (%s) AND %s) AS k\nHAVING count(*) > 0",
			t.arg(Arg{Kind: ArgTenant}), literal(e.rel.qualified()), literal(e.Reference),
			recordedID("t", e.rel.rowID()), t.day(e, "t"), e.rel.ident(), t.belongs(e, "t"), strings.Join(held, " OR "),
			t.stillRetained(e, "t"))
		s := t.statement(name+": record what is retained", name)
		s.Control = true
		all = append(all, s)
	}
	return all
}

// recordedID is what identifies a row as oubli.retained_rows has it: the value as
// text or, of several columns, an array of such texts as text.
func recordedID(alias string, id []string) string {
	texts := make([]string, len(id))
	for i, column := range id {
		texts[i] = ident(alias, column) + "::text"
	}
	if len(texts) == 1 {
		return texts[0]
	}
	return "ARRAY[" + strings.Join(texts, ", ") + "]::text"
}

// idColumns are the columns oubli_i0, oubli_i1, … read from a recorded id.
func idColumns(r *Relation, recorded string) string {
	id := r.rowID()
	columns := make([]string, len(id))
	for i, column := range id {
		part := recorded
		if len(id) > 1 {
			part = fmt.Sprintf("(%s::text[])[%d]", recorded, i+1)
		}
		columns[i] = fmt.Sprintf("%s::%s AS oubli_i%d", part, rowType(r, column), i)
	}
	return strings.Join(columns, ", ")
}

// sameRow is the condition under which the row aliased row is the one that names of
// columns oubli_i0, … of the row aliased named identify.
func sameRow(r *Relation, row, named string) string {
	var conds []string
	for i, column := range r.rowID() {
		conds = append(conds, fmt.Sprintf("%s = %s.oubli_i%d", ident(row, column), named, i))
	}
	return strings.Join(conds, " AND ")
}

// sameID is the condition under which two lists of ids name the same row.
func sameID(r *Relation, a, b string) string {
	conds := make([]string, len(r.rowID()))
	for i := range conds {
		conds[i] = fmt.Sprintf("%[1]s.oubli_i%[3]d = %[2]s.oubli_i%[3]d", a, b, i)
	}
	return strings.Join(conds, " AND ")
}

// ofRecords is the condition that selects the tenant's records of the entry's table
// and reference from oubli.retained_rows.
func (t *text) ofRecords(e *entry, alias string) string {
	return fmt.Sprintf("%[1]s.tenant_id = %[2]s::text AND %[1]s.table_name = %[3]s AND %[1]s.reference = %[4]s",
		alias, t.arg(Arg{Kind: ArgTenant}), literal(e.rel.qualified()), literal(e.Reference))
}

// recorded is the CTE of the rows that are recorded: oubli_i0, …, oubli_day.
func (t *text) recorded(e *entry) string {
	return fmt.Sprintf("recorded AS MATERIALIZED (\n  SELECT %s, max(u.day) AS oubli_day\n"+
		"  FROM oubli.retained_rows AS r CROSS JOIN LATERAL unnest(r.rows, r.days) AS u(id, day)\n  WHERE %s\n  GROUP BY u.id)",
		idColumns(e.rel, "u.id"), t.ofRecords(e, "r"))
}

// isRecorded is the condition under which the row t, which a record names, is the one
// that was recorded, also when it refers to no profile any more: another row may
// have got its key since. The day may have moved with the tenant's time zone. A row
// whose day is its parent's, and whose parent is gone, belongs to nobody: its key
// suffices.
func (t *text) isRecorded(e *entry, day string) string {
	same := fmt.Sprintf("abs(%s - %s) <= 2", t.day(e, "t"), day)
	if len(e.sinceOf) > 0 {
		from, cond, _ := t.parentOf(e, "t")
		same = fmt.Sprintf("(%s OR NOT EXISTS (SELECT FROM %s WHERE %s))", same, from, cond)
	}
	return "(" + where(same, e.Where) + " OR " + t.belongs(e, "t") + ")"
}

// recordRestStatement records rows that refer to profiles and are not recorded yet:
// those that a version without records erased, or that came late.
func (em emitter) recordRestStatement(e *entry) Statement {
	t, name := em.text(), em.name(e.rel)
	t.add("WITH %s\nINSERT INTO oubli.retained_rows (tenant_id, table_name, reference, rows, days)\n"+
		"SELECT %s::text, %s, %s, array_agg(k.id ORDER BY k.id), array_agg(k.day ORDER BY k.id)\n"+
		"FROM (SELECT %s AS id, %s AS day, row_number() OVER () / 1000 AS part FROM %s AS \"t\"\n"+
		"  WHERE %s\n    AND %s\n    AND %s\n    AND NOT EXISTS (SELECT FROM recorded AS r WHERE %s)) AS k\nGROUP BY k.part",
		t.recorded(e), t.arg(Arg{Kind: ArgTenant}), literal(e.rel.qualified()), literal(e.Reference),
		recordedID("t", e.rel.rowID()), t.day(e, "t"), e.rel.ident(),
		t.belongs(e, "t"), t.stillRetained(e, "t"), differs("t", t.ruleChanges("t", e.retained)), sameRow(e.rel, "t", "r"))
	s := t.statement(name+": record what is not recorded yet", name)
	s.Control = true
	return s
}

// tidyStatement removes what is over from the records, and makes one record of
// several small ones, so that a small job's record does not show for long which rows
// were erased together. Entries that tell their rows apart by `where` share records.
func (em emitter) tidyStatement(e *entry) Statement {
	t, name := em.text(), em.name(e.rel)
	var firsts, owed []string
	for _, o := range em.retaining() {
		if o.rel == e.rel && o.Reference == e.Reference {
			firsts = append(firsts, t.arg(Arg{ArgFirstKept, o.Retain.Rule})+"::date")
			owed = append(owed, differs("t", t.ruleChanges("t", o.retained))+" AND "+t.isRecorded(o, "u.day"))
		}
	}
	first := "greatest(" + strings.Join(firsts, ", ") + ")"
	small := func(alias string) string { return "cardinality(" + alias + ".rows) < 500" }
	t.add("WITH taken AS (\n  DELETE FROM oubli.retained_rows AS r\n  WHERE %s\n"+
		"    AND (%s > ANY (r.days)\n      OR %s AND 1 < (SELECT count(*) FROM oubli.retained_rows AS s WHERE %s AND %s))\n"+
		"  RETURNING r.rows, r.days),\n"+
		"left_over AS (\n  SELECT u.id, u.day, row_number() OVER (ORDER BY u.id) / 1000 AS part\n"+
		"  FROM (SELECT DISTINCT u.id AS id, u.day AS day\n"+
		"    FROM taken CROSS JOIN LATERAL unnest(taken.rows, taken.days) AS u(id, day)) AS u\n"+
		"  WHERE u.day >= %s\n    OR EXISTS (SELECT FROM (SELECT %s) AS n, %s AS \"t\" WHERE %s AND (%s)))\n",
		t.ofRecords(e, "r"), first, small("r"), t.ofRecords(e, "s"), small("s"),
		first, idColumns(e.rel, "u.id"), e.rel.ident(), sameRow(e.rel, "t", "n"), strings.Join(owed, " OR "))
	t.add("INSERT INTO oubli.retained_rows (tenant_id, table_name, reference, rows, days)\n"+
		"SELECT %s::text, %s, %s, array_agg(k.id ORDER BY k.id), array_agg(k.day ORDER BY k.id)\nFROM left_over AS k\nGROUP BY k.part",
		t.arg(Arg{Kind: ArgTenant}), literal(e.rel.qualified()), literal(e.Reference))
	s := t.statement(name+": remove what is over from the records", name)
	s.Control = true
	return s
}
