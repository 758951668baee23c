package plan

import (
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// eraseStatements is what a chunk runs once it is known whom to erase.
func (em emitter) eraseStatements() []Statement {
	all := append(em.relatedRowStatements(), em.clientRowStatement())
	for _, e := range em.entries {
		if e.owned() {
			all = append(all, em.ownedRowStatements(e)...)
		}
	}
	return all
}

// rowStatements are those for the rows that refer to clients.
func (em emitter) relatedRowStatements() []Statement {
	var all []Statement
	for _, e := range em.eraseOrder {
		all = append(all, em.entryStatements(e)...)
	}
	return all
}

// lateStatements are those of soft references, and of what belongs to their rows:
// whoever writes one need not touch the client's row, and so does not wait for
// its lock. Where erased clients stay there are none: nothing would tell whether
// a client has come back to life.
func (em emitter) lateRowStatements() []Statement {
	if em.m.Client.Erase != erasuremap.DeleteClient {
		return nil
	}
	var all []Statement
	for _, e := range em.eraseOrder {
		if e.mayComeLate {
			all = append(all, em.entryStatements(e)...)
		}
	}
	return all
}

// rows are the statements for the rows of one entry; none when they stay as
// they are.
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

// reassign re-points rows to the tenant's anonymous profile, those that a
// unique index keeps apart first and each to a profile that is free for it.
func (em emitter) reassignStatements(e *entry) []Statement {
	var all []Statement
	collisions := e.collisions
	if len(collisions) > 0 {
		all = append(all, em.assignStatement(e, collisions))
	}
	if len(collisions) == 1 && collisions[0].appliesAlways() && e.rel.rowID() != nil {
		return all
	}
	t, name := em.text(), em.name(e.rel)
	profile := t.scalar(Arg{Kind: ArgProfile}, keyType(e.reference, em.key))
	set := append([]change{{e.reference, profile}}, t.changes(e, "t")...)
	t.add("UPDATE %s AS \"t\"\nSET %s\nWHERE %s", e.rel.ident(), assignments(set...), t.belongs(e, "t"))
	return append(all, t.statement(name+": reassign", name))
}

// clientRow is the last statement on the identity itself.
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
	s.ClientRows = true
	return s
}

// ownedRows deletes what the clients' rows pointed to, unless a row of another
// still does. Two erasures side by side whose clients share such a row would
// each take the other's client for a reason to keep it, hence the lock: the
// second waits, and its DELETE then sees that the first client is gone.
func (em emitter) ownedRowStatements(e *entry) []Statement {
	name := em.name(e.rel)
	lock, t := em.text(), em.text()
	// HAVING lets no row out, so that locking counts for none.
	lock.add("SELECT count(*)\nFROM (SELECT FROM %s AS \"t\" WHERE %s ORDER BY %s FOR UPDATE) AS \"held\"\nHAVING count(*) < 0",
		e.rel.ident(), lock.pointedTo(e), ident("t", e.pairs[0].target))
	t.add("DELETE FROM %s AS \"t\"\nWHERE %s", e.rel.ident(), t.pointedTo(e))
	for _, x := range e.pointers {
		t.add("\n  AND NOT EXISTS (SELECT FROM %s AS \"x\" WHERE %s)", x.from.ident(), pairwise(x.pairs))
	}
	return []Statement{
		lock.statement(name+": lock what the clients pointed to", name),
		t.statement(name+": delete unless another row points to it", name),
	}
}

// pointedTo is the condition that picks the rows that the clients' rows
// pointed to.
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

func pairwise(pairs []pair) string {
	conds := make([]string, len(pairs))
	for i, p := range pairs {
		conds[i] = ident("x", p.column) + " = " + ident("t", p.target)
	}
	return strings.Join(conds, " AND ")
}
