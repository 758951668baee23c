package plan

import (
	"fmt"
	"strings"
)

// ofChunk is the condition under which a row refers to one of the chunk's
// clients.
func (t *text) ofChunk(l link, alias string) string {
	var cond string
	if l.byValue() {
		cond = t.valueOfChunk(l, alias)
	} else {
		cond = t.isAmong(l.key, ident(alias, l.key.Name), Arg{Kind: ArgKeys})
	}
	if l.tenant != nil {
		cond += " AND " + ident(alias, l.tenant.Name) + " = " + t.scalar(Arg{Kind: ArgTenant}, keyType(l.tenant, t.tenant))
	}
	return cond
}

// ofClient is the condition under which a row refers to the client aliased t.
func (t *text) ofClient(l link, alias string) string {
	var cond string
	if l.byValue() {
		cond = t.valueOfClient(l, alias)
	} else {
		cond = t.isKey(l.key, ident(alias, l.key.Name), ident("c", t.key.Name))
	}
	if l.tenant != nil {
		cond += " AND " + ident(alias, l.tenant.Name) + " = " + asKey(l.tenant, t.tenant, ident("c", t.tenant.Name))
	}
	return cond
}

// belongs is the condition under which a row of e belongs to one of the chunk's
// clients.
func (t *text) belongs(e *entry, alias string) string {
	return t.followPath(e, alias, func(l link, alias string) string { return t.ofChunk(l, alias) })
}

// belongsTo is the condition under which a row of e belongs to the client
// aliased t.
func (t *text) belongsTo(e *entry, alias string) string { return t.followPath(e, alias, t.ofClient) }

// followPath is the condition under which a row of e belongs to certain clients:
// it follows the entry's parents up to rows that refer to clients, for which
// refers gives the condition.
func (t *text) followPath(e *entry, alias string, refers func(l link, alias string) string) string {
	if !e.through() {
		return where(refers(e.link, alias), e.Where)
	}
	var columns, targets, parents []string
	for _, p := range e.pairs {
		columns = append(columns, ident(alias, p.column))
		targets = append(targets, asKey(e.rel.Column(p.column), e.parents[0].rel.Column(p.target), ident(alias+"p", p.target)))
	}
	for _, p := range e.parents {
		// One SELECT for each parent: with OR between them PostgreSQL would use no index.
		parents = append(parents, fmt.Sprintf("SELECT %s FROM %s AS %s WHERE %s",
			strings.Join(targets, ", "), p.rel.ident(), ident(alias+"p"), t.followPath(p, alias+"p", refers)))
	}
	columnList := strings.Join(columns, ", ")
	if len(columns) > 1 {
		columnList = "(" + columnList + ")"
	}
	return where(columnList+" IN ("+strings.Join(parents, " UNION ALL ")+")", e.Where)
}

// theseClients is the condition that selects the chunk's clients, of their own
// tenant only, from the client table.
func (t *text) theseClients(alias string) string {
	return t.ofChunk(link{rel: t.client, key: t.key, tenant: t.tenant}, alias)
}

// andTenant adds to a condition that the client row is of the tenant.
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
	same := fmt.Sprintf("a.client_key = %s::text", key)
	if t.key.loose() {
		same = fmt.Sprintf("%s = a.client_key::%s", key, keyType(t.key, t.key))
	}
	return fmt.Sprintf("EXISTS (SELECT FROM oubli.anonymous_profiles AS a WHERE a.tenant_id = %s::text AND %s)",
		t.arg(Arg{Kind: ArgTenant}), same)
}

// activeSince is the condition under which the client aliased c has, or will
// have, an activity since a point in time.
func (t *text) activeSince(a activity, since string) string {
	return t.exists(a.link, where(ident("t", a.At)+" >= "+t.localTime(a.at, since), a.Where))
}

// localTime is a point in time as a column of dates or of timestamps without time
// zone would hold it. Applications write such columns in the tenant's time zone or
// in UTC: the earlier of the two counts as activity what either may mean. For a
// date it is the day of that point, since what is dated with that day may have been
// later on it.
func (t *text) localTime(col *Column, at string) string {
	if !col.localTime() {
		return at
	}
	local := fmt.Sprintf("least(%s AT TIME ZONE %s::text, %s AT TIME ZONE 'UTC')", at, t.arg(Arg{Kind: ArgActivityZone}), at)
	if col.Base == "date" {
		local += "::date"
	}
	return local
}

// createdSince is the condition under which a client row was created after the
// job's list of clients was made: then somebody else has got the key of a client
// on the list. It is empty if the map does not say when clients are created, and
// NULL for a client without a date.
//
// A column of dates or of timestamps without time zone leaves some hours, or the
// whole day, open. An erasure then leaves the client alone. A merge does not: it
// runs at once, and its sources are often duplicates made a minute ago.
func (t *text) createdSince(alias string, merge bool) string {
	col := t.client.Column(t.m.Client.CreatedAt)
	if col == nil {
		return ""
	}
	own, listed := ident(alias, col.Name), t.arg(Arg{Kind: ArgListed})+"::timestamptz"
	switch {
	case !col.localTime():
		return own + " > " + listed
	case merge:
		// The first time zone in which a day begins; POSIX counts westwards.
		latest := fmt.Sprintf("(%s AT TIME ZONE 'Etc/GMT-14')", listed)
		if col.Base == "date" {
			latest += "::date"
		}
		return own + " > " + latest
	case col.Base == "date":
		return own + " >= " + t.localTime(col, listed)
	}
	return own + " > " + t.localTime(col, listed)
}

// exists is the condition that the client aliased c has a row, aliased t, for
// which cond holds.
func (t *text) exists(l link, cond string) string {
	return fmt.Sprintf("EXISTS (SELECT FROM %s AS \"t\" WHERE %s AND %s)", l.rel.ident(), t.ofClient(l, "t"), cond)
}

// guardCases writes the WHEN branches that name the guard that holds for the
// client aliased c.
func (t *text) guardCases() {
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
