package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// eraseStatements is what a chunk runs once it is known whom to erase.
func (c *compiler) eraseStatements() []Statement {
	var all []Statement
	for _, e := range c.ordered() {
		all = append(all, c.rows(e)...)
	}
	all = append(all, c.clientRow())
	for _, e := range c.entry {
		if e.owned() {
			all = append(all, c.ownedRows(e))
		}
	}
	return all
}

// rows are the statements for the rows of one entry; none when they stay as
// they are.
func (c *compiler) rows(e *entry) []Statement {
	t := &text{}
	switch e.Erase {
	case erasuremap.Delete:
		t.add("DELETE FROM %s AS \"t\"\nWHERE %s", e.rel.ident(), c.belongs(t, e, "t"))
		return []Statement{t.statement(e.name()+": delete", e.name())}
	case erasuremap.Unlink:
		columns, values := c.changes(t, e, "t")
		columns, values = append([]string{e.Reference}, columns...), append([]string{"NULL"}, values...)
		t.add("UPDATE %s AS \"t\"\nSET %s\nWHERE %s", e.rel.ident(), assignments(columns, values), c.belongs(t, e, "t"))
		return []Statement{t.statement(e.name()+": unlink", e.name())}
	case erasuremap.Reassign:
		return c.reassign(e)
	case erasuremap.Keep:
		columns, values := c.changes(t, e, "t")
		if len(columns) == 0 {
			return nil
		}
		t.add("UPDATE %s AS \"t\"\nSET %s\nWHERE %s\n  AND %s", e.rel.ident(), assignments(columns, values),
			c.belongs(t, e, "t"), differs("t", columns, values))
		return []Statement{t.statement(e.name()+": keep", e.name())}
	}
	return nil
}

// clientRow is the last statement on the identity itself.
func (c *compiler) clientRow() Statement {
	t, m := &text{}, c.m.Client
	s := Statement{}
	if m.Erase == erasuremap.Anonymize {
		var columns, values []string
		for _, rule := range m.Columns {
			if rule.Kind != erasuremap.KeepValue {
				columns = append(columns, rule.Column)
				values = append(values, c.value(t, c.client, "t", rule))
			}
		}
		t.add("UPDATE %s AS \"t\"\nSET %s\nWHERE %s", c.client.ident(), assignments(columns, values), c.theseClients(t, "t"))
		s = t.statement(m.Table.String()+": anonymize", m.Table.String())
	} else {
		t.add("DELETE FROM %s AS \"t\"\nWHERE %s", c.client.ident(), c.theseClients(t, "t"))
		s = t.statement(m.Table.String()+": delete", m.Table.String())
	}
	s.Client = true
	return s
}

// ownedRows deletes what the clients' rows pointed to, unless a row of another
// still does.
func (c *compiler) ownedRows(e *entry) Statement {
	t := &text{}
	link := e.rel.Column(e.link)
	t.add("DELETE FROM %s AS \"t\"\nWHERE %s = ANY(%s)", e.rel.ident(), ident("t", e.link), t.array(Arg{ArgOwned, e.OwnedBy}, link.Type))
	linked := false
	for i := range c.cat.Relations {
		r := &c.cat.Relations[i]
		for _, fk := range r.Foreign {
			if fk.ParentSchema != e.rel.Schema || fk.Parent != e.rel.Name {
				continue
			}
			linked = linked || (r == c.client && slices.Contains(fk.Columns, e.OwnedBy))
			conds := make([]string, len(fk.Columns))
			for k := range fk.Columns {
				conds[k] = ident("x", fk.Columns[k]) + " = " + ident("t", fk.ParentColumns[k])
			}
			t.add("\n  AND NOT EXISTS (SELECT FROM %s AS \"x\" WHERE %s)", r.ident(), strings.Join(conds, " AND "))
		}
	}
	if !linked { // the client's column is a soft reference
		t.add("\n  AND NOT EXISTS (SELECT FROM %s AS \"x\" WHERE %s = %s)", c.client.ident(), ident("x", e.OwnedBy), ident("t", e.link))
	}
	return t.statement(e.name()+": delete unless another row points to it", e.name())
}

// ordered sorts the entries so that what an entry needs is still there when
// its turn comes: rows that are found through a parent before the parent is
// re-pointed, rows that refer to deleted rows before those, and links to the
// clients themselves before anything else of equal standing. Within these
// bounds the map's order holds.
func (c *compiler) ordered() []*entry {
	rest := make([]*entry, 0, len(c.entry))
	for _, e := range c.entry {
		if !e.owned() && e.Erase == erasuremap.Unlink {
			rest = append(rest, e)
		}
	}
	for _, e := range c.entry {
		if !e.owned() && e.Erase != erasuremap.Unlink {
			rest = append(rest, e)
		}
	}
	var done []*entry
	for len(rest) > 0 {
		i := slices.IndexFunc(rest, func(e *entry) bool {
			return !slices.ContainsFunc(rest, func(other *entry) bool { return other != e && before(other, e) })
		})
		if i < 0 {
			names := make([]string, len(rest))
			for k, e := range rest {
				names[k] = e.name()
			}
			c.gap(rest[0].Pos, rest[0].rel, "", "unlink one of the references first (erase: unlink)",
				"no order of deletion: %s refer to each other", strings.Join(names, ", "))
			return nil
		}
		done = append(done, rest[i])
		rest = slices.Delete(rest, i, i+1)
	}
	return done
}

// before reports whether a's statement must run before b's.
func before(a, b *entry) bool {
	if slices.Contains(a.parents, b) {
		return true
	}
	if b.Erase != erasuremap.Delete || a.rel == b.rel {
		return false
	}
	return slices.ContainsFunc(a.rel.Foreign, func(fk ForeignKey) bool {
		return fk.ParentSchema == b.rel.Schema && fk.Parent == b.rel.Name
	})
}

// String helps a failing test to say which entry it means.
func (e *entry) String() string { return fmt.Sprintf("%s.%s", e.name(), e.Reference) }
