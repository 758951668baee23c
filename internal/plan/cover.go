package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// coverForeignKeys records a gap for every foreign key by which rows reach a
// client, directly or through mapped tables, and that the map does not name.
func (c *compiler) coverForeignKeys() {
	for i := range c.cat.Relations {
		r := &c.cat.Relations[i]
		for _, fk := range r.Foreign {
			parent := c.cat.parent(fk)
			if parent == nil || (parent != c.client && !c.mapped(parent)) || c.covered(r, fk, parent) {
				continue
			}
			column := fk.Columns[len(fk.Columns)-1] // of a composite key, the tenant comes first
			fix := fmt.Sprintf("- {table: %s, reference: %s, erase: …}", c.shortName(r), column)
			if parent != c.client {
				fix = fmt.Sprintf("- {table: %s, through: %s, reference: %s, erase: …}", c.shortName(r), c.shortName(parent), column)
			}
			c.gap(c.m.Client.Pos, r, column, "under tables: "+fix, "foreign key %s reaches the clients and is not in the map", fk.Name)
		}
	}
}

func (c *compiler) mapped(r *Relation) bool {
	return slices.ContainsFunc(c.entry, func(e *entry) bool { return e.rel == r && !e.owned() })
}

func (c *compiler) ignored(r *Relation) bool {
	return slices.ContainsFunc(c.m.Ignore, func(i erasuremap.Ignored) bool { return c.cat.Relation(i.Table) == r })
}

// covered reports whether the map says what becomes of a foreign key: its rows
// are reached by it, or its column has a rule, or its table is ignored. The
// client's own row and whatever is deleted whole take their keys with them.
func (c *compiler) covered(r *Relation, fk ForeignKey, parent *Relation) bool {
	for _, e := range c.entry {
		if e.rel != r || e.owned() {
			continue
		}
		if slices.Contains(fk.Columns, e.Reference) {
			return true
		}
		if parent == c.client {
			continue
		}
		if e.Erase == erasuremap.Delete || slices.ContainsFunc(fk.Columns, func(col string) bool { return named(e.Columns, col) }) {
			return true
		}
	}
	return parent != c.client && (r == c.client || c.ignored(r))
}

// shortName is how the map would write the relation.
func (c *compiler) shortName(r *Relation) string {
	n := erasuremap.Name{Relation: r.Name}
	if c.cat.Relation(n) != r {
		n.Schema = r.Schema
	}
	return n.String()
}

// personal matches the names of columns that hold something of a person even
// where their type would not tell.
var personal = regexp.MustCompile(`(?i)(^|_)(birth|born|dob|birthday|birthdate|phone|mobile|fax|e?mail|iban|bic|ip|ssn|passport|gender|sex|postcode|zip|latitude|longitude|lat|lng)($|_)|birth|phone|email`)

// coverColumns records a gap for every column of a kept row that can hold
// something of a person and that the map does not classify.
func (c *compiler) coverColumns() {
	seen := map[*Relation]bool{}
	for _, e := range c.entry {
		if seen[e.rel] || e.owned() || e.Erase == erasuremap.Delete || e.rel == c.client {
			continue
		}
		seen[e.rel] = true
		for i := range e.rel.Columns {
			col := &e.rel.Columns[i]
			if !holdsPersonalData(col) || e.rel.isForeign(col.Name) || c.classified(e.rel, col.Name) {
				continue
			}
			c.gap(e.Pos, e.rel, col.Name, fmt.Sprintf("under columns: %s: null, or %s: keep", col.Name, col.Name),
				"a column of type %s of rows that are kept, not classified", col.Type)
		}
	}
	if c.m.Client.Erase == erasuremap.Anonymize {
		for i := range c.client.Columns {
			col := &c.client.Columns[i]
			if holdsPersonalData(col) && !named(c.m.Client.Columns, col.Name) && col.Name != c.m.Client.Key && col.Name != c.m.Client.Tenant {
				c.gap(c.m.Client.Pos, c.client, col.Name, fmt.Sprintf("under client.columns: %s: null", col.Name),
					"a column of type %s of the client's kept row, not classified", col.Type)
			}
		}
	}
}

// freeForm are the base types that can hold anything at all.
var freeForm = []string{"json", "jsonb", "bytea", "xml", "hstore", "inet", "cidr", "tsvector", "point"}

func holdsPersonalData(col *Column) bool {
	return col.Category == "S" || slices.Contains(freeForm, col.Base) || personal.MatchString(col.Name)
}

// classified reports whether any entry of the relation says what becomes of
// the column in rows that are kept.
func (c *compiler) classified(r *Relation, column string) bool {
	return slices.ContainsFunc(c.entry, func(e *entry) bool {
		return e.rel == r && (e.Reference == column || named(e.Columns, column) || named(retained(e.Table), column))
	})
}

// coverTriggers records a gap for every user trigger that the statements would
// fire and that nobody has acknowledged: a history table keeps what it saw.
func (c *compiler) coverTriggers() {
	var seen []*Relation
	relations := []*Relation{c.client}
	for _, e := range c.entry {
		relations = append(relations, e.rel)
	}
	for _, r := range relations {
		if slices.Contains(seen, r) {
			continue
		}
		seen = append(seen, r)
		for _, trigger := range r.Triggers {
			known := slices.ContainsFunc(c.m.Triggers, func(a erasuremap.Acknowledged) bool {
				return a.Name == trigger.Name && (a.Table == (erasuremap.Name{}) || c.cat.Relation(a.Table) == r)
			})
			if !known {
				c.gap(c.m.Client.Pos, r, "", fmt.Sprintf(`under triggers: - {name: %s, table: %s, because: "…"}`, trigger.Name, c.shortName(r)),
					"trigger %s fires when oubli changes a row and is not acknowledged", trigger.Name)
			}
		}
	}
}

// Warning is something that works but should be mended.
type Warning struct {
	Table string `json:"table"`
	Why   string `json:"why"`
	Fix   string `json:"fix"` // a statement to run
}

// String is the warning in one line.
func (w Warning) String() string { return w.Table + ": " + w.Why + " — " + w.Fix }

// Warnings lists references that no index serves: every chunk, and every
// deletion of a client's row, would read the whole table.
func Warnings(m *erasuremap.Map, cat *Catalog) []Warning {
	var all []Warning
	check := func(n erasuremap.Name, column string) {
		r := cat.Relation(n)
		if r == nil || column == "" || r.served(column) {
			return
		}
		w := Warning{Table: r.Schema + "." + r.Name, Why: "no index serves " + column,
			Fix: fmt.Sprintf("CREATE INDEX CONCURRENTLY ON %s (%s)", r.ident(), ident(column))}
		if !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	for _, t := range m.Tables {
		check(t.Table, t.Reference)
		if t.OwnedBy != "" {
			check(m.Client.Table, t.OwnedBy)
		}
	}
	for _, g := range m.Guards {
		check(g.Table, g.Reference)
	}
	for _, a := range m.Activity {
		check(a.Table, a.Reference)
	}
	if m.Client.Erase == erasuremap.Anonymize {
		all = append(all, Warning{Table: m.Client.Table.String(), Why: "client.erase: anonymize keeps one row a client, so what is kept stays linkable (pseudonymous, not anonymous)", Fix: "erase: delete"})
	}
	slices.SortFunc(all, func(a, b Warning) int { return strings.Compare(a.Table+a.Why, b.Table+b.Why) })
	return all
}
