package plan

import (
	"strings"

	"github.com/oubli/oubli/jobs"
)

// knownStatement finds those of the keys that are clients of the tenant, and
// says which of them are nobody.
func (em emitter) findClientsStatement() Statement {
	t := em.text()
	t.add("SELECT %s::text, %s\nFROM %s AS \"c\"\nWHERE %s", ident("c", em.key.Name), t.isProfile(ident("c", em.key.Name)), em.client.ident(), t.theseClients("c"))
	return t.statement("clients: find", em.name(em.client))
}

func (em emitter) ownedColumns() []string {
	var columns []string
	for _, e := range em.entries {
		if e.owned() {
			columns = append(columns, e.OwnedBy)
		}
	}
	return columns
}

// lockStatement takes the clients FOR UPDATE. A new reference to a client takes
// KEY SHARE on its row and so has either committed and is seen by the
// statements that follow, or waits for us and finds the client gone. Clients
// that live traffic holds are left for a later chunk rather than waited for.
func (em emitter) lockClientsStatement() Statement {
	t := em.text()
	columns := []string{ident("c", em.key.Name) + "::text"}
	for _, owned := range em.ownedColumns() {
		columns = append(columns, ident("c", owned)+"::text")
	}
	t.add("SELECT %s\nFROM %s AS \"c\"\nWHERE %s\nORDER BY %s\nFOR UPDATE SKIP LOCKED",
		strings.Join(columns, ", "), em.client.ident(), t.theseClients("c"), ident("c", em.key.Name))
	return t.statement("clients: lock", em.name(em.client))
}

// judgeStatement says of every client which guard holds, if any, and from what
// day the latest of what the law keeps of it is. It runs after the lock, on a newer snapshot.
func (em emitter) guardsStatement() Statement {
	t := em.text()
	key := ident("c", em.key.Name)
	t.add("SELECT %s::text,\n  CASE\n", key)
	t.guardCases(key)
	for _, a := range em.activity {
		cutoff, kinds := t.arg(Arg{Kind: ArgCutoff})+"::timestamptz", t.arg(Arg{Kind: ArgActivities})+"::text[]"
		t.add("    WHEN %s IS NOT NULL AND (cardinality(%s) = 0 OR %s = ANY(%s)) AND %s THEN %s\n",
			cutoff, kinds, literal(a.Name), kinds, t.activeSince(a, cutoff), literal(jobs.CodeRecentActivity))
	}
	t.add("  END,\n  %s\nFROM %s AS \"c\"\nWHERE %s", t.latestRetained(), em.client.ident(), t.theseClients("c"))
	return t.statement("clients: guards and retention", em.name(em.client))
}

// backStatement finds keys that are in use again: somebody else's by now, and
// perhaps in another tenant. It gives them as they were asked for, however the
// type compares them.
func (em emitter) keysInUseStatement() Statement {
	t := em.text()
	keys := t.array(Arg{Kind: ArgKeys}, "text")
	cond := ident("c", em.key.Name) + ` = "k"."key"::` + keyType(em.key, em.key)
	if em.keyPerTenant {
		cond += " AND " + ident("c", em.tenant.Name) + " = " + t.scalar(Arg{Kind: ArgTenant}, keyType(em.tenant, em.tenant))
	}
	t.add("SELECT \"k\".\"key\"\nFROM unnest(%s) AS \"k\" (\"key\")\nWHERE EXISTS (SELECT FROM %s AS \"c\" WHERE %s)", keys, em.client.ident(), cond)
	return t.statement("clients: back", em.name(em.client))
}
