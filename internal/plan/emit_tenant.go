package plan

import "slices"

// tenantText is a column of the tenant's row as text, empty for NULL or without a
// column.
func tenantText(column string) string {
	if column == "" {
		return "''"
	}
	return "coalesce(" + ident("s", column) + "::text, '')"
}

func (em emitter) tenantStatement() Statement {
	if em.tenantTable == nil {
		return Statement{}
	}
	m, t := em.m.Tenant, em.text()
	// Compared as text: the caller's tenant need not be readable as the key's type.
	t.add("SELECT %s, %s\nFROM %s AS \"s\"\nWHERE %s::text = %s::text", tenantText(m.Country), tenantText(m.Locale),
		em.tenantTable.ident(), ident("s", m.Key), t.arg(Arg{Kind: ArgTenant}))
	return t.statement("tenant: country and language", em.name(em.tenantTable))
}

// lawStatement reads what decides how long a tenant's records are kept and, by its
// time zone, since when a client is active. Without a time zone, the tenant's date
// is the earliest on earth, so that records are cleared too late rather than too
// early. The day is that of the database's clock: a process's may be wrong.
func (em emitter) lawStatement() Statement {
	if em.tenantTable == nil || !em.needsLaw() {
		return Statement{}
	}
	m, t := em.m.Tenant, em.text()
	t.add("SELECT %s, %s, %s, (coalesce(%s::timestamptz, now()) AT TIME ZONE coalesce(nullif(%s, ''), 'Etc/GMT+12'))::date\n"+
		"FROM %s AS \"s\"\nWHERE %s::text = %s::text",
		tenantText(m.Country), tenantText(m.FiscalYearEnd), tenantText(m.TimeZone), t.arg(Arg{Kind: ArgNow}), tenantText(m.TimeZone),
		em.tenantTable.ident(), ident("s", m.Key), t.arg(Arg{Kind: ArgTenant}))
	return t.statement("tenant: country and calendar", em.name(em.tenantTable))
}

// needsLaw reports whether statements depend on the tenant's law: on how long it
// keeps records, or on its time zone.
func (em emitter) needsLaw() bool {
	created := em.m.Client.CreatedAt
	return len(em.retaining()) > 0 || created != "" && em.client.Column(created).localTime() ||
		slices.ContainsFunc(em.activity, func(a activity) bool { return a.at.localTime() })
}
