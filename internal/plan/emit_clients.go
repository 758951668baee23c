package plan

import (
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/jobs"
)

// findClientsStatement finds those of the keys that are clients of the tenant, and
// says which of them are anonymous profiles.
func (em emitter) findClientsStatement() Statement {
	t := em.text()
	key := ident("c", em.key.Name)
	t.add("SELECT %s, %s\nFROM %s AS \"c\"\nWHERE %s", t.keyText(), t.isProfile(key), em.client.ident(), t.theseClients("c"))
	return t.statement("clients: find", em.name(em.client))
}

// createdStatement reads when clients were created. The ledger tells by it a client
// from a later one with the same key.
func (em emitter) createdStatement() Statement {
	t, created := em.text(), "'-'"
	if col := em.client.Column(em.m.Client.CreatedAt); col != nil {
		created = "coalesce(" + ident("c", col.Name) + "::text, '-')"
	}
	t.add("SELECT %s, %s\nFROM %s AS \"c\"\nWHERE %s", t.keyText(), created, em.client.ident(), t.theseClients("c"))
	return t.statement("clients: when created", em.name(em.client))
}

// mostDrawn is how many numbers RaiseKeys draws at most.
const mostDrawn = 10_000_000

// raiseKeysStatement draws numbers instead of setting the sequence, because the
// workers' role may only use it.
func (em emitter) raiseKeysStatement() Statement {
	t := em.text()
	table, column := literal(em.client.ident()), literal(em.key.Name)
	t.add(`WITH RECURSIVE found AS (
  SELECT pg_catalog.pg_get_serial_sequence(%[1]s, %[2]s)::regclass AS seq
  UNION
  SELECT s.oid::regclass FROM pg_catalog.pg_attribute AS c
  JOIN pg_catalog.pg_attrdef AS a ON a.adrelid = c.attrelid AND a.adnum = c.attnum
  JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = a.oid
    AND d.refclassid = 'pg_catalog.pg_class'::regclass
  JOIN pg_catalog.pg_class AS s ON s.oid = d.refobjid AND s.relkind = 'S'
  WHERE c.attrelid = %[1]s::regclass AND c.attname = %[2]s),
sequence AS (
  SELECT f.seq, coalesce(pg_catalog.pg_sequence_last_value(f.seq), 0) AS last FROM found AS f
  JOIN pg_catalog.pg_sequence AS q ON q.seqrelid = f.seq AND q.seqincrement > 0 LIMIT 1),
drawn AS (
  SELECT seq, pg_catalog.nextval(seq) AS last FROM sequence WHERE last < $1::bigint AND $1::bigint - last <= %[3]d
  UNION ALL
  SELECT seq, pg_catalog.nextval(seq) FROM drawn WHERE last < $1::bigint)
SELECT seq::text, max(last) FROM (SELECT * FROM sequence UNION ALL SELECT * FROM drawn) AS s GROUP BY seq`, table, column, mostDrawn)
	return t.statement("clients: raise the sequence of keys", em.name(em.client))
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

// lockClientsStatement locks the clients FOR UPDATE. A session that writes a
// new reference takes KEY SHARE on the client's row: either that has committed, and
// the following statements see the reference, or it waits for us and finds the
// client gone. Clients that other transactions have locked are skipped; a later
// chunk takes them.
func (em emitter) lockClientsStatement() Statement {
	t := em.text()
	columns := []string{t.keyText()}
	for _, owned := range em.ownedColumns() {
		columns = append(columns, ident("c", owned)+"::text")
	}
	t.add("SELECT %s\nFROM %s AS \"c\"\nWHERE %s\nORDER BY %s\nFOR UPDATE SKIP LOCKED",
		strings.Join(columns, ", "), em.client.ident(), t.theseClients("c"), ident("c", em.key.Name))
	return t.statement("clients: lock", em.name(em.client))
}

// lockParentsStatements lock the rows through which others are reached, those next
// to the client first. A statement that waits for such a row has a snapshot from
// before: it would take the children of a row that meanwhile belongs to somebody
// else. Locked first, a row belongs to the client in every later snapshot, and
// a session that adds a child to it by a foreign key waits. Owned rows are locked by the
// statement before the one that deletes them.
func (em emitter) lockParentsStatements(which func(*entry) bool) []Statement {
	var all []Statement
	for _, e := range em.lockedParents(which) {
		t, name := em.text(), em.name(e.rel)
		t.add("SELECT\nFROM %s AS \"t\"\nWHERE %s", e.rel.ident(), t.belongs(e, "t"))
		for i, column := range e.rel.PrimaryKey {
			t.add("%s%s", map[bool]string{true: "\nORDER BY ", false: ", "}[i == 0], ident("t", column))
		}
		t.add("\nFOR UPDATE OF \"t\"")
		all = append(all, t.statement(name+": lock", name))
	}
	return all
}

// lockedParents are the entries through which rows of certain entries are reached
// that an erasure or a merge changes, each after its own parents.
func (em emitter) lockedParents(which func(*entry) bool) []*entry {
	var all []*entry
	var add func(e *entry)
	add = func(e *entry) {
		for _, p := range e.parents {
			add(p)
			if !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	for _, e := range em.eraseOrder {
		if e.through() && which(e) && (e.Merge == erasuremap.Delete || len(em.entryStatements(e)) > 0) {
			add(e)
		}
	}
	return all
}

// guardsStatement says for every client which guard holds, if any, and what is the
// latest day of its rows that the law keeps. It runs after the lock, so that its
// snapshot is newer.
func (em emitter) guardsStatement() Statement {
	t := em.text()
	key := ident("c", em.key.Name)
	t.add("SELECT %s,\n  CASE\n    WHEN %s THEN %s\n", t.keyText(), t.isProfile(key), literal(jobs.CodeAnonymousProfile))
	if newer := t.createdSince("c", false); newer != "" {
		t.add("    WHEN %s THEN %s\n", newer, literal(jobs.CodeKeyReused))
	}
	t.guardCases()
	for _, a := range em.activity {
		cutoff, kinds := t.arg(Arg{Kind: ArgCutoff})+"::timestamptz", t.arg(Arg{Kind: ArgActivities})+"::text[]"
		t.add("    WHEN %s IS NOT NULL AND (cardinality(%s) = 0 OR %s = ANY(%s)) AND %s THEN %s\n",
			cutoff, kinds, literal(a.Name), kinds, t.activeSince(a, cutoff), literal(jobs.CodeRecentActivity))
	}
	t.add("  END,\n  %s\nFROM %s AS \"c\"\nWHERE %s", t.latestRetained(), em.client.ident(), t.theseClients("c"))
	return t.statement("clients: guards and retention", em.name(em.client))
}

// keysInUseStatement finds keys that a client has again, perhaps in another
// tenant. It returns them as they were given, not as the column spells them.
func (em emitter) keysInUseStatement() Statement {
	t := em.text()
	keys := t.array(Arg{Kind: ArgKeys}, "text")
	cond := ident("c", em.key.Name) + ` = "k"."key"::` + keyType(em.key, em.key)
	if em.keyPerTenant {
		cond += " AND " + ident("c", em.tenant.Name) + " = " + t.scalar(Arg{Kind: ArgTenant}, keyType(em.tenant, em.tenant))
	}
	t.add("SELECT \"k\".\"key\"\nFROM unnest(%s) AS \"k\" (\"key\")\nWHERE EXISTS (SELECT FROM %s AS \"c\" WHERE %s)",
		keys, em.client.ident(), cond)
	return t.statement("clients: find keys in use", em.name(em.client))
}
