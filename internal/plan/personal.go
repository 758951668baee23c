package plan

import (
	"slices"

	"github.com/oubli/oubli/internal/dictionary"
)

// freeForm are base types that can hold any content, in addition to the category
// of strings and to types of extensions.
var freeForm = []string{"oid", "bytea", "xml", "json", "jsonb"}

// systemTypes are base types of category U that cannot hold any content.
var systemTypes = []string{"uuid", "pg_lsn", "pg_snapshot", "txid_snapshot", "tsquery"}

// MayBePersonal reports whether a column of rows that are kept needs a rule: unless
// its type and its name show that it is harmless. Types of free form can hold
// anything (categories S strings, C composites, G geometry, I networks, U others). A
// number is harmless if it is named as an amount, a count or the like, a time if it
// is named as an event of the application, and a list of labels unless it is named
// as a trait of a person. `map init` asks about the same columns as `check`.
func MayBePersonal(r *Relation, col *Column) bool {
	concept := dictionary.Recognise(col.Name)
	switch {
	case slices.Contains(freeForm, col.Base), slices.Contains([]string{"S", "C", "G", "I"}, col.Category):
		return true
	case col.Category == "U" && !slices.Contains(systemTypes, col.Base):
		return true
	case col.Category == "B":
		return concept == dictionary.Health || concept == dictionary.Gender
	case col.Category == "N" && dictionary.IsMeasure(col.Name):
		return false
	case concept.Personal() || concept == dictionary.Secret:
		return true
	case col.Category == "E", slices.Contains(r.PrimaryKey, col.Name):
		return false
	}
	return !dictionary.IsMeasure(col.Name) && !dictionary.IsEvent(col.Name)
}

// LooksPersonal reports whether a column of a table outside of the map has a name
// and a type that probably mean personal data. Names that may mean something else do
// not count: too many gaps would not be read.
func LooksPersonal(r *Relation, col *Column) bool {
	concept := dictionary.RecogniseIn(r.Name, col.Name)
	switch col.Category {
	case "S", "U", "C", "I":
		return concept.LooksPersonal() && !slices.Contains(systemTypes, col.Base)
	case "D":
		return concept == dictionary.Birth
	case "N":
		numbers := []dictionary.Concept{dictionary.Phone, dictionary.Bank, dictionary.Identity}
		return slices.Contains(numbers, concept) && !dictionary.IsMeasure(col.Name)
	}
	return false
}
