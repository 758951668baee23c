package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// eraseStatements are what a chunk runs for the clients that it erases.
func (em emitter) eraseStatements() []Statement {
	all := slices.Concat(em.recordValues(), em.relatedRowStatements(everyEntry), em.remainderStatements())
	all = append(all, em.clientRowStatement())
	for _, e := range em.entries {
		if e.owned() {
			all = append(all, em.ownedRowStatements(e)...)
		}
	}
	return all
}

// relatedRowStatements are those for the rows that refer to clients by certain
// entries.
func (em emitter) relatedRowStatements(which func(*entry) bool) []Statement {
	all := em.recordStatements(which)
	for i, e := range em.eraseOrder {
		if !which(e) {
			continue
		}
		all = append(all, em.entryStatements(e)...)
		if last := !slices.ContainsFunc(em.eraseOrder[i+1:], func(o *entry) bool { return em.sameReference(o, e) }); last {
			all = append(all, em.childRemainder(e)...)
		}
	}
	return all
}

// entryStatements are those for the rows of one entry; none if nothing changes in
// them.
func (em emitter) entryStatements(e *entry) []Statement {
	t, name := em.text(), em.name(e.rel)
	switch e.Erase {
	case erasuremap.Delete:
		t.add("DELETE FROM %s AS \"t\"\nWHERE %s", e.rel.ident(), t.belongs(e, "t"))
		return []Statement{t.statement(name+": delete", name)}
	case erasuremap.Unlink:
		set := append([]change{{e.reference, "NULL"}}, t.changes(e, "t")...)
		t.add("UPDATE %s AS \"t\"\nSET %s\nWHERE %s", e.rel.ident(), assignments(set...), t.belongs(e, "t"))
		return []Statement{t.statement(name+": unlink", name)}
	case erasuremap.Reassign:
		return em.reassignStatements(e)
	case erasuremap.Keep:
		set := t.changes(e, "t")
		if len(set) == 0 {
			return nil
		}
		t.add("UPDATE %s AS \"t\"\nSET %s\nWHERE %s\n  AND %s", e.rel.ident(), assignments(set...), t.belongs(e, "t"), differs("t", set))
		return []Statement{t.statement(name+": keep", name)}
	}
	return nil
}

// reassignStatements make rows refer to the tenant's anonymous profile. Rows that
// could collide under a unique index come first, each to a profile for which it
// is free.
func (em emitter) reassignStatements(e *entry) []Statement {
	var all []Statement
	if len(e.collisions) > 0 {
		all = append(all, em.assignStatement(e))
	}
	if len(e.collisions) == 1 && e.collisions[0].appliesAlways() && e.rel.rowID() != nil {
		return all
	}
	t, name := em.text(), em.name(e.rel)
	set := append([]change{{e.reference, t.sharedProfile(e)}}, t.changes(e, "t")...)
	t.add("UPDATE %s AS \"t\"\nSET %s\nWHERE %s", e.rel.ident(), assignments(set...), t.belongs(e, "t"))
	return append(all, t.statement(name+": reassign", name))
}

// sharedProfile is the tenant's shared profile. Where a CHECK constraint is about
// two references of a row, these may have to differ: a row whose other reference is
// the shared profile already gets another profile of the lane.
func (t *text) sharedProfile(e *entry) string {
	typ := e.link.referenceType(t.key)
	profile := t.newReference(e.link, Arg{Kind: ArgProfile})
	var same, differs []string
	for _, other := range t.checkedWith(e) {
		own := ident("t", other)
		same = append(same, own+" = "+profile)
		differs = append(differs, " AND k IS DISTINCT FROM "+own)
	}
	if len(same) == 0 {
		return profile
	}
	return fmt.Sprintf("CASE WHEN %[1]s\n"+
		"  THEN coalesce((SELECT k FROM unnest(%[2]s) AS k WHERE k <> %[3]s%[4]s LIMIT 1), oubli.need_profiles()::%[5]s)\n"+
		"  ELSE %[3]s END",
		strings.Join(same, " OR "), t.newReferences(e.link), profile, strings.Join(differs, ""), typ)
}

// checkedWith are the other references of e's rows to reassigned clients about which
// there is a CHECK constraint together with e's own.
func (md *model) checkedWith(e *entry) []string {
	var all []string
	for _, o := range md.entries {
		both := func(columns []string) bool {
			return slices.Contains(columns, e.Reference) && slices.Contains(columns, o.Reference)
		}
		if o.rel == e.rel && o.Erase == erasuremap.Reassign && !o.through() && o.Reference != e.Reference &&
			!slices.Contains(all, o.Reference) && slices.ContainsFunc(e.rel.Checks, both) {
			all = append(all, o.Reference)
		}
	}
	return all
}

// clientRowStatement erases the clients' own rows.
func (em emitter) clientRowStatement() Statement {
	t, name := em.text(), em.name(em.client)
	var s Statement
	if em.m.Client.Erase == erasuremap.Anonymize {
		set := t.ruleChanges("t", em.clientRules)
		t.add("UPDATE %s AS \"t\"\nSET %s\nWHERE %s", em.client.ident(), assignments(set...), t.theseClients("t"))
		s = t.statement(name+": anonymize", name)
	} else {
		t.add("DELETE FROM %s AS \"t\"\nWHERE %s", em.client.ident(), t.theseClients("t"))
		s = t.statement(name+": delete", name)
	}
	s.ClientRows, s.Place = true, em.place(em.client, "")
	return s
}

// ownedRowStatements delete the rows to which the clients' rows pointed, unless
// another row still points to them. Without the lock, two concurrent erasures
// whose clients share such a row would each keep it because of the other's client.
// With it the second waits, and its DELETE then sees that the first client is gone.
func (em emitter) ownedRowStatements(e *entry) []Statement {
	name := em.name(e.rel)
	lock, t := em.text(), em.text()
	// HAVING returns no row, so that locked rows are not counted as changed.
	lock.add("SELECT count(*)\nFROM (SELECT FROM %s AS \"t\" WHERE %s ORDER BY %s FOR UPDATE) AS \"locked\"\nHAVING count(*) < 0",
		e.rel.ident(), lock.pointedTo(e), ident("t", e.pairs[0].target))
	t.add("DELETE FROM %s AS \"t\"\nWHERE %s", e.rel.ident(), t.pointedTo(e))
	for _, x := range e.pointers {
		t.add("\n  AND NOT EXISTS (SELECT FROM %s AS \"x\" WHERE %s)", x.from.ident(), pairsEqual(x.pairs))
	}
	return []Statement{
		lock.statement(name+": lock rows that the clients pointed to", name),
		t.statement(name+": delete unless another row points to it", name),
	}
}

// pointedTo is the condition that selects the rows to which the clients' rows
// pointed.
func (t *text) pointedTo(e *entry) string {
	target := e.rel.Column(e.pairs[0].target)
	cond := ident("t", target.Name) + " = ANY(" + t.array(Arg{ArgOwned, e.OwnedBy}, keyType(target, target)) + ")"
	for _, p := range e.pairs[1:] {
		if t.tenant != nil && p.column == t.tenant.Name {
			cond += " AND " + ident("t", p.target) + " = " + t.scalar(Arg{Kind: ArgTenant}, keyType(e.rel.Column(p.target), t.tenant))
		}
	}
	return cond
}

// pairsEqual is the condition under which the row x refers to the row t.
func pairsEqual(pairs []pair) string {
	conds := make([]string, len(pairs))
	for i, p := range pairs {
		conds[i] = ident("x", p.column) + " = " + ident("t", p.target)
	}
	return strings.Join(conds, " AND ")
}
