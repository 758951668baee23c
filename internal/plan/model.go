package plan

import (
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// model is what the map means in one database: every name found in the catalog,
// and what follows from them. resolve builds it; nothing writes it afterwards.
// check and emit read it.
type model struct {
	m       *erasuremap.Map
	catalog *Catalog

	// identified says that clients, their keys and their tenants were found.
	// Without it the model has nothing but these.
	identified bool

	client      *Relation
	key         *Column // of the client
	tenant      *Column // of the client's row; nil without tenants
	tenantTable *Relation
	tenantKey   *Column
	keyIsUnique bool // alone or together with the tenant
	// keyPerTenant says that keys are unique within their tenant only: a reference
	// needs the tenant's column too.
	keyPerTenant bool

	clientRules  []columnRule // of a client's row that stays
	profileRules []columnRule // of a new anonymous profile

	entries  []*entry // in the map's order
	guards   []guard
	activity []activity

	ignored   []*Relation
	refreshed []*Relation // materialized views

	eraseOrder []*entry // without owned rows
	eraseCycle []*entry // entries that have no order, because they refer to each other
	mergeOrder []*entry // entries whose rows a merge moves or deletes
	mergeCycle []*entry
}

// columnRule is a rule of the map and its column.
type columnRule struct {
	erasuremap.ColumnRule
	column *Column
}

// writes reports whether the rule changes its column.
func (r columnRule) writes() bool { return r.Kind != erasuremap.KeepValue }

// guard is one of the map's guards. link is empty when the guard looks at the
// client's own row.
type guard struct {
	erasuremap.Guard
	link
}

func (g guard) onClientRow() bool { return g.Guard.Table == (erasuremap.Name{}) }

// activity is one of the map's kinds of activity.
type activity struct {
	erasuremap.Activity
	link
	at *Column // when the client was active
}

// link is a reference to the client: the column that holds the key and, where
// it is known and needed, the one that holds the tenant.
type link struct {
	rel    *Relation
	key    *Column
	tenant *Column

	target *Column // the client's column of which key holds the value; nil: the client's key
	fold   bool    // with target: the values are compared without regard to case
	shared bool    // with target: several clients may have one value
}

// byValue reports whether the reference holds the value of another column than the
// client's key.
func (l link) byValue() bool { return l.target != nil }

// pair is a column that refers and the column that it refers to.
type pair struct{ column, target string }

// pointer is one way in which rows of from refer to rows of another table.
type pointer struct {
	from  *Relation
	pairs []pair
	where string // which rows of from; empty: all
}

// write is a column that erasing writes in rows that stay, at once or when a
// retention period has ended.
type write struct {
	pos    erasuremap.Pos
	entry  *entry // whose rows are written; nil: the client's own row
	rel    *Relation
	column *Column
	rule   *columnRule // nil: the reference, which becomes NULL or an anonymous profile
}

// writes are all the columns that erasing writes in rows that stay.
func (md *model) writes() []write {
	var all []write
	for _, e := range md.entries {
		if !e.stays() {
			continue
		}
		if e.moves() && e.reference != nil {
			all = append(all, write{pos: e.Pos, entry: e, rel: e.rel, column: e.reference})
		}
		all = append(all, writesOf(e, e.rel, e.allRules())...)
	}
	return append(all, writesOf(nil, md.client, md.clientRules)...)
}

func writesOf(e *entry, r *Relation, rules []columnRule) []write {
	var all []write
	for i, rule := range rules {
		if rule.writes() {
			all = append(all, write{pos: rule.Pos, entry: e, rel: r, column: rule.column, rule: &rules[i]})
		}
	}
	return all
}

// pathsTo are the entries of a table: all paths by which its rows belong to
// clients.
func (md *model) pathsTo(r *Relation) []*entry {
	var all []*entry
	for _, e := range md.entries {
		if e.rel == r {
			all = append(all, e)
		}
	}
	return all
}

// sameReference reports whether two entries find their rows by the same column, so
// that `where` tells the rows apart.
func (md *model) sameReference(a, b *entry) bool {
	return a.rel == b.rel && !a.owned() && !b.owned() && a.Reference == b.Reference && a.Through == b.Through &&
		a.referenced() == b.referenced()
}

// relations are the tables whose rows erasing changes, the client's first.
func (md *model) relations() []*Relation {
	all := []*Relation{md.client}
	for _, e := range md.entries {
		if !slices.Contains(all, e.rel) {
			all = append(all, e.rel)
		}
	}
	return all
}

// retaining are the entries with retained columns.
func (md *model) retaining() []*entry {
	var all []*entry
	for _, e := range md.entries {
		if e.Retain != nil {
			all = append(all, e)
		}
	}
	return all
}

// name is how the map would write the relation.
func (md *model) name(r *Relation) string { return md.catalog.name(r) }

// firstMention is where the map speaks of the relation first, for gaps that are
// about all of it.
func (md *model) firstMention(r *Relation) erasuremap.Pos {
	if paths := md.pathsTo(r); len(paths) > 0 && r != md.client {
		return paths[0].Pos
	}
	return md.m.Client.Pos
}

// follows reports whether the entry finds its rows by the foreign key.
func (md *model) follows(e *entry, fk *ForeignKey) bool {
	switch {
	case e.owned() || !slices.Contains(fk.Columns, e.Reference):
		return false
	case e.through():
		if len(e.parents) == 0 {
			return false
		}
		named := fk.to(e.parents[0].rel) && (e.referenced() == "" || e.referenced() == fk.target(e.Reference))
		return named || len(e.pairs) > 0 && md.toDescendant(e, fk, e.parents[0].rel, e.pairs[0].target)
	}
	if fk.to(md.client) {
		return !e.byValue() || fk.target(e.Reference) == e.target.Name
	}
	return e.Erase != erasuremap.Reassign && !e.byValue() && md.toDescendant(e, fk, md.client, md.m.Client.Key)
}

// toDescendant reports whether the foreign key refers to target in a table that inherits
// from parent. Anonymous profiles are in the clients' own table, so that no such
// reference can be reassigned to them.
func (md *model) toDescendant(e *entry, fk *ForeignKey, parent *Relation, target string) bool {
	descendant := md.catalog.parent(fk)
	return descendant != nil && md.catalog.inherits(descendant, parent) && fk.target(e.Reference) == target
}

// unlinked reports whether an entry of its own sets the foreign key to NULL.
func (md *model) unlinked(r *Relation, fk *ForeignKey) bool {
	return slices.ContainsFunc(md.entries, func(e *entry) bool {
		return e.rel == r && e.Erase == erasuremap.Unlink && e.Where == "" && md.follows(e, fk)
	})
}

// carriesValue reports whether the map says that rows of the relation carry
// value: whichever path leads from one of them to a client, a merge never drops
// it.
func (md *model) carriesValue(r *Relation) bool {
	return slices.ContainsFunc(md.entries, func(e *entry) bool { return e.rel == r && e.CarriesValue })
}

// droppable reports whether a merge may drop rows of the entry in favour of the
// target's. A row that an erasure would only unlink belongs to somebody else.
func (md *model) droppable(e *entry) bool {
	return !md.carriesValue(e.rel) && e.Erase != erasuremap.Unlink && e.rel != md.client && e.rel != md.tenantTable
}

// mayCollide reports whether rows of the entry that a merge moves may meet rows
// of the target under a unique index, and are dropped then.
func (md *model) mayCollide(e *entry) bool {
	return e.Merge == erasuremap.Move && md.droppable(e) && len(e.uniqueIndexes) > 0
}

func hasRule(rules []columnRule, column string) bool {
	return slices.ContainsFunc(rules, func(r columnRule) bool { return r.Column == column })
}

// nulled reports whether a rule sets the column to NULL.
func nulled(rules []columnRule, column string) bool {
	return slices.ContainsFunc(rules, func(r columnRule) bool { return r.Column == column && r.Kind == erasuremap.Null })
}

// kept reports whether a rule keeps the column as it is.
func kept(rules []columnRule, column string) bool {
	return slices.ContainsFunc(rules, func(r columnRule) bool { return r.Column == column && !r.writes() })
}
