package plan

import (
	"fmt"
	"regexp"
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
			if col.Name == e.Reference || e.rel.isForeign(col.Name) || !c.personal(col) || hasRule(e.allRules(), col.Name) {
				continue
			}
			if c.classifiedElsewhere(e, col.Name) {
				continue
			}
			c.gaps.add(e.Pos, e.rel, col.Name, fmt.Sprintf("under columns: %s: null, or %s: keep", col.Name, col.Name),
				"a column of type %s of rows that are kept, not classified", col.Type)
		}
	}
	if c.m.Client.Erase == erasuremap.Anonymize {
		for i := range c.client.Columns {
			col := &c.client.Columns[i]
			if c.personal(col) && !hasRule(c.clientRules, col.Name) && col.Name != c.m.Client.Key && col.Name != c.m.Client.Tenant {
				c.gaps.add(c.m.Client.Pos, c.client, col.Name, fmt.Sprintf("under client.columns: %s: null", col.Name),
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

// freeForm are base types that can hold any content, in addition to the category
// of strings and to types of extensions.
var freeForm = []string{"oid", "bytea", "xml", "json", "jsonb"}

// harmless are base types of category U that hold no personal data.
var harmless = []string{"uuid", "pg_lsn", "pg_snapshot", "txid_snapshot", "tsquery"}

// personalName matches names of columns that hold personal data whatever their
// type.
var personalName = regexp.MustCompile(`(^|_)(born|dob|tel|mobile|handy|fax|e?mail|iban|bic|ip|ssn|passport|gender|sex|` +
	`postcode|zip|plz|latitude|longitude|lat|lng|naissance|geboren)($|_)|` +
	`birth|phone|email|telefon|geburt|nascita|nacimiento|geboorte`)

// personal reports whether a column may hold personal data: its type is of free
// form (categories S strings, C composites, G geometry, I networks, U others), or
// its name says so.
func (c *checker) personal(col *Column) bool {
	switch {
	case slices.Contains(freeForm, col.Base), slices.Contains([]string{"S", "C", "G", "I"}, col.Category):
		return true
	case col.Category == "U" && !slices.Contains(harmless, col.Base):
		return true
	}
	return col.Category != "B" && personalName.MatchString(snake(col.Name)) || c.looksLikeReference(col)
}
