package plan

import (
	"fmt"
	"strings"

	"github.com/oubli/oubli/jobs"
)

// ofChunk is the condition under which a row refers to one of the chunk's
// clients.
func (t *text) ofChunk(l link, alias string) string {
	cond := ident(alias, l.key.Name) + " = ANY(" + t.array(Arg{Kind: ArgKeys}, keyType(l.key, t.key)) + ")"
	if l.tenant != nil {
		cond += " AND " + ident(alias, l.tenant.Name) + " = " + t.scalar(Arg{Kind: ArgTenant}, keyType(l.tenant, t.tenant))
	}
	return cond
}

// ofClient is the condition under which a row refers to the client aliased t.
func (t *text) ofClient(l link, alias string) string {
	cond := ident(alias, l.key.Name) + " = " + asKey(l.key, t.key, ident("c", t.key.Name))
	if l.tenant != nil {
		cond += " AND " + ident(alias, l.tenant.Name) + " = " + asKey(l.tenant, t.tenant, ident("c", t.tenant.Name))
	}
	return cond
}

// belongs is the condition under which a row of e belongs to one of the
// clients of the chunk.
func (t *text) belongs(e *entry, alias string) string {
	return t.followPath(e, alias, func(l link, alias string) string { return t.ofChunk(l, alias) })
}

// belongsTo is the condition under which a row of e belongs to the client
// aliased t.
func (t *text) belongsTo(e *entry, alias string) string { return t.followPath(e, alias, t.ofClient) }

// reach follows an entry's way up to the client, where last is asked.
func (t *text) followPath(e *entry, alias string, last func(l link, alias string) string) string {
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
			strings.Join(targets, ", "), p.rel.ident(), ident(alias+"p"), t.followPath(p, alias+"p", last)))
	}
	columnList := strings.Join(columns, ", ")
	if len(columns) > 1 {
		columnList = "(" + columnList + ")"
	}
	return where(columnList+" IN ("+strings.Join(ways, " UNION ALL ")+")", e.Where)
}

// theseClients is the condition that picks the chunk's clients, of their own
// tenant only, from the client table.
func (t *text) theseClients(alias string) string {
	return t.ofChunk(link{t.client, t.key, t.tenant}, alias)
}

func (t *text) andTenant(alias, cond string) string {
	if t.tenant == nil {
		return cond
	}
	return cond + " AND " + ident(alias, t.tenant.Name) + " = " + t.scalar(Arg{Kind: ArgTenant}, t.tenantType())
}

func (t *text) tenantType() string {
	if t.tenant == nil {
		return "text"
	}
	return keyType(t.tenant, t.tenant)
}

// isProfile is the condition under which a client row is an anonymous profile.
func (t *text) isProfile(key string) string {
	return fmt.Sprintf("EXISTS (SELECT FROM oubli.anonymous_profiles AS a WHERE a.tenant_id = %s::text AND a.client_key = %s::text)", t.arg(Arg{Kind: ArgTenant}), key)
}

// activeSince is the condition under which a client has been active in one way
// since a point in time, or will be. A day says nothing of the hour: one on the
// cutoff's own day counts, for it may have been after the cutoff.
func (t *text) activeSince(a activity, since string) string {
	if a.at.Base == "date" {
		since = "(" + since + ")::date"
	}
	return t.exists(a.link, where(ident("t", a.At)+" >= "+since, a.Where))
}

// exists is the condition that the client aliased c has a row, aliased t, for
// which cond holds.
func (t *text) exists(l link, cond string) string {
	return fmt.Sprintf("EXISTS (SELECT FROM %s AS \"t\" WHERE %s AND %s)", l.rel.ident(), t.ofClient(l, "t"), cond)
}

// guardCases writes the WHEN branches that name what keeps a client from being
// erased.
func (t *text) guardCases(key string) {
	t.add("    WHEN %s THEN %s\n", t.isProfile(key), literal(jobs.CodeAnonymousProfile))
	for _, g := range t.guards {
		cond := t.guardHolds(g)
		if g.Overridable {
			cond = fmt.Sprintf("NOT (%s = ANY(%s::text[])) AND %s", literal(g.Name), t.arg(Arg{Kind: ArgOverride}), cond)
		}
		t.add("    WHEN %s THEN %s\n", cond, literal(g.Name))
	}
}

// guardHolds is the condition under which a guard holds for the client aliased c.
func (t *text) guardHolds(g guard) string {
	if g.onClientRow() {
		return "(" + g.Where + ")"
	}
	return t.exists(g.link, "("+g.Where+")")
}
