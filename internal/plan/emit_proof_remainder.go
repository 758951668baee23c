package plan

import (
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// remainderStatements look for rows that refer to the clients and that no entry
// covers, because each has a `where`. They run before the clients' own rows go: a
// foreign key would then set the reference to NULL and leave the row.
func (em emitter) remainderStatements() []Statement {
	var all []Statement
	for i, e := range em.entries {
		if e.owned() || e.through() || !em.firstWithReference(i) || em.m.Client.Erase == erasuremap.Anonymize {
			continue
		}
		if conds := em.uncovered(e); len(conds) > 0 {
			all = append(all, em.findStatement(e.rel, e.Reference, func(t *text) string {
				return where(t.ofChunk(e.link, "t"), strings.Join(conds, " OR "))
			}))
		}
	}
	return all
}

// childRemainder looks for rows that refer to a row which is about to be deleted
// and that no entry covers. It runs after the entries with this reference, and
// before those of the parent.
func (em emitter) childRemainder(e *entry) []Statement {
	goes := func(p *entry) bool { return p.Erase == erasuremap.Delete }
	if !e.through() || em.coversAll(e) || !slices.ContainsFunc(e.parents, goes) {
		return nil
	}
	conds := em.notFalse(e)
	if e.rel.foreignTo(e.Reference, e.parents[0].rel) != nil {
		conds = []string{"true"}
	}
	table, all := *e.Table, *e
	table.Where, all.Table = "", &table
	all.parents = slices.DeleteFunc(slices.Clone(e.parents), func(p *entry) bool { return !goes(p) })
	return []Statement{em.findStatement(e.rel, e.Reference, func(t *text) string {
		return where(t.belongs(&all, "t"), strings.Join(conds, " OR "))
	})}
}

// firstWithReference reports whether no earlier entry has the same column.
func (em emitter) firstWithReference(i int) bool {
	e := em.entries[i]
	return !slices.ContainsFunc(em.entries[:i], func(o *entry) bool { return em.sameReference(o, e) })
}

// uncovered are the conditions of which one holds for a row that refers to a
// client and may be the client's although no entry covers it; none if some entry
// covers all rows. With a foreign key every such row is the client's. Without
// one, a row for which every `where` is false is somebody else's: the discriminator
// names another table.
func (em emitter) uncovered(e *entry) []string {
	if em.coversAll(e) {
		return nil
	}
	if e.rel.foreignTo(e.Reference, em.client) != nil {
		return []string{"true"}
	}
	return em.notFalse(e)
}

// coversAll reports whether an entry with the same reference has no `where`.
func (em emitter) coversAll(e *entry) bool {
	return slices.ContainsFunc(em.entries, func(o *entry) bool { return em.sameReference(o, e) && o.Where == "" })
}

func (em emitter) notFalse(e *entry) []string {
	var conds []string
	for _, o := range em.entries {
		if em.sameReference(o, e) && o.Where != "" {
			conds = append(conds, "("+o.Where+") IS NOT FALSE")
		}
	}
	return conds
}

// findStatement looks for one row that must not exist.
func (em emitter) findStatement(r *Relation, column string, cond func(*text) string) Statement {
	t, name := em.text(), em.name(r)
	t.add("SELECT %s::text\nFROM %s AS \"t\"\nWHERE %s\nLIMIT 1", literal(column), r.ident(), cond(t))
	s := t.statement(name+": find what is left", name)
	s.FindsNone, s.Place = true, em.place(r, column)
	return s
}
