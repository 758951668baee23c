package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/dictionary"
)

// coverOutside records a gap for every table that the map does not mention and
// that seems to hold personal data of clients: it has a column that looks like a
// reference to one, a polymorphic pair, or a column with a clear personal name.
// Names that may mean something else do not count: too many gaps would not be
// read.
func (c *checker) coverOutside() {
	mapped := c.reached()
	for i := range c.catalog.Relations {
		r := &c.catalog.Relations[i]
		known := r == c.tenantTable || slices.Contains(mapped, r) || slices.Contains(c.ignored, r)
		if r.Kind == "m" || known || c.hasUnmappedReference(r) {
			continue
		}
		references, persons := c.suspectColumns(r)
		ignore := fmt.Sprintf(`under ignore: - {table: %s, because: "…"}`, c.name(r))
		switch {
		case len(references) > 0 && r.Kind == "f":
			c.gaps.add(c.m.Client.Pos, r, references[0], ignore+", and a map where its rows are",
				"a foreign table, and %s looks like a reference to a client", strings.Join(references, ", "))
		case len(references) > 0:
			entry := c.outsideEntry(r, r.Column(references[0]))
			c.gaps.add(c.m.Client.Pos, r, references[0], "under tables: "+entry+", or "+ignore,
				"outside of the map, and %s looks like a reference to a client", strings.Join(references, ", "))
		case c.softReference(r) != nil:
			col := c.softReference(r)
			parent := c.catalog.RefersByName(r, col)
			entry := fmt.Sprintf("- {table: %s, through: %s, reference: %s, erase: …}", c.name(r), c.name(parent), col.Name)
			c.gaps.add(c.m.Client.Pos, r, col.Name, "under tables: "+entry+", or "+ignore,
				"outside of the map, and %s looks like a reference to %s, which is mapped", col.Name, c.name(parent))
		case len(persons) > 0:
			fix := ignore
			if col := r.Column(persons[0]); c.sharesValues(col) {
				fix = "under tables: " + c.outsideEntry(r, col) + ", or " + ignore
			}
			c.gaps.add(c.m.Client.Pos, r, persons[0], fix,
				"outside of the map, and %s looks like personal data", strings.Join(persons, ", "))
		}
	}
}

// softReference is a column that refers by its name to rows of clients in a mapped
// table, without a foreign key; nil without one.
func (c *checker) softReference(r *Relation) *Column {
	for i := range r.Columns {
		col := &r.Columns[i]
		if parent := c.catalog.RefersByName(r, col); parent != nil && c.holdsClientRows(parent) {
			return col
		}
	}
	return nil
}

// outsideEntry is the entry that would map a table by a column that may refer to a
// client, by the key or by another column.
func (c *checker) outsideEntry(r *Relation, col *Column) string {
	references := ""
	switch other := c.namedAfter(col); {
	case c.sharesValues(col):
		references = fmt.Sprintf(" references: {column: %s, ignore_case: true},", c.addressColumn(col).Name)
	case other != nil:
		references = fmt.Sprintf(" references: {column: %s},", other.Name)
	}
	return fmt.Sprintf("- {table: %s, reference: %s,%s erase: …}", c.name(r), col.Name, references)
}

// sharesValues reports whether a column holds e-mail addresses or telephone numbers,
// as a column of the client does.
func (c *checker) sharesValues(col *Column) bool { return c.addressColumn(col) != nil }

// addressColumn is the column of the client that holds what a column of another table
// holds: e-mail addresses or telephone numbers.
func (c *checker) addressColumn(col *Column) *Column {
	kind := dictionary.Recognise(col.Name)
	if !col.text() || kind != dictionary.Email && kind != dictionary.Phone {
		return nil
	}
	for i := range c.client.Columns {
		if own := &c.client.Columns[i]; dictionary.Recognise(own.Name) == kind && own.text() {
			return own
		}
	}
	return nil
}

// hasUnmappedReference reports whether a foreign key of r is a gap already.
func (c *checker) hasUnmappedReference(r *Relation) bool {
	for k := range r.ForeignKeys {
		if parent := c.catalog.parent(&r.ForeignKeys[k]); parent != nil && (parent == c.client || c.holdsClientRows(parent)) {
			return true
		}
	}
	return false
}

// suspectColumns are the columns of an unmapped table that seem to refer to
// clients, and those that seem to hold personal data.
func (c *checker) suspectColumns(r *Relation) (references, persons []string) {
	for i := range r.Columns {
		col := &r.Columns[i]
		switch {
		case r.isForeign(col.Name):
		case c.looksLikeReference(col), c.polymorphic(r, col):
			references = append(references, col.Name)
		case LooksPersonal(r, col):
			persons = append(persons, col.Name)
		}
	}
	return references, persons
}

// looksLikeReference reports whether a column is named like a reference to a
// client and could hold a client's key.
func (c *checker) looksLikeReference(col *Column) bool {
	name := snake(col.Name)
	own := singular(snake(c.client.Name))
	named := dictionary.NamesClient(col.Name) || name == own ||
		strings.HasSuffix("_"+name, "_"+own+"_"+snake(c.m.Client.Key)) || strings.HasSuffix("_"+name, "_"+own+"_id")
	return named && c.couldHoldKey(col)
}

// polymorphic reports whether a column is the key of a pair such as
// subject_type and subject_id.
func (c *checker) polymorphic(r *Relation, col *Column) bool { return c.pairedWith(r, col) != nil }

// pairedWith is the column of the pair that says which table the key belongs to;
// nil without a pair.
func (c *checker) pairedWith(r *Relation, col *Column) *Column {
	stem, is := strings.CutSuffix(snake(col.Name), "_id")
	if !is || !c.couldHoldKey(col) {
		return nil
	}
	for i := range r.Columns {
		if other := &r.Columns[i]; snake(other.Name) == stem+"_type" && (other.Category == "S" || other.Category == "E") {
			return other
		}
	}
	return nil
}

func (c *checker) couldHoldKey(col *Column) bool {
	bare := *col
	bare.Array = false // an array of keys refers as well
	return canHold(&bare, c.key)
}
