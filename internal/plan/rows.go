package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// checkTwice refuses two entries for the same rows, and a table that is both
// mapped and ignored. The loader does so for equal spellings; here `invoices`
// and `public.invoices` are one table.
func (c *compiler) checkTwice() {
	for i, e := range c.entry {
		for _, before := range c.entry[:i] {
			same := before.rel == e.rel && before.Reference == e.Reference && before.OwnedBy == e.OwnedBy &&
				c.cat.Relation(before.Through) == c.cat.Relation(e.Through)
			if same && (before.Where == "" || e.Where == "" || before.Where == e.Where) {
				c.gap(e.Pos, e.rel, e.Reference, "merge the two entries, or tell their rows apart by where", "already mapped by the same path on line %d", before.Pos.Line)
				break
			}
		}
	}
	for _, i := range c.m.Ignore {
		if r := c.cat.Relation(i.Table); r != nil && (r == c.client || slices.ContainsFunc(c.entry, func(e *entry) bool { return e.rel == r })) {
			c.gap(i.Pos, r, "", "choose one", "ignored here and mapped on line %d", c.at(r).Line)
		}
	}
}

// checkActions refuses what an action cannot do to its table.
func (c *compiler) checkActions() {
	anonymize := c.m.Client.Erase == erasuremap.Anonymize
	changes := func(r erasuremap.ColumnRule) bool { return r.Kind != erasuremap.KeepValue }
	if anonymize && !slices.ContainsFunc(c.m.Client.Columns, changes) {
		c.gap(c.m.Client.Pos, c.client, "", "under client.columns: say which become null", "every column of the client is kept, so nothing would be erased")
	}
	for _, e := range c.entry {
		switch {
		case e.owned():
			if e.rel == c.client || e.rel == c.studio {
				c.gap(e.Pos, e.rel, "", "leave it out", "this would delete other clients or the tenant")
			}
			if anonymize && !nulled(c.m.Client.Columns, e.OwnedBy) {
				c.gap(e.Pos, c.client, e.OwnedBy, fmt.Sprintf("under client.columns: %s: null", e.OwnedBy), "the client's kept row would still point to %s", c.name(e.rel))
			}
		case e.reference == nil:
		case e.Erase == erasuremap.Delete && (e.rel == c.client || e.rel == c.studio):
			c.gap(e.Pos, e.rel, e.Reference, "erase: unlink", "this would delete other clients or the tenant")
		case e.Erase == erasuremap.Unlink && e.reference.NotNull:
			c.gap(e.Pos, e.rel, e.Reference, "use erase: reassign or erase: delete", "cannot be unlinked: the column is NOT NULL")
		case e.moves() && e.reference.Generated:
			c.gap(e.Pos, e.rel, e.Reference, "use erase: delete", "cannot be written: PostgreSQL computes the column")
		case e.Erase == erasuremap.Keep && !e.through() && !anonymize && !nulled(e.Columns, e.Reference):
			c.gap(e.Pos, e.rel, e.Reference, "use erase: reassign, erase: unlink or erase: delete", "kept rows would still point to the erased client")
		}
		if e.Retain != nil && !e.onProfile(nil) {
			c.gap(e.Retain.Pos, e.rel, "", "use erase: reassign, or give the columns a rule under columns", "what is retained could not be cleared later: the rows would stand on no anonymous profile by which to find them")
		}
	}
}

// onProfile reports whether the entry's rows can be found by anonymous
// profiles afterwards. Ways that lead in a circle lead nowhere.
func (e *entry) onProfile(seen []*entry) bool {
	switch {
	case slices.Contains(seen, e) || e.Erase == erasuremap.Unlink:
		return false
	case !e.through():
		return e.Erase == erasuremap.Reassign
	}
	return !slices.ContainsFunc(e.parents, func(p *entry) bool { return !p.onProfile(append(seen, e)) })
}

// checkReferences holds every foreign key against what erasing does to the
// rows that it refers to.
func (c *compiler) checkReferences() {
	for i := range c.cat.Relations {
		r := &c.cat.Relations[i]
		for k := range r.ForeignKeys {
			fk := &r.ForeignKeys[k]
			parent := c.cat.parent(fk)
			if parent == nil {
				continue
			}
			c.checkRewritten(r, fk, parent)
			if c.deletes(parent) {
				c.checkDeleted(r, fk, parent)
			}
		}
	}
}

// checkRewritten refuses to write a column that rows elsewhere refer to.
func (c *compiler) checkRewritten(r *Relation, fk *ForeignKey, parent *Relation) {
	refuse := func(pos erasuremap.Pos, column string) {
		if slices.Contains(fk.ParentColumns, column) {
			c.gap(pos, parent, column, "use erase: delete, or let the foreign key refer to another column", "cannot be written: foreign key %s of %s refers to it", fk.Name, c.name(r))
		}
	}
	for _, e := range c.entry {
		if e.rel != parent || !e.stays() {
			continue
		}
		if e.moves() {
			refuse(e.Pos, e.Reference)
		}
		for _, rule := range e.rules() {
			if rule.Kind != erasuremap.KeepValue {
				refuse(rule.Pos, rule.Column)
			}
		}
	}
	for _, rule := range c.m.Client.Columns {
		if parent == c.client && rule.Kind != erasuremap.KeepValue {
			refuse(rule.Pos, rule.Column)
		}
	}
}

// deletes reports whether erasing deletes rows of r for being a client's.
func (c *compiler) deletes(r *Relation) bool {
	if r == c.client {
		return c.m.Client.Erase == erasuremap.DeleteClient
	}
	return slices.ContainsFunc(c.entry, func(e *entry) bool { return e.rel == r && !e.owned() && e.Erase == erasuremap.Delete })
}

// checkDeleted refuses foreign keys that would keep their parent's rows from
// being deleted, or that would take rows along which nobody asked for.
func (c *compiler) checkDeleted(r *Relation, fk *ForeignKey, parent *Relation) {
	path := slices.ContainsFunc(c.entry, func(e *entry) bool { return e.rel == r && e.Where == "" && c.follows(e, fk) })
	if fk.OnDelete == "cascade" && !path && (parent != c.client || c.named(r, fk)) {
		c.gap(c.at(r), r, fk.Columns[0], "under tables: "+c.line(r, fk, parent)+", or ON DELETE NO ACTION",
			"foreign key %s is ON DELETE CASCADE, so that deleting rows of %s would delete rows here that no entry names", fk.Name, c.name(parent))
	}
	if fk.OnDelete != "" || parent == c.client {
		return
	}
	if r == c.client && !c.unlinked(r, fk) && !(fk.Deferred && c.deletes(r)) {
		c.gap(c.m.Client.Pos, r, fk.Columns[0], fmt.Sprintf("under tables: - {table: %s, through: %s, reference: %s, erase: unlink}", c.name(r), c.name(parent), fk.Columns[0]),
			"the client's row would still point to a deleted row of %s", c.name(parent))
	}
	for _, e := range c.entry {
		if e.rel != r || !e.stays() || e.Erase == erasuremap.Unlink || r == c.client {
			continue
		}
		for _, column := range fk.Columns {
			if c.follows(e, fk) && column == e.Reference && !nulled(e.rules(), column) || kept(e.Columns, column) && !c.unlinked(r, fk) {
				c.gap(e.Pos, r, column, "erase: delete, erase: unlink, or "+column+": null", "kept rows would still point to deleted rows of %s", c.name(parent))
			}
		}
	}
}

// named reports whether any entry finds its rows by the foreign key.
func (c *compiler) named(r *Relation, fk *ForeignKey) bool {
	return slices.ContainsFunc(c.entry, func(e *entry) bool { return e.rel == r && c.follows(e, fk) })
}

func kept(rules []erasuremap.ColumnRule, column string) bool {
	return slices.ContainsFunc(rules, func(r erasuremap.ColumnRule) bool { return r.Column == column && r.Kind == erasuremap.KeepValue })
}

// checkProfile refuses a client.anonymous of which PostgreSQL would not take
// one row, or not a second one.
func (c *compiler) checkProfile() {
	if !slices.ContainsFunc(c.entry, func(e *entry) bool { return e.Erase == erasuremap.Reassign }) {
		return // nothing is ever re-pointed
	}
	m := c.m.Client
	for _, col := range c.client.Columns {
		if col.NotNull && !col.Default && !col.Generated && col.Name != m.Tenant && !hasRule(m.Anonymous, col.Name) {
			fix := fmt.Sprintf(`under client.anonymous: %s: {value: …}`, col.Name)
			switch {
			case col.Name == c.key.Name:
				fix = "give the column a default, or under client.anonymous: " + col.Name + `: {sql: "…"}`
			case col.text():
				fix = fmt.Sprintf(`under client.anonymous: %s: {value: ""}`, col.Name)
			}
			c.gap(m.Pos, c.client, col.Name, fix, "an anonymous profile needs a value for it: NOT NULL without a default")
		}
	}
	for i := range c.client.Indexes {
		x := &c.client.Indexes[i]
		if x.Unique && x.Predicate == "" && !slices.ContainsFunc(x.Keys, func(key string) bool { return !x.has(key) || !c.sameInAll(key, x.NullsNotDistinct) }) {
			c.gap(m.Pos, c.client, x.Keys[len(x.Keys)-1], fmt.Sprintf("under client.anonymous: %s: {sql: \"… :slot …\"}", x.Keys[len(x.Keys)-1]),
				"a tenant's second anonymous profile would be refused: index %s is unique over %s", x.Name, strings.Join(x.Keys, ", "))
		}
	}
}

// sameInAll reports whether a column is the same in all profiles of a tenant.
func (c *compiler) sameInAll(column string, nullsMeet bool) bool {
	if c.tenant != nil && column == c.tenant.Name {
		return true
	}
	for _, rule := range c.m.Client.Anonymous {
		if rule.Column == column {
			return rule.Kind == erasuremap.Value || rule.Kind == erasuremap.Label || rule.Kind == erasuremap.Null && nullsMeet
		}
	}
	return false
}
