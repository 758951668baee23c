package plan

import "slices"

// lockTablesStatement selects no rows from every table that erasing changes. The
// locks that this takes keep the tables' columns as they are until the transaction
// ends, so that what is read from the catalog afterwards stays true. A partition's
// columns can only change with its parent's.
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

// changedTables are the quoted names of the tables whose rows erasing changes.
func (em emitter) changedTables() []string {
	names := []string{em.client.ident()}
	for _, e := range em.entries {
		names = append(names, e.rel.ident())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// affectedTables are the quoted names of the relations whose files, indexes and
// statistics may still hold data of an erased client: every table that changes,
// those that inherit from it, and the materialized views that copy from them.
func (em emitter) affectedTables() []string {
	var names []string
	for _, r := range em.reached() {
		names = append(names, r.ident())
	}
	for _, view := range em.refreshed {
		names = append(names, view.ident())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// refreshStatements refresh materialized views, which hold copies of what was
// erased. A view with a unique index over plain columns stays readable meanwhile.
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
