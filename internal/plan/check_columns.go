package plan

import (
	"fmt"
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// coverColumns records a gap for every column of kept rows that may hold personal
// data and that has no rule. Every entry that keeps rows needs these rules; one
// that only unlinks may leave them to another entry.
func (c *checker) coverColumns() {
	for _, e := range c.entries {
		if !e.stays() || e.rel == c.client {
			continue
		}
		for i := range e.rel.Columns {
			col := &e.rel.Columns[i]
			if col.Name == e.Reference || e.rel.isForeign(col.Name) || !c.personal(e.rel, col) || hasRule(e.allRules(), col.Name) {
				continue
			}
			if c.classifiedElsewhere(e, col.Name) || c.usedAsTime(e.rel, col) {
				continue
			}
			c.gaps.add(e.Pos, e.rel, col.Name, fmt.Sprintf("under columns: %s: %s, or %s: keep", col.Name, emptied(e.rel, col), col.Name),
				"a column of type %s of rows that are kept, not classified", col.Type)
		}
	}
	if c.m.Client.Erase == erasuremap.Anonymize {
		for i := range c.client.Columns {
			col := &c.client.Columns[i]
			if hasRule(c.clientRules, col.Name) || col.Name == c.m.Client.Key || col.Name == c.m.Client.Tenant {
				continue
			}
			if c.personal(c.client, col) {
				fix := fmt.Sprintf("under client.columns: %s: %s", col.Name, emptied(c.client, col))
				c.gaps.add(c.m.Client.Pos, c.client, col.Name, fix,
					"a column of type %s of the client's kept row, not classified", col.Type)
			}
		}
	}
}

// classifiedElsewhere reports whether another entry says what becomes of the
// column: the column is that entry's reference or, if e only unlinks, has a rule
// there. A row that e unlinks from a parent that is deleted belongs to somebody
// else, and its columns need no rule.
func (c *checker) classifiedElsewhere(e *entry, column string) bool {
	return slices.ContainsFunc(c.entries, func(other *entry) bool {
		if other.rel != e.rel || other.owned() {
			return false
		}
		goes := e.through() && slices.Contains(e.parents, other) && other.Erase == erasuremap.Delete && other.Where == ""
		return other.Reference == column || e.Erase == erasuremap.Unlink && (goes || hasRule(other.allRules(), column))
	})
}

// personal reports whether a column of rows that are kept needs a rule.
func (c *checker) personal(r *Relation, col *Column) bool {
	if c.tenant != nil && col.Name == c.tenant.Name && col.Category != "S" {
		return false
	}
	if col.Category != "S" && c.polymorphic(r, col) && !c.looksLikeReference(col) {
		return false // a warning names the pair
	}
	return MayBePersonal(r, col) || c.looksLikeReference(col)
}

// usedAsTime reports whether the map uses the column as the time of an activity, or
// as the day from which a retention counts. Then it is a time of the application.
func (c *checker) usedAsTime(r *Relation, col *Column) bool {
	at := func(a activity) bool { return a.rel == r && a.at == col }
	since := func(e *entry) bool { return e.dated() == r && e.since == col }
	return slices.ContainsFunc(c.activity, at) || slices.ContainsFunc(c.entries, since)
}

// emptied is a rule that the column can take and that leaves nothing of its value.
func emptied(r *Relation, col *Column) string {
	unique := slices.ContainsFunc(r.Indexes, func(x Index) bool { return x.Unique && x.has(col.Name) })
	switch {
	case !col.NotNull:
		return "null"
	case unique:
		return `{sql: "…"}`
	case col.Array:
		return `{value: "{}"}`
	case col.text(), col.Base == "bytea":
		return `{value: ""}`
	case col.json():
		return `{value: "{}"}`
	case col.Category == "N":
		return "{value: 0}"
	case col.moment():
		return "{truncate: year}"
	}
	return "{value: …}"
}
