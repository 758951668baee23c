package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// coverOutside records a gap for every table that the map does not speak of and
// that nevertheless looks as if it knew clients: by a column that reads like a
// reference to one, by a polymorphic pair, or by a clear personal name. Only
// what cannot well mean anything else counts, or nobody would read the answer.
func (c *checker) coverOutside() {
	mapped := c.relations()
	for i := range c.catalog.Relations {
		r := &c.catalog.Relations[i]
		if r.Kind == "m" || r == c.tenantTable || slices.Contains(mapped, r) || slices.Contains(c.ignored, r) || c.hasUnmappedReference(r) {
			continue
		}
		references, persons := c.suspectColumns(r)
		fix := fmt.Sprintf(`under ignore: - {table: %s, because: "…"}`, c.name(r))
		switch {
		case len(references) > 0:
			c.gaps.add(c.m.Client.Pos, r, references[0], fmt.Sprintf("under tables: - {table: %s, reference: %s, erase: …}, or ", c.name(r), references[0])+fix,
				"outside of the map, and %s reads like a reference to a client", strings.Join(references, ", "))
		case len(persons) > 0:
			c.gaps.add(c.m.Client.Pos, r, persons[0], fix, "outside of the map, and %s reads like personal data", strings.Join(persons, ", "))
		}
	}
}

// reaches reports whether a foreign key of r is a gap already.
func (c *checker) hasUnmappedReference(r *Relation) bool {
	for k := range r.ForeignKeys {
		if parent := c.catalog.parent(&r.ForeignKeys[k]); parent != nil && (parent == c.client || c.holdsClientRows(parent)) {
			return true
		}
	}
	return false
}

// suspects lists the columns of an unmapped table that seem to know clients.
func (c *checker) suspectColumns(r *Relation) (references, persons []string) {
	for i := range r.Columns {
		col := &r.Columns[i]
		switch {
		case r.isForeign(col.Name):
		case c.looksLikeReference(col), c.polymorphic(r, col):
			references = append(references, col.Name)
		case personName.MatchString(snake(col.Name)) && (col.Category == "S" || col.Category == "U" || col.moment()):
			persons = append(persons, col.Name)
		}
	}
	return references, persons
}

// personName matches whole names that say that a column is about somebody.
var personName = regexp.MustCompile(`^((\w+_)?(e_?mail|email_address|e_mail_address|phone|phone_number|telephone|telefon|mobile|mobile_number|iban|first_?name|last_?name|surname|family_name|given_name|vorname|nachname|prenom|birth_?date|birth_?day|date_of_birth|dob|born_on|date_naissance|geburtsdatum|passport_number|social_security_number))$`)

// clientName matches names that say that a column holds a client.
var clientName = regexp.MustCompile(`^(client|customer|patient|guest|attendee|member|contact|person)s?$|(^|_)(client|customer|patient|guest|attendee|member|contact|person)s?_?(id|ids|uuid|guid|ref|no|number|key)$`)

// refers reports whether a column reads like a reference to a client and could
// hold a client's key.
func (c *checker) looksLikeReference(col *Column) bool {
	name := snake(col.Name)
	own := singular(snake(c.client.Name))
	named := clientName.MatchString(name) || name == own || strings.HasSuffix("_"+name, "_"+own+"_"+snake(c.m.Client.Key)) || strings.HasSuffix("_"+name, "_"+own+"_id")
	return named && c.couldHoldKey(col)
}

// polymorphic reports whether a column is the key of a pair such as
// subject_type and subject_id.
func (c *checker) polymorphic(r *Relation, col *Column) bool { return c.pairedWith(r, col) != nil }

// pairedWith is the column that says of which table the key is; nil without a
// pair.
func (md *model) pairedWith(r *Relation, col *Column) *Column {
	stem, is := strings.CutSuffix(snake(col.Name), "_id")
	if !is || !md.couldHoldKey(col) {
		return nil
	}
	for i := range r.Columns {
		if other := &r.Columns[i]; snake(other.Name) == stem+"_type" && (other.Category == "S" || other.Category == "E") {
			return other
		}
	}
	return nil
}

func (md *model) couldHoldKey(col *Column) bool {
	bare := *col
	bare.Array = false // a list of keys refers as well
	return canHold(&bare, md.key)
}
