package plan

import "slices"

// pinStatement reads nothing from any table that erasing changes. PostgreSQL
// lets nobody change their columns before the transaction ends, so that what is
// read of the catalog from then on stays true. Partitions follow their parent.
func (em emitter) lockTablesStatement() Statement {
	t := em.text()
	for i, name := range em.changedTables() {
		if i > 0 {
			t.add("\nUNION ALL ")
		}
		t.add("SELECT FROM ONLY %s WHERE false", name)
	}
	return t.statement("tables: keep their columns", em.name(em.client))
}

// changed are the tables whose rows the map changes, the clients' own among them.
func (em emitter) changedTables() []string {
	names := []string{em.client.ident()}
	for _, e := range em.entries {
		names = append(names, e.rel.ident())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// touched are the relations in whose files, indexes and statistics something of
// an erased client may be left: every table that changes, and the views that
// copy from them.
func (em emitter) affectedTables() []string {
	names := em.changedTables()
	for _, view := range em.refreshed {
		names = append(names, view.ident())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// refreshStatements bring materialized views up to date, which hold copies of
// what was erased. A view with a unique index over plain columns stays readable
// meanwhile.
func (em emitter) refreshStatements() []Statement {
	var all []Statement
	for _, view := range em.refreshed {
		how := ""
		if slices.ContainsFunc(view.Indexes, func(x Index) bool {
			return x.Unique && x.Predicate == "" && !slices.Contains(x.Expression, true)
		}) {
			how = "CONCURRENTLY "
		}
		t := em.text()
		t.add("REFRESH MATERIALIZED VIEW %s%s", how, view.ident())
		all = append(all, t.statement(em.name(view)+": refresh", em.name(view)))
	}
	return all
}
