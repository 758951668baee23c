package plan

import (
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/erasuremap"
)

// Fix is the statement that closes the schema to the role.
func (o OpenSchema) Fix() string {
	role := o.Role
	if role != "PUBLIC" {
		role = pgx.Identifier{role}.Sanitize()
	}
	return fmt.Sprintf("REVOKE CREATE ON SCHEMA %s FROM %s", ident(o.Name), role)
}

// why says why names are not looked up in the schema.
func (o OpenSchema) why() string {
	who := "role " + o.Role
	if o.Role == "PUBLIC" {
		who = "every role"
	}
	return fmt.Sprintf("schema %s is not searched, because %s may create functions in it", o.Name, who)
}

func (c *Catalog) open(schema string) (OpenSchema, bool) {
	i := slices.IndexFunc(c.Open, func(o OpenSchema) bool { return o.Name == schema })
	if i < 0 {
		return OpenSchema{}, false
	}
	return c.Open[i], true
}

// coverOpenTypes records a gap for every column whose type has its operators in a
// schema that is not searched: the comparisons of another type would be used.
func (c *checker) coverOpenTypes() {
	for _, r := range c.usedRelations() {
		for i := range r.Columns {
			col := &r.Columns[i]
			if o, open := c.catalog.open(col.TypeSchema); open && col.hasEquality() {
				c.gaps.add(c.firstMention(r), r, col.Name, o.Fix(), "the operators of its type %s cannot be used: %s", col.Type, o.why())
			}
		}
	}
}

// checkShadowed refuses a name without a schema if somebody may have created a table
// of that name in front of another one.
func (rs *resolver) checkShadowed(pos erasuremap.Pos, n erasuremap.Name, r *Relation) {
	o, open := rs.catalog.open(r.Schema)
	if n.Schema != "" || !open {
		return
	}
	for _, schema := range rs.catalog.SearchPath {
		other := rs.catalog.Relation(erasuremap.Name{Schema: schema, Relation: n.Relation})
		if other != nil && other != r {
			rs.gaps.add(pos, other, "", "write the schema too: "+other.qualified()+", or "+r.qualified(),
				"there is a table %s as well: %s", r.qualified(), o.why())
			return
		}
	}
}

// TriggerNeeds is the gap of a trigger on a mapped table whose function names an
// object in a schema that is not searched. It is false for other tables.
func (p *Plan) TriggerNeeds(table Reference, trigger, object string, o OpenSchema) (Gap, bool) {
	c := &checker{model: p.model}
	r := p.model.catalog.Relation(erasuremap.Name{Schema: table.Schema, Relation: table.Name})
	if r == nil || !slices.Contains(c.relations(), r) {
		return Gap{}, false
	}
	c.gaps.add(c.firstMention(r), r, "", fmt.Sprintf("%s, or write %s.%s in the trigger's function", o.Fix(), ident(o.Name), ident(object)),
		"trigger %s names %s without its schema: %s", trigger, object, o.why())
	return c.gaps[0], true
}
