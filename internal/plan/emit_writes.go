package plan

import "slices"

// writesStatement counts the rows that this transaction has written, triggers
// included, by table; a partition's are its table's. A row that an UPDATE moves to
// another partition counts as inserted and deleted. The control tables are our own. A
// row without a table says that PostgreSQL does not count.
func (em emitter) writesStatement() Statement {
	t := em.text()
	t.add("SELECT pg_catalog.concat(n.nspname, '.', c.relname), pg_catalog.sum(w.inserted)::bigint, " +
		"pg_catalog.sum(w.updated)::bigint, pg_catalog.sum(w.deleted)::bigint\n" +
		"FROM (SELECT coalesce(pg_catalog.pg_partition_root(s.relid)::oid, s.relid) AS root, s.n_tup_ins AS inserted, " +
		"s.n_tup_upd AS updated, s.n_tup_del AS deleted\n" +
		"  FROM pg_catalog.pg_stat_xact_user_tables AS s\n" +
		"  WHERE s.n_tup_ins OPERATOR(pg_catalog.+) s.n_tup_upd OPERATOR(pg_catalog.+) s.n_tup_del" +
		" OPERATOR(pg_catalog.>) 0::bigint OFFSET 0) AS w\n" +
		"JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) w.root\n" +
		"JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace\n" +
		"WHERE n.nspname OPERATOR(pg_catalog.<>) 'oubli'::name\nGROUP BY 1\n" +
		"UNION ALL\nSELECT '', 0, 0, 0 WHERE pg_catalog.current_setting('track_counts') OPERATOR(pg_catalog.=) 'off'")
	return t.statement("tables: rows written so far", em.name(em.client))
}

// insertMeanings lists the tables of the application. Rows that a trigger inserts
// may hold what was to be erased where the map knows the table, and where it
// does not: the table is not under ignore and has columns of free form.
func (em emitter) insertMeanings() map[string]InsertedRows {
	all := map[string]InsertedRows{}
	var triggers []string // of any table: whichever inserted the rows
	for _, r := range em.relations() {
		triggers = append(triggers, r.interferes()...)
	}
	slices.Sort(triggers)
	triggers = slices.Compact(triggers)
	for i := range em.catalog.Relations {
		r := &em.catalog.Relations[i]
		as := em.countedAs(r)
		mapped := slices.Contains(em.relations(), as)
		unknown := !slices.Contains(em.ignored, r) && r != em.tenantTable && slices.ContainsFunc(r.Columns, holdsText)
		all[r.qualified()] = InsertedRows{
			Place:   Place{Table: em.name(r), Triggers: triggers},
			Matters: r.Kind != "m" && r.Kind != "f" && as != em.client && (mapped || unknown),
			Moves:   r.Kind == "p",
			Keyless: mapped && len(as.keyColumns()) == 0,
			Counted: em.name(as),
		}
	}
	return all
}

// holdsText reports whether the column can hold what a row held.
func holdsText(c Column) bool {
	return c.Base != "oid" && (slices.Contains(freeForm, c.Base) || slices.Contains([]string{"S", "C"}, c.Category))
}
