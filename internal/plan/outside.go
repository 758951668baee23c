package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// freeForm are base types that can hold anything at all, beside the whole
// category of strings and whatever PostgreSQL itself does not know.
var freeForm = []string{"oid", "bytea", "xml", "json", "jsonb"}

// harmless are base types of the category for all the rest that hold nothing
// of a person.
var harmless = []string{"uuid", "pg_lsn", "pg_snapshot", "txid_snapshot", "tsquery"}

// smells matches the names of columns that hold something of a person even
// where their type would not tell.
var smells = regexp.MustCompile(`(^|_)(born|dob|tel|mobile|handy|fax|e?mail|iban|bic|ip|ssn|passport|gender|sex|postcode|zip|plz|latitude|longitude|lat|lng|naissance|geboren)($|_)|birth|phone|email|telefon|geburt|nascita|nacimiento|geboorte`)

// personal reports whether a kept column can hold something of a person: free
// form by its type (S strings, C composites, G places, I networks, U whatever
// else), or telling by its name.
func (c *compiler) personal(col *Column) bool {
	switch {
	case slices.Contains(freeForm, col.Base), slices.Contains([]string{"S", "C", "G", "I"}, col.Category):
		return true
	case col.Category == "U" && !slices.Contains(harmless, col.Base):
		return true
	}
	return col.Category != "B" && smells.MatchString(snake(col.Name)) || c.refers(col)
}

// coverOutside records a gap for every table that the map does not speak of and
// that nevertheless looks as if it knew clients: by a column that reads like a
// reference to one, by a polymorphic pair, or by a clear personal name. Only
// what cannot well mean anything else counts, or nobody would read the answer.
func (c *compiler) coverOutside() {
	mapped := c.mapped()
	for i := range c.cat.Relations {
		r := &c.cat.Relations[i]
		if r.Kind == "m" || r == c.studio || slices.Contains(mapped, r) || c.ignored(r) || c.reaches(r) {
			continue
		}
		references, persons := c.suspects(r)
		fix := fmt.Sprintf(`under ignore: - {table: %s, because: "…"}`, c.name(r))
		switch {
		case len(references) > 0:
			c.gap(c.m.Client.Pos, r, references[0], fmt.Sprintf("under tables: - {table: %s, reference: %s, erase: …}, or ", c.name(r), references[0])+fix,
				"outside of the map, and %s reads like a reference to a client", strings.Join(references, ", "))
		case len(persons) > 0:
			c.gap(c.m.Client.Pos, r, persons[0], fix, "outside of the map, and %s reads like personal data", strings.Join(persons, ", "))
		}
	}
}

// reaches reports whether a foreign key of r is a gap already.
func (c *compiler) reaches(r *Relation) bool {
	for k := range r.ForeignKeys {
		if parent := c.cat.parent(&r.ForeignKeys[k]); parent != nil && (parent == c.client || c.belonging(parent)) {
			return true
		}
	}
	return false
}

// suspects lists the columns of an unmapped table that seem to know clients.
func (c *compiler) suspects(r *Relation) (references, persons []string) {
	for i := range r.Columns {
		col := &r.Columns[i]
		switch {
		case r.isForeign(col.Name):
		case c.refers(col), c.polymorphic(r, col):
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
func (c *compiler) refers(col *Column) bool {
	name := snake(col.Name)
	own := singular(snake(c.client.Name))
	named := clientName.MatchString(name) || name == own || strings.HasSuffix("_"+name, "_"+own+"_"+snake(c.m.Client.Key)) || strings.HasSuffix("_"+name, "_"+own+"_id")
	return named && c.couldHoldKey(col)
}

// polymorphic reports whether a column is the key of a pair such as
// subject_type and subject_id.
func (c *compiler) polymorphic(r *Relation, col *Column) bool { return c.pairedWith(r, col) != nil }

// pairedWith is the column that says of which table the key is; nil without a
// pair.
func (c *compiler) pairedWith(r *Relation, col *Column) *Column {
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

func (c *compiler) couldHoldKey(col *Column) bool {
	bare := *col
	bare.Array = false // a list of keys refers as well
	return canHold(&bare, c.key)
}

// singular cuts the ending that turns one client into several.
func singular(name string) string {
	switch {
	case strings.HasSuffix(name, "ies"):
		return strings.TrimSuffix(name, "ies") + "y"
	case strings.HasSuffix(name, "sses"):
		return strings.TrimSuffix(name, "es")
	case strings.HasSuffix(name, "ss"):
		return name
	}
	return strings.TrimSuffix(name, "s")
}

// snake spells clientId, ClientID and "client id" as client_id.
func snake(name string) string {
	var b strings.Builder
	letters := []rune(name)
	for i, l := range letters {
		switch {
		case !unicode.IsLetter(l) && !unicode.IsDigit(l):
			l = '_'
		case unicode.IsUpper(l) && i > 0:
			afterLower := unicode.IsLower(letters[i-1]) || unicode.IsDigit(letters[i-1])
			endsAcronym := unicode.IsUpper(letters[i-1]) && i+1 < len(letters) && unicode.IsLower(letters[i+1])
			if afterLower || endsAcronym {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(l))
	}
	return b.String()
}
