package plan

import (
	"fmt"
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// Compile holds the map against the catalog and compiles both. Its error, if
// any, is Gaps: everything that is missing or wrong, not only the first. With
// gaps the plan has no statements that erase; if at least the client's table
// was found, it still knows keys and tenants.
func Compile(m *erasuremap.Map, cat *Catalog) (*Plan, error) {
	c := &compiler{m: m, cat: cat}
	c.resolveClient()
	if len(c.gaps) > 0 {
		return nil, c.gaps // without the client's table nothing else can be judged
	}
	basics := Plan{Map: m, Fingerprint: cat.Fingerprint, KeyKind: c.keyKind(), Tenant: c.tenantStatement()}
	c.resolveTables()
	c.coverForeignKeys()
	c.coverColumns()
	c.coverTriggers()
	if len(c.gaps) > 0 {
		return &basics, c.gaps
	}
	full := basics
	full.compiled = c
	full.Owned = c.ownedColumns()
	full.Preview = c.previewStatement()
	full.Lock = c.lockStatement()
	full.Judge = c.judgeStatement()
	full.LiveProfiles = c.liveProfilesStatement()
	full.NewProfile = c.newProfileStatement()
	full.Erase = c.eraseStatements()
	full.Sweep = c.sweepStatements()
	if len(c.gaps) > 0 {
		return &basics, c.gaps
	}
	return &full, nil
}

type compiler struct {
	m      *erasuremap.Map
	cat    *Catalog
	gaps   Gaps
	client *Relation
	key    *Column
	tenant *Column // of the client's row; nil without tenants
	studio *Relation
	entry  []*entry
}

// entry is one of the map's tables, found in the catalog.
type entry struct {
	*erasuremap.Table
	rel       *Relation
	reference *Column
	parents   []*entry // of a through: every entry by which the parent's rows belong to a client
	link      string   // the parent's (or, for owned rows, this table's) column that the reference stands for
}

func (e *entry) owned() bool { return e.OwnedBy != "" }

// name is the table as the map writes it.
func (e *entry) name() string { return e.Table.Table.String() }

func (c *compiler) gap(pos erasuremap.Pos, r *Relation, column, fix, why string, a ...any) {
	g := Gap{Pos: pos, Place: pos.String(), Column: column, Why: fmt.Sprintf(why, a...), Fix: fix}
	if r != nil {
		g.Table = r.Schema + "." + r.Name
	}
	c.gaps = append(c.gaps, g)
}

// column finds a column or records that the map names one that is not there.
func (c *compiler) column(pos erasuremap.Pos, r *Relation, name string) *Column {
	col := r.Column(name)
	if col == nil {
		c.gap(pos, r, name, "correct the name", "no such column")
	}
	return col
}

func (c *compiler) relation(pos erasuremap.Pos, n erasuremap.Name) *Relation {
	r := c.cat.Relation(n)
	if r == nil {
		c.gap(pos, nil, "", "correct the name, or write schema.table", "no table %s in the database (search path %v)", n, c.cat.SearchPath)
	}
	return r
}

func (c *compiler) resolveClient() {
	m := c.m
	if c.client = c.relation(m.Client.Pos, m.Client.Table); c.client == nil {
		return
	}
	c.key = c.column(m.Client.Pos, c.client, m.Client.Key)
	if c.key != nil && c.keyKind() == "" {
		c.gap(m.Client.Pos, c.client, c.key.Name, "use a key of type int, bigint, uuid or text", "a key of type %s is not supported", c.key.Type)
	}
	if m.Client.CreatedAt != "" {
		c.column(m.Client.Pos, c.client, m.Client.CreatedAt)
	}
	for _, name := range append(append([]string{}, m.Client.Name...), m.Client.Fill...) {
		c.column(m.Client.Pos, c.client, name)
	}
	for _, rule := range m.Client.Anonymous {
		if col := c.column(rule.Pos, c.client, rule.Column); col != nil {
			c.checkRule(c.client, col, rule)
		}
	}
	if m.Tenant == nil {
		return
	}
	c.tenant = c.column(m.Client.Pos, c.client, m.Client.Tenant)
	if c.studio = c.relation(m.Tenant.Pos, m.Tenant.Table); c.studio == nil {
		return
	}
	for _, name := range []string{m.Tenant.Key, m.Tenant.Country, m.Tenant.Locale} {
		if name != "" {
			c.column(m.Tenant.Pos, c.studio, name)
		}
	}
}

func (c *compiler) keyKind() KeyKind {
	switch {
	case c.key.Base == "int8" && !c.key.Array:
		return BigintKey
	case c.key.integer():
		return IntKey
	case c.key.Base == "uuid" && !c.key.Array:
		return UUIDKey
	case c.key.text():
		return TextKey
	}
	return ""
}

func (c *compiler) resolveTables() {
	for i := range c.m.Tables {
		t := &c.m.Tables[i]
		e := &entry{Table: t, rel: c.relation(t.Pos, t.Table)}
		if e.rel == nil {
			continue
		}
		c.entry = append(c.entry, e)
		for _, rules := range [][]erasuremap.ColumnRule{t.Columns, retained(t)} {
			for _, rule := range rules {
				if col := c.column(rule.Pos, e.rel, rule.Column); col != nil {
					c.checkRule(e.rel, col, rule)
				}
			}
		}
		if t.Retain != nil {
			c.column(t.Retain.Pos, e.rel, t.Retain.Since)
		}
		if e.owned() {
			c.resolveOwned(e)
			continue
		}
		if e.reference = c.column(t.Pos, e.rel, t.Reference); e.reference == nil {
			continue
		}
		if t.Erase == erasuremap.Unlink && e.reference.NotNull {
			c.gap(t.Pos, e.rel, t.Reference, "use erase: reassign or erase: delete", "cannot be unlinked: the column is NOT NULL")
		}
		if t.Erase == erasuremap.Reassign {
			c.checkSlots(e)
		}
		if t.Through == (erasuremap.Name{}) {
			c.comparable(t.Pos, e.rel, e.reference, c.key)
			if t.Erase == erasuremap.Keep && !nulled(t.Columns, t.Reference) {
				c.gap(t.Pos, e.rel, t.Reference, "use erase: reassign, erase: unlink or erase: delete", "kept rows would still point to the erased client")
			}
		}
	}
	for _, e := range c.entry {
		if e.Through != (erasuremap.Name{}) && e.reference != nil {
			c.resolveThrough(e)
		}
	}
	for _, g := range c.m.Guards {
		c.resolveLink(g.Pos, g.Table, g.Reference)
	}
	for _, a := range c.m.Activity {
		if r := c.resolveLink(a.Pos, a.Table, a.Reference); r != nil {
			c.column(a.Pos, r, a.At)
		}
	}
}

// resolveLink checks that a table's reference can be held against the key.
func (c *compiler) resolveLink(pos erasuremap.Pos, n erasuremap.Name, reference string) *Relation {
	if n == (erasuremap.Name{}) {
		return nil
	}
	r := c.relation(pos, n)
	if r == nil {
		return nil
	}
	if col := c.column(pos, r, reference); col != nil {
		c.comparable(pos, r, col, c.key)
	}
	return r
}

func (c *compiler) resolveOwned(e *entry) {
	col := c.column(e.Pos, c.client, e.OwnedBy)
	if col == nil {
		return
	}
	if fk := c.client.foreignTo(e.OwnedBy, e.rel); fk != nil {
		e.link = fk.target(e.OwnedBy)
	} else if len(e.rel.PrimaryKey) == 1 {
		e.link = e.rel.PrimaryKey[0]
	} else {
		c.gap(e.Pos, e.rel, "", "add a foreign key, or a primary key of one column", "cannot tell which column %s points to", e.OwnedBy)
	}
}

func (c *compiler) resolveThrough(e *entry) {
	parent := c.relation(e.Pos, e.Through)
	if parent == nil {
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
	if fk := e.rel.foreignTo(e.Reference, parent); fk != nil {
		e.link = fk.target(e.Reference)
	} else if len(parent.PrimaryKey) == 1 {
		e.link = parent.PrimaryKey[0]
	} else {
		c.gap(e.Pos, e.rel, e.Reference, "add a foreign key, or a primary key of one column", "cannot tell which column of %s it stands for", e.Through)
		return
	}
	c.comparable(e.Pos, e.rel, e.reference, parent.Column(e.link))
}

// comparable records a gap when the reference can never equal the key.
func (c *compiler) comparable(pos erasuremap.Pos, r *Relation, ref, key *Column) {
	same := ref.Base == key.Base && ref.Array == key.Array
	if !same && !ref.text() && (!ref.integer() || !key.integer()) {
		c.gap(pos, r, ref.Name, "name the column that holds the client's key", "its type %s cannot hold a key of type %s", ref.Type, key.Type)
	}
}

// nulled reports whether a rule sets the column to NULL.
func nulled(rules []erasuremap.ColumnRule, column string) bool {
	return slices.ContainsFunc(rules, func(r erasuremap.ColumnRule) bool { return r.Column == column && r.Kind == erasuremap.Null })
}

func retained(t *erasuremap.Table) []erasuremap.ColumnRule {
	if t.Retain == nil {
		return nil
	}
	return t.Retain.Columns
}

// checkRule records a gap when the column cannot take its rule.
func (c *compiler) checkRule(r *Relation, col *Column, rule erasuremap.ColumnRule) {
	switch {
	case rule.Kind == erasuremap.KeepValue:
	case col.Generated:
		c.gap(rule.Pos, r, col.Name, col.Name+": keep", "a generated column cannot be written; what it is computed from can")
	case rule.Kind == erasuremap.Null && col.NotNull:
		c.gap(rule.Pos, r, col.Name, fmt.Sprintf(`%s: {value: ""}, or drop the NOT NULL`, col.Name), "cannot become NULL: the column is NOT NULL")
	case rule.Kind == erasuremap.JSONRemove && col.Base != "json" && col.Base != "jsonb":
		c.gap(rule.Pos, r, col.Name, col.Name+": null", "json_remove needs a json column, this one is %s", col.Type)
	case rule.Kind == erasuremap.Truncate && col.Category != "D":
		c.gap(rule.Pos, r, col.Name, col.Name+": null", "truncate needs a date or timestamp, this one is %s", col.Type)
	}
}
