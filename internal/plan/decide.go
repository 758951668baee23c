package plan

import (
	"fmt"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/jobs"
)

func (c *compiler) tenantType() string {
	if c.tenant == nil {
		return "text"
	}
	return keyType(c.tenant, c.tenant)
}

// theseClients is the condition that picks the chunk's clients, of their own
// tenant only, from the client table.
func (c *compiler) theseClients(t *text, alias string) string {
	return c.ofChunk(t, c.link(c.client, c.key), alias)
}

func (c *compiler) ofTenant(t *text, alias, cond string) string {
	if c.tenant == nil {
		return cond
	}
	return cond + " AND " + ident(alias, c.tenant.Name) + " = " + t.scalar(Arg{Kind: ArgTenant}, c.tenantType())
}

func (c *compiler) ownedColumns() []string {
	var columns []string
	for _, e := range c.entry {
		if e.owned() {
			columns = append(columns, e.OwnedBy)
		}
	}
	return columns
}

func (c *compiler) tenantStatement() Statement {
	if c.studio == nil {
		return Statement{}
	}
	column := func(name string) string {
		if name == "" {
			return "''"
		}
		return "coalesce(" + ident("s", name) + "::text, '')"
	}
	m, t := c.m.Tenant, &text{}
	key := c.studio.Column(m.Key)
	// Compared as text: the caller's tenant need not be readable as the key's type.
	t.add("SELECT %s, %s\nFROM %s AS \"s\"\nWHERE %s::text = %s::text", column(m.Country), column(m.Locale),
		c.studio.ident(), ident("s", key.Name), t.arg(Arg{Kind: ArgTenant}))
	return t.statement("tenant: country and language", c.name(c.studio))
}

// lockStatement takes the clients FOR UPDATE. A new reference to a client takes
// KEY SHARE on its row and so has either committed and is seen by the
// statements that follow, or waits for us and finds the client gone. Clients
// that live traffic holds are left for a later chunk rather than waited for.
func (c *compiler) lockStatement() Statement {
	t := &text{}
	columns := []string{ident("c", c.key.Name) + "::text"}
	for _, owned := range c.ownedColumns() {
		columns = append(columns, ident("c", owned)+"::text")
	}
	t.add("SELECT %s\nFROM %s AS \"c\"\nWHERE %s\nORDER BY %s\nFOR UPDATE SKIP LOCKED",
		strings.Join(columns, ", "), c.client.ident(), c.theseClients(t, "c"), ident("c", c.key.Name))
	return t.statement("clients: lock", c.name(c.client))
}

// judgeStatement says of every client which guard holds, if any, and from what
// day the latest of what the law keeps of it is. It runs after the lock, on a newer snapshot.
func (c *compiler) judgeStatement() Statement {
	t := &text{}
	key := ident("c", c.key.Name)
	t.add("SELECT %s::text,\n  CASE\n", key)
	c.guardCases(t, key)
	for _, a := range c.m.Activity {
		cutoff, kinds := t.arg(Arg{Kind: ArgCutoff})+"::timestamptz", t.arg(Arg{Kind: ArgActivities})+"::text[]"
		t.add("    WHEN %s IS NOT NULL AND (cardinality(%s) = 0 OR %s = ANY(%s)) AND %s THEN %s\n",
			cutoff, kinds, literal(a.Name), kinds, c.activeSince(a, cutoff), literal(jobs.CodeRecentActivity))
	}
	t.add("  END,\n  %s\nFROM %s AS \"c\"\nWHERE %s", c.latestKept(t), c.client.ident(), c.theseClients(t, "c"))
	return t.statement("clients: guards and retention", c.name(c.client))
}

// guardCases writes the WHEN branches that name what keeps a client from being
// erased.
func (c *compiler) guardCases(t *text, key string) {
	t.add("    WHEN %s THEN %s\n", c.isProfile(t, key), literal(jobs.CodeAnonymousProfile))
	for _, g := range c.m.Guards {
		cond := "(" + g.Where + ")"
		if g.Table != (erasuremap.Name{}) {
			cond = c.exists(g.Table, g.Reference, cond)
		}
		if g.Overridable {
			cond = fmt.Sprintf("NOT (%s = ANY(%s::text[])) AND %s", literal(g.Name), t.arg(Arg{Kind: ArgOverride}), cond)
		}
		t.add("    WHEN %s THEN %s\n", cond, literal(g.Name))
	}
}

// isProfile is the condition under which a client row is an anonymous profile.
func (c *compiler) isProfile(t *text, key string) string {
	return fmt.Sprintf("EXISTS (SELECT FROM oubli.anonymous_profiles AS a WHERE a.tenant_id = %s::text AND a.client_key = %s::text)", t.arg(Arg{Kind: ArgTenant}), key)
}

// activeSince is the condition under which a client has been active in one way
// since a point in time, or will be. A day says nothing of the hour: one on the
// cutoff's own day counts, for it may have been after the cutoff.
func (c *compiler) activeSince(a erasuremap.Activity, since string) string {
	if c.cat.Relation(a.Table).Column(a.At).Base == "date" {
		since = "(" + since + ")::date"
	}
	return c.exists(a.Table, a.Reference, where(ident("t", a.At)+" >= "+since, a.Where))
}

// exists is the condition that the client aliased c has a row, aliased t, for
// which cond holds.
func (c *compiler) exists(n erasuremap.Name, reference, cond string) string {
	r := c.cat.Relation(n)
	return fmt.Sprintf("EXISTS (SELECT FROM %s AS \"t\" WHERE %s AND %s)", r.ident(), c.ofClient(c.link(r, r.Column(reference)), "t"), cond)
}

func (c *compiler) liveProfilesStatement() Statement {
	t := &text{}
	t.add("SELECT p.slot, p.client_key\nFROM oubli.anonymous_profiles AS p\nJOIN %s AS \"c\" ON %s = p.client_key::%s\nWHERE p.tenant_id = %s::text AND %s\nORDER BY p.slot",
		c.client.ident(), ident("c", c.key.Name), keyType(c.key, c.key), t.arg(Arg{Kind: ArgTenant}), c.ofTenant(t, "c", "true"))
	return t.statement("anonymous profiles: find", c.name(c.client))
}

func (c *compiler) newProfileStatement() Statement {
	t := &text{}
	var columns, values []string
	if c.tenant != nil {
		columns = append(columns, ident(c.tenant.Name))
		values = append(values, t.scalar(Arg{Kind: ArgTenant}, c.tenantType()))
	}
	for _, rule := range c.m.Client.Anonymous {
		columns = append(columns, ident(rule.Column))
		values = append(values, c.value(t, c.client, "c", rule))
	}
	t.add("INSERT INTO %s", c.client.ident())
	if len(columns) == 0 {
		t.add(" DEFAULT VALUES")
	} else {
		t.add(" (%s)\nVALUES (%s)", strings.Join(columns, ", "), strings.Join(values, ", "))
	}
	t.add("\nRETURNING %s::text", ident(c.key.Name))
	return t.statement("anonymous profile: insert", c.name(c.client))
}
