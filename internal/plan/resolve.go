package plan

import (
	"fmt"
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// entry is one of the map's tables, found in the catalog.
type entry struct {
	*erasuremap.Table
	link               // of rows that refer to the client; without a tenant for the others
	parents   []*entry // of a through: every entry by which the parent's rows belong to a client
	pairs     []pair   // of a through or an owned row: which columns say which row is meant
	reference *Column  // nil for owned rows
}

// pair is a column that refers and the one that it stands for.
type pair struct{ column, target string }

func (e *entry) owned() bool   { return e.OwnedBy != "" }
func (e *entry) through() bool { return e.Through != (erasuremap.Name{}) }

// moves reports whether erasing writes the reference.
func (e *entry) moves() bool { return e.Erase == erasuremap.Reassign || e.Erase == erasuremap.Unlink }

// stays reports whether the entry's rows are still there afterwards.
func (e *entry) stays() bool { return !e.owned() && e.Erase != erasuremap.Delete }

// rules are the column rules of the entry, those that wait for the end of a
// retention period included.
func (e *entry) rules() []erasuremap.ColumnRule {
	return append(slices.Clone(e.Columns), e.retained()...)
}

func (e *entry) retained() []erasuremap.ColumnRule {
	if e.Retain == nil {
		return nil
	}
	return e.Retain.Columns
}

// resolveClient reports whether keys and tenants, at least, are what the map
// says.
func (c *compiler) resolveClient() bool {
	m := c.m.Client
	if c.client = c.table(m.Pos, m.Table); c.client == nil {
		return false
	}
	if c.key = c.column(m.Pos, c.client, m.Key); c.key != nil && keyKind(c.key) == "" {
		c.gap(m.Pos, c.client, c.key.Name, "use a key of type int, bigint, uuid or text", "a key of type %s is not supported", c.key.Type)
	}
	if c.m.Tenant != nil {
		c.resolveTenant(*c.m.Tenant)
	}
	if len(c.gaps) > 0 {
		return false
	}
	c.resolveKey()
	if m.CreatedAt != "" {
		c.moment(m.Pos, c.client, m.CreatedAt)
	}
	for _, name := range append(slices.Clone(m.Name), m.Fill...) {
		c.column(m.Pos, c.client, name)
	}
	c.checkRules(c.client, append(slices.Clone(m.Anonymous), m.Columns...))
	return true
}

func (c *compiler) resolveTenant(m erasuremap.Tenant) {
	pos := c.m.Client.Pos
	c.tenant = c.column(pos, c.client, c.m.Client.Tenant)
	if c.studio = c.table(m.Pos, m.Table); c.studio == nil {
		return
	}
	key := c.column(m.Pos, c.studio, m.Key)
	for _, name := range []string{m.Country, m.Locale} {
		if name != "" {
			c.column(m.Pos, c.studio, name)
		}
	}
	c.checkCalendar(m)
	if c.tenant != nil && key != nil && !canHold(c.tenant, key) {
		c.gap(pos, c.client, c.tenant.Name, "name the column that holds the tenant's key", "its type %s cannot hold a key of type %s", c.tenant.Type, key.Type)
	}
}

// resolveKey finds out what a client's key is unique in.
func (c *compiler) resolveKey() {
	switch {
	case c.client.uniqueBy(c.key.Name):
	case c.tenant != nil && c.client.uniqueBy(c.key.Name, c.tenant.Name):
		c.scoped = true
	default:
		c.gap(c.m.Client.Pos, c.client, c.key.Name, fmt.Sprintf("ALTER TABLE %s ADD UNIQUE (%s)", c.client.ident(), ident(c.key.Name)),
			"no unique index says that a key means one client")
	}
}

func (c *compiler) resolveTables() {
	for i := range c.m.Tables {
		t := &c.m.Tables[i]
		r := c.table(t.Pos, t.Table)
		if r == nil {
			continue
		}
		e := &entry{Table: t, link: link{rel: r}}
		c.entry = append(c.entry, e)
		c.checkRules(r, e.rules())
		if t.Retain != nil {
			c.moment(t.Retain.Pos, r, t.Retain.Since)
		}
		if e.owned() {
			c.resolveOwned(e)
		} else if e.reference = c.column(t.Pos, r, t.Reference); e.reference != nil && !e.through() {
			e.link = c.resolveLink(t.Pos, r, e.reference)
		}
	}
	for _, e := range c.entry {
		if e.through() && e.reference != nil {
			c.resolveThrough(e)
		}
	}
}

// resolveLinks checks the references of what is only read.
func (c *compiler) resolveLinks() {
	for _, g := range c.m.Guards {
		c.resolveReader(g.Pos, g.Table, g.Reference)
	}
	for _, a := range c.m.Activity {
		if r := c.resolveReader(a.Pos, a.Table, a.Reference); r != nil {
			c.moment(a.Pos, r, a.At)
		}
	}
}

func (c *compiler) resolveReader(pos erasuremap.Pos, n erasuremap.Name, reference string) *Relation {
	if n == (erasuremap.Name{}) {
		return nil
	}
	r := c.relation(pos, n)
	if r == nil {
		return nil
	}
	if col := c.column(pos, r, reference); col != nil {
		c.resolveLink(pos, r, col)
	}
	return r
}

// resolveNames checks the names of what the map only mentions.
func (c *compiler) resolveNames() {
	for _, i := range c.m.Ignore {
		c.relation(i.Pos, i.Table)
	}
	for _, a := range c.m.Triggers {
		if a.Table != (erasuremap.Name{}) {
			c.relation(a.Pos, a.Table)
		}
	}
	for _, f := range c.m.Refresh {
		if r := c.relation(f.Pos, f.View); r != nil && r.Kind != "m" {
			c.gap(f.Pos, r, "", "leave it out", "not a materialized view: nothing to refresh")
		}
	}
}

func (c *compiler) resolveOwned(e *entry) {
	col := c.column(e.Pos, c.client, e.OwnedBy)
	if col == nil {
		return
	}
	if e.pairs = c.targets(c.client, e.OwnedBy, e.rel); e.pairs == nil {
		c.gap(e.Pos, e.rel, "", "add a foreign key, or a primary key of one column", "cannot tell which column %s points to", e.OwnedBy)
		return
	}
	if link := e.rel.Column(e.pairs[0].target); !canHold(col, link) || !canHold(link, col) {
		c.gap(e.Pos, e.rel, link.Name, "name the column that points to it", "its type %s is not that of %s, which is %s", link.Type, e.OwnedBy, col.Type)
	}
}

func (c *compiler) resolveThrough(e *entry) {
	parent := c.table(e.Pos, e.Through)
	if parent == nil {
		return
	}
	if parent == c.client {
		c.gap(e.Pos, e.rel, e.Reference, "leave out through", "%s is the client itself", e.Through)
		return
	}
	for _, p := range c.entry {
		if p.rel == parent && p != e && !p.owned() && p.Erase != erasuremap.Unlink {
			e.parents = append(e.parents, p)
		}
	}
	if len(e.parents) == 0 {
		c.gap(e.Pos, e.rel, e.Reference, "map "+e.Through.String()+" with its own path to the client", "no rows of %s belong to a client", e.Through)
		return
	}
	if e.pairs = c.targets(e.rel, e.Reference, parent); e.pairs == nil {
		c.gap(e.Pos, e.rel, e.Reference, "add a foreign key, or a primary key of one column", "cannot tell which column of %s it stands for", e.Through)
		return
	}
	for _, p := range e.pairs {
		if from, to := e.rel.Column(p.column), parent.Column(p.target); !canHold(from, to) {
			c.gap(e.Pos, e.rel, from.Name, "name the column that refers to "+e.Through.String(), "its type %s cannot hold a key of type %s", from.Type, to.Type)
		}
	}
}

// targets pairs the columns by which child refers to parent, reference first:
// those of the foreign key or, for a soft reference, of the parent's primary
// key. Of a key of several columns only the tenant's may stand in child under
// its own name: that another column is called the same, such as id, does not
// make it a reference.
func (c *compiler) targets(child *Relation, reference string, parent *Relation) []pair {
	if fk := child.foreignTo(reference, parent); fk != nil {
		all := fk.pairs()
		at := slices.Index(fk.Columns, reference)
		all[0], all[at] = all[at], all[0]
		return all
	}
	var target string
	var rest []pair
	for _, key := range parent.PrimaryKey {
		switch {
		case c.tenant != nil && key == c.tenant.Name && key != reference && child.Column(key) != nil:
			rest = append(rest, pair{key, key})
		case target == "":
			target = key
		default:
			return nil
		}
	}
	if target == "" {
		return nil
	}
	return append([]pair{{reference, target}}, rest...)
}
