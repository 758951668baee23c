package plan

import "fmt"

// A reference holds a client's key if PostgreSQL's equality of the key says so,
// whatever the type of the reference: citext and some collations take texts for
// equal that differ in case. A reference of type text to a uuid may be spelled in
// capitals or without hyphens.

// isAmong is the condition under which a reference holds one of some keys.
func (t *text) isAmong(ref *Column, own string, keys Arg) string {
	plain := own + " = ANY(" + t.array(keys, keyType(ref, t.key)) + ")"
	texts := func() string { return t.array(keys, "text") }
	switch {
	case !ref.text():
	case t.key.oneOf("uuid"):
		typ := keyType(ref, t.key)
		all := fmt.Sprintf("(%[1]s || upper(%[1]s::text)::text[])", texts())
		all = fmt.Sprintf("(%[1]s || replace(%[1]s::text, '-', '')::text[])", all)
		if typ != "text" {
			all += "::" + typ + "[]"
		}
		return own + " = ANY(" + all + ")"
	case t.key.looserThan(ref):
		return t.key.asKeys(own) + " = ANY(" + t.array(keys, keyType(t.key, t.key)) + ")"
	case ref.loose() && t.key.text() && !t.key.loose():
		return "(" + plain + " AND " + own + `::text COLLATE "C" = ANY(` + texts() + "))" // plain uses the index
	}
	return plain
}

// isKey is the condition under which a reference holds one key, an expression of
// the key's type.
func (t *text) isKey(ref *Column, own, key string) string {
	switch {
	case !ref.text():
	case t.key.oneOf("uuid"):
		return fmt.Sprintf("%s::text IN (%[2]s::text, upper(%[2]s::text), replace(%[2]s::text, '-', ''), upper(replace(%[2]s::text, '-', '')))",
			own, key)
	case t.key.looserThan(ref):
		return t.key.asKeys(own) + " = " + key
	case ref.loose() && t.key.text() && !t.key.loose():
		return own + `::text COLLATE "C" = ` + key + "::text"
	}
	return own + " = " + asKey(ref, t.key, key)
}

// loose reports whether the column takes different texts for equal.
func (c *Column) loose() bool { return c.Collation != "" || c.oneOf("citext", "bpchar") }

// looserThan reports whether the key takes texts for equal that differ for ref.
func (c *Column) looserThan(ref *Column) bool {
	return c.loose() && ref.text() && (c.Collation != ref.Collation || keyType(c, c) != keyType(ref, ref))
}

// asKeys casts an expression so that it is compared as the key is.
func (c *Column) asKeys(expr string) string {
	expr += "::" + keyType(c, c)
	if c.Collation != "" {
		expr += " COLLATE " + c.Collation
	}
	return expr
}

// keyText is the key of the client aliased c as text. Where the key takes
// different texts for equal, it is spelled as the statement's parameter has it,
// since the row may have been written anew meanwhile.
func (t *text) keyText() string {
	own := ident("c", t.key.Name)
	if !t.key.loose() {
		return own + "::text"
	}
	return fmt.Sprintf("(SELECT k FROM unnest(%s) AS k WHERE %s = k::%s LIMIT 1)",
		t.array(Arg{Kind: ArgKeys}, "text"), own, keyType(t.key, t.key))
}

// spellKeysStatement finds how the tenant's clients spell their keys. It is empty
// unless one key can be spelled in several ways.
func (em emitter) spellKeysStatement() Statement {
	if !em.key.loose() {
		return Statement{}
	}
	t := em.text()
	t.add("SELECT k, %s::text\nFROM unnest(%s) AS k\nJOIN %s AS \"c\" ON %s = k::%s\nWHERE %s", ident("c", em.key.Name),
		t.array(Arg{Kind: ArgKeys}, "text"), em.client.ident(), ident("c", em.key.Name), keyType(em.key, em.key), t.andTenant("c", "true"))
	return t.statement("clients: spelling of keys", em.name(em.client))
}
