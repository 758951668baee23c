package plan

import (
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// castFor is the type to which client keys are cast so that an index on ref
// serves the comparison: the reference's own for texts, else the key's.
func castFor(ref, key *Column) string {
	if ref.text() && !key.text() {
		return "text"
	}
	if key.text() {
		return "text"
	}
	return key.Type
}

// belongs is the condition under which a row of e, aliased t, belongs to one
// of the clients of the chunk.
func (c *compiler) belongs(t *text, e *entry, alias string) string {
	if e.Through == (erasuremap.Name{}) {
		cond := ident(alias, e.Reference) + " = ANY(" + t.array(Arg{Kind: ArgKeys}, castFor(e.reference, c.key)) + ")"
		return where(cond, e.Where)
	}
	return where(c.through(e, alias, func(p *entry, a string) string { return c.belongs(t, p, a) }), e.Where)
}

// belongsTo is the condition under which a row of e, aliased t, belongs to the
// client whose key expression is given; for subqueries.
func (c *compiler) belongsTo(e *entry, alias, key string) string {
	if e.Through == (erasuremap.Name{}) {
		return where(ident(alias, e.Reference)+" = "+keyFor(e.reference, c.key, key), e.Where)
	}
	return where(c.through(e, alias, func(p *entry, a string) string { return c.belongsTo(p, a, key) }), e.Where)
}

func (c *compiler) through(e *entry, alias string, cond func(p *entry, alias string) string) string {
	parent := alias + "p"
	conds := make([]string, len(e.parents))
	for i, p := range e.parents {
		conds[i] = cond(p, parent)
	}
	return ident(alias, e.Reference) + " IN (SELECT " + ident(parent, e.link) +
		" FROM " + e.parents[0].rel.ident() + " AS " + ident(parent) + " WHERE " + strings.Join(conds, " OR ") + ")"
}

// keyFor is a client's key expression in a form that compares with ref.
func keyFor(ref, key *Column, expr string) string {
	if ref.text() && !key.text() {
		return expr + "::text"
	}
	return expr
}

func where(cond, extra string) string {
	if extra == "" {
		return cond
	}
	return cond + " AND (" + extra + ")"
}
