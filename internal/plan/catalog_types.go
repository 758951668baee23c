package plan

import "slices"

// integer and text are the two families of key types within which keys of
// different types can be compared.
func (c *Column) integer() bool { return c.oneOf("int2", "int4", "int8") }

func (c *Column) text() bool { return c.oneOf("text", "varchar", "bpchar", "citext") }

// moment reports whether the column holds days or points in time.
func (c *Column) moment() bool { return c.oneOf("date", "timestamp", "timestamptz") }

// localTime reports whether the column holds days or times of a clock, and says
// nothing of the time zone.
func (c *Column) localTime() bool { return c.oneOf("date", "timestamp") }

func (c *Column) json() bool { return c.oneOf("json", "jsonb") }

func (c *Column) oneOf(bases ...string) bool { return !c.Array && slices.Contains(bases, c.Base) }

// hasEquality reports whether the type has an equality operator. Values of other
// types, such as json, are compared as text.
func (c *Column) hasEquality() bool {
	return slices.Contains([]string{"B", "D", "E", "I", "N", "S", "T"}, c.Category) ||
		slices.Contains([]string{"bytea", "jsonb", "uuid"}, c.Base)
}

func keyKind(key *Column) KeyKind {
	switch {
	case key.oneOf("int8"):
		return BigintKey
	case key.integer():
		return IntKey
	case key.oneOf("uuid"):
		return UUIDKey
	case key.text():
		return TextKey
	}
	return ""
}

// canHold reports whether ref can hold key's values: its type is of the same
// family, or text.
func canHold(ref, key *Column) bool {
	return ref.text() || ref.integer() && key.integer() || !ref.Array && !key.Array && ref.Base == key.Base
}

// keyType is the type to which keys are cast so that an index on ref serves
// the comparison: the reference's own for texts, else the key's.
func keyType(ref, key *Column) string {
	switch {
	case ref.oneOf("citext"):
		return ref.Type
	case ref.oneOf("bpchar"):
		return "bpchar"
	case ref.text():
		return "text"
	}
	plain := map[string]string{"int2": "smallint", "int4": "integer", "int8": "bigint", "uuid": "uuid"}
	if typ := plain[key.Base]; typ != "" { // the checks of a domain do not apply to a comparison
		return typ
	}
	return key.Type
}

// asKey casts an expression of key's type so that it can be compared with ref.
func asKey(ref, key *Column, expr string) string {
	if ref.text() && !key.text() {
		return expr + "::text"
	}
	return expr
}
