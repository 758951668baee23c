package plan

import (
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// eraseStatements is what a chunk runs once it is known whom to erase.
func (c *compiler) eraseStatements(order []*entry) []Statement {
	all := append(c.rowStatements(order), c.clientRow())
	for _, e := range c.entry {
		if e.owned() {
			all = append(all, c.ownedRows(e)...)
		}
	}
	return all
}

// rowStatements are those for the rows that refer to clients.
func (c *compiler) rowStatements(order []*entry) []Statement {
	var all []Statement
	for _, e := range order {
		all = append(all, c.rows(e)...)
	}
	return all
}

// pinStatement reads nothing from any table that erasing changes. PostgreSQL
// lets nobody change their columns before the transaction ends, so that what is
// read of the catalog from then on stays true. Partitions follow their parent.
func (c *compiler) pinStatement() Statement {
	t := &text{}
	for i, name := range c.changed() {
		if i > 0 {
			t.add("\nUNION ALL ")
		}
		t.add("SELECT FROM ONLY %s WHERE false", name)
	}
	return t.statement("tables: keep their columns", c.name(c.client))
}

// lateStatements are those of soft references, and of what belongs to their rows:
// whoever writes one need not touch the client's row, and so does not wait for
// its lock. Where erased clients stay there are none: nothing would tell whether
// a client has come back to life.
func (c *compiler) lateStatements(order []*entry) []Statement {
	if c.m.Client.Erase != erasuremap.DeleteClient {
		return nil
	}
	var all []Statement
	for _, e := range order {
		if c.late(e, nil) {
			all = append(all, c.rows(e)...)
		}
	}
	return all
}

// late reports whether the entry's rows may come after their client has gone.
// Ways that lead in a circle lead nowhere.
func (c *compiler) late(e *entry, seen []*entry) bool {
	switch {
	case e.owned() || slices.Contains(seen, e):
		return false
	case e.through():
		return slices.ContainsFunc(e.parents, func(p *entry) bool { return c.late(p, append(seen, e)) })
	}
	return !slices.ContainsFunc(e.rel.ForeignKeys, func(fk ForeignKey) bool { return fk.to(c.client) && fk.holds(e.rel, e.Reference) })
}

// holds reports whether the key refuses every row whose column names nobody. One
// of several columns does not look at rows with a NULL among them.
func (fk ForeignKey) holds(r *Relation, column string) bool {
	other := func(name string) bool { return name != column && !r.Column(name).NotNull }
	return slices.Contains(fk.Columns, column) && !slices.ContainsFunc(fk.Columns, other)
}

// backStatement finds keys that are in use again: somebody else's by now, and
// perhaps in another tenant. It gives them as they were asked for, however the
// type compares them.
func (c *compiler) backStatement() Statement {
	t := &text{}
	keys := t.array(Arg{Kind: ArgKeys}, "text")
	cond := ident("c", c.key.Name) + ` = "k"."key"::` + keyType(c.key, c.key)
	if c.scoped {
		cond += " AND " + ident("c", c.tenant.Name) + " = " + t.scalar(Arg{Kind: ArgTenant}, keyType(c.tenant, c.tenant))
	}
	t.add("SELECT \"k\".\"key\"\nFROM unnest(%s) AS \"k\" (\"key\")\nWHERE EXISTS (SELECT FROM %s AS \"c\" WHERE %s)", keys, c.client.ident(), cond)
	return t.statement("clients: back", c.name(c.client))
}

// rows are the statements for the rows of one entry; none when they stay as
// they are.
func (c *compiler) rows(e *entry) []Statement {
	t, name := &text{}, c.name(e.rel)
	switch e.Erase {
	case erasuremap.Delete:
		t.add("DELETE FROM %s AS \"t\"\nWHERE %s", e.rel.ident(), c.belongs(t, e, "t"))
		return []Statement{t.statement(name+": delete", name)}
	case erasuremap.Unlink:
		set := append([]change{{e.reference, "NULL"}}, c.changes(t, e, "t")...)
		t.add("UPDATE %s AS \"t\"\nSET %s\nWHERE %s", e.rel.ident(), assignments(set...), c.belongs(t, e, "t"))
		return []Statement{t.statement(name+": unlink", name)}
	case erasuremap.Reassign:
		return c.reassign(e)
	case erasuremap.Keep:
		set := c.changes(t, e, "t")
		if len(set) == 0 {
			return nil
		}
		t.add("UPDATE %s AS \"t\"\nSET %s\nWHERE %s\n  AND %s", e.rel.ident(), assignments(set...), c.belongs(t, e, "t"), differs("t", set))
		return []Statement{t.statement(name+": keep", name)}
	}
	return nil
}

// reassign re-points rows to the tenant's anonymous profile, those that a
// unique index keeps apart first and each to a profile that is free for it.
func (c *compiler) reassign(e *entry) []Statement {
	var all []Statement
	collisions := c.collisions(e)
	if len(collisions) > 0 {
		all = append(all, c.seat(e, collisions))
	}
	if len(collisions) == 1 && collisions[0].takesEveryRow() && e.rel.rowID() != nil {
		return all
	}
	t, name := &text{}, c.name(e.rel)
	profile := t.scalar(Arg{Kind: ArgProfile}, keyType(e.reference, c.key))
	set := append([]change{{e.reference, profile}}, c.changes(t, e, "t")...)
	t.add("UPDATE %s AS \"t\"\nSET %s\nWHERE %s", e.rel.ident(), assignments(set...), c.belongs(t, e, "t"))
	return append(all, t.statement(name+": reassign", name))
}

// clientRow is the last statement on the identity itself.
func (c *compiler) clientRow() Statement {
	t, name := &text{}, c.name(c.client)
	var s Statement
	if c.m.Client.Erase == erasuremap.Anonymize {
		set := c.ruled(t, c.client, "t", c.m.Client.Columns)
		t.add("UPDATE %s AS \"t\"\nSET %s\nWHERE %s", c.client.ident(), assignments(set...), c.theseClients(t, "t"))
		s = t.statement(name+": anonymize", name)
	} else {
		t.add("DELETE FROM %s AS \"t\"\nWHERE %s", c.client.ident(), c.theseClients(t, "t"))
		s = t.statement(name+": delete", name)
	}
	s.ClientRows = true
	return s
}

// ownedRows deletes what the clients' rows pointed to, unless a row of another
// still does. Two erasures side by side whose clients share such a row would
// each take the other's client for a reason to keep it, hence the lock: the
// second waits, and its DELETE then sees that the first client is gone.
func (c *compiler) ownedRows(e *entry) []Statement {
	name := c.name(e.rel)
	lock, t := &text{}, &text{}
	// HAVING lets no row out, so that locking counts for none.
	lock.add("SELECT count(*)\nFROM (SELECT FROM %s AS \"t\" WHERE %s ORDER BY %s FOR UPDATE) AS \"held\"\nHAVING count(*) < 0",
		e.rel.ident(), c.pointedTo(lock, e), ident("t", e.pairs[0].target))
	t.add("DELETE FROM %s AS \"t\"\nWHERE %s", e.rel.ident(), c.pointedTo(t, e))
	for _, x := range c.pointers(e) {
		t.add("\n  AND NOT EXISTS (SELECT FROM %s AS \"x\" WHERE %s)", x.from.ident(), pairwise(x.pairs))
	}
	return []Statement{
		lock.statement(name+": lock what the clients pointed to", name),
		t.statement(name+": delete unless another row points to it", name),
	}
}

// pointedTo is the condition that picks the rows that the clients' rows
// pointed to.
func (c *compiler) pointedTo(t *text, e *entry) string {
	target := e.rel.Column(e.pairs[0].target)
	cond := ident("t", target.Name) + " = ANY(" + t.array(Arg{ArgOwned, e.OwnedBy}, keyType(target, target)) + ")"
	for _, p := range e.pairs[1:] {
		if c.tenant != nil && p.column == c.tenant.Name {
			cond += " AND " + ident("t", p.target) + " = " + t.scalar(Arg{Kind: ArgTenant}, keyType(e.rel.Column(p.target), c.tenant))
		}
	}
	return cond
}

// pointer is a way in which rows point to an owned row.
type pointer struct {
	from  *Relation
	pairs []pair
}

// pointers are all ways in which rows point to those of an owned table: every
// foreign key, and the client's columns without one.
func (c *compiler) pointers(e *entry) []pointer {
	var all []pointer
	for i := range c.cat.Relations {
		r := &c.cat.Relations[i]
		for k := range r.ForeignKeys {
			if fk := &r.ForeignKeys[k]; fk.to(e.rel) {
				all = append(all, pointer{r, fk.pairs()})
			}
		}
	}
	for _, other := range c.entry {
		if other.owned() && other.rel == e.rel && c.client.foreignTo(other.OwnedBy, e.rel) == nil {
			all = append(all, pointer{c.client, other.pairs})
		}
	}
	return all
}

func pairwise(pairs []pair) string {
	conds := make([]string, len(pairs))
	for i, p := range pairs {
		conds[i] = ident("x", p.column) + " = " + ident("t", p.target)
	}
	return strings.Join(conds, " AND ")
}
