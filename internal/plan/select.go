package plan

import (
	"fmt"
	"slices"
	"strings"
)

// Candidates lists a tenant's clients who were not active in any of the named
// ways at or after the cutoff, hence not in the future either → (key, code of
// the guard that holds or the empty text), by key. Clients created since the cutoff are
// left out unless includeNew. No kinds means all of them; an unknown kind is
// the caller's mistake and matches nothing.
func (p *Plan) Candidates(kinds []string, includeNew bool) Statement {
	c, t := p.compiled, &text{}
	key := ident("c", c.key.Name)
	cutoff := func() string { return t.arg(Arg{Kind: ArgCutoff}) + "::timestamptz" } // a parameter only if used
	t.add("SELECT %s::text AS key,\n  CASE\n", key)
	c.guardCases(t, key)
	t.add("    ELSE ''\n  END AS code,\n  row_number() OVER (ORDER BY %s) - 1 AS n\nFROM %s AS \"c\"\nWHERE %s\n  AND NOT %s",
		key, c.client.ident(), c.ofTenant(t, "c", "true"), c.isProfile(t, key))
	if created := c.m.Client.CreatedAt; created != "" && !includeNew {
		t.add("\n  AND %s < %s", ident("c", created), cutoff())
	}
	for _, a := range c.m.Activity {
		if len(kinds) == 0 || slices.Contains(kinds, a.Name) {
			t.add("\n  AND NOT %s", c.activeSince(a, cutoff()))
		}
	}
	return t.statement("clients: candidates", c.name(c.client))
}

// Activities lists the kinds of activity that the map knows.
func (p *Plan) Activities() []string {
	names := make([]string, len(p.Map.Activity))
	for i, a := range p.Map.Activity {
		names[i] = a.Name
	}
	return names
}

// previewStatement reads what an administrator sees of candidates, live: names
// are never stored.
func (c *compiler) previewStatement() Statement {
	t := &text{}
	key := ident("c", c.key.Name)
	names := make([]string, len(c.m.Client.Name))
	for i, n := range c.m.Client.Name {
		names[i] = ident("c", n) + "::text"
	}
	created := "NULL"
	if c.m.Client.CreatedAt != "" {
		created = ident("c", c.m.Client.CreatedAt)
	}
	last := "NULL"
	var subs []string
	for _, a := range c.m.Activity {
		r := c.cat.Relation(a.Table)
		cond := c.ofClient(c.link(r, r.Column(a.Reference)), "t")
		subs = append(subs, fmt.Sprintf("(SELECT max(%s) FROM %s AS \"t\" WHERE %s)", ident("t", a.At), r.ident(), where(cond, a.Where)))
	}
	if len(subs) > 0 {
		last = "greatest(" + strings.Join(subs, ", ") + ")"
	}
	name := "''"
	if len(names) > 0 {
		name = "concat_ws(' ', " + strings.Join(names, ", ") + ")"
	}
	t.add("SELECT %s::text, %s, %s::timestamptz, %s::timestamptz\nFROM %s AS \"c\"\nWHERE %s",
		key, name, created, last, c.client.ident(), c.theseClients(t, "c"))
	return t.statement("clients: preview", c.name(c.client))
}
