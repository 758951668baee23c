package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// link is a reference to the client: the column that holds the key and, where
// it is known and matters, the one that holds the tenant.
type link struct {
	rel    *Relation
	key    *Column
	tenant *Column
}

// link finds the link of a relation's column. A foreign key that includes the
// tenant lends its index; where keys are unique within their tenant only, the
// tenant's column is also looked for by its name.
func (c *compiler) link(r *Relation, reference *Column) link {
	l := link{rel: r, key: reference}
	if c.tenant == nil {
		return l
	}
	if r == c.client && reference == c.key {
		l.tenant = c.tenant
		return l
	}
	for _, fk := range r.ForeignKeys {
		at := slices.Index(fk.ParentColumns, c.tenant.Name)
		if fk.to(c.client) && fk.target(reference.Name) == c.key.Name && at >= 0 {
			if col := r.Column(fk.Columns[at]); col.NotNull || c.scoped {
				l.tenant = col
				return l
			}
		}
	}
	if c.scoped {
		if col := r.Column(c.tenant.Name); col != nil && canHold(col, c.tenant) {
			l.tenant = col
		}
	}
	return l
}

// resolveLink is link for what the map names; it records a gap when the column
// does not refer to a client's key.
func (c *compiler) resolveLink(pos erasuremap.Pos, r *Relation, reference *Column) link {
	l := c.link(r, reference)
	if !canHold(reference, c.key) {
		c.gap(pos, r, reference.Name, "name the column that holds the client's key", "its type %s cannot hold a key of type %s", reference.Type, c.key.Type)
	}
	var keys []*ForeignKey
	for i := range r.ForeignKeys {
		if fk := &r.ForeignKeys[i]; fk.to(c.client) && slices.Contains(fk.Columns, reference.Name) {
			keys = append(keys, fk)
		}
	}
	if len(keys) > 0 && !slices.ContainsFunc(keys, func(fk *ForeignKey) bool { return fk.target(reference.Name) == c.key.Name }) {
		c.gap(pos, r, reference.Name, "refer to "+c.m.Client.Key+", or name "+keys[0].target(reference.Name)+" as client.key",
			"foreign key %s refers to %s of the client, which is not its key", keys[0].Name, keys[0].target(reference.Name))
	}
	if c.scoped && l.tenant == nil {
		c.gap(pos, r, reference.Name, fmt.Sprintf("add a column %s", c.tenant.Name),
			"a client's key is unique within its tenant only, and nothing here says which tenant is meant")
	}
	return l
}

// ofChunk is the condition under which a row refers to one of the chunk's
// clients.
func (c *compiler) ofChunk(t *text, l link, alias string) string {
	cond := ident(alias, l.key.Name) + " = ANY(" + t.array(Arg{Kind: ArgKeys}, keyType(l.key, c.key)) + ")"
	if l.tenant != nil {
		cond += " AND " + ident(alias, l.tenant.Name) + " = " + t.scalar(Arg{Kind: ArgTenant}, keyType(l.tenant, c.tenant))
	}
	return cond
}

// ofClient is the condition under which a row refers to the client aliased c.
func (c *compiler) ofClient(l link, alias string) string {
	cond := ident(alias, l.key.Name) + " = " + asKey(l.key, c.key, ident("c", c.key.Name))
	if l.tenant != nil {
		cond += " AND " + ident(alias, l.tenant.Name) + " = " + asKey(l.tenant, c.tenant, ident("c", c.tenant.Name))
	}
	return cond
}

// belongs is the condition under which a row of e belongs to one of the
// clients of the chunk.
func (c *compiler) belongs(t *text, e *entry, alias string) string {
	return c.reach(e, alias, func(l link, alias string) string { return c.ofChunk(t, l, alias) })
}

// belongsTo is the condition under which a row of e belongs to the client
// aliased c.
func (c *compiler) belongsTo(e *entry, alias string) string { return c.reach(e, alias, c.ofClient) }

// reach follows an entry's way up to the client, where last is asked.
func (c *compiler) reach(e *entry, alias string, last func(l link, alias string) string) string {
	if !e.through() {
		return where(last(e.link, alias), e.Where)
	}
	var columns, targets, ways []string
	for _, p := range e.pairs {
		columns = append(columns, ident(alias, p.column))
		targets = append(targets, asKey(e.rel.Column(p.column), e.parents[0].rel.Column(p.target), ident(alias+"p", p.target)))
	}
	for _, p := range e.parents {
		// One SELECT for each way: an OR between them would keep indexes out.
		ways = append(ways, fmt.Sprintf("SELECT %s FROM %s AS %s WHERE %s",
			strings.Join(targets, ", "), p.rel.ident(), ident(alias+"p"), c.reach(p, alias+"p", last)))
	}
	columnList := strings.Join(columns, ", ")
	if len(columns) > 1 {
		columnList = "(" + columnList + ")"
	}
	return where(columnList+" IN ("+strings.Join(ways, " UNION ALL ")+")", e.Where)
}

func where(cond, extra string) string {
	if extra == "" {
		return cond
	}
	return cond + " AND (" + extra + ")"
}
