package plan

func (em emitter) tenantStatement() Statement {
	if em.tenantTable == nil {
		return Statement{}
	}
	column := func(name string) string {
		if name == "" {
			return "''"
		}
		return "coalesce(" + ident("s", name) + "::text, '')"
	}
	m, t := em.m.Tenant, em.text()
	key := em.tenantTable.Column(m.Key)
	// Compared as text: the caller's tenant need not be readable as the key's type.
	t.add("SELECT %s, %s\nFROM %s AS \"s\"\nWHERE %s::text = %s::text", column(m.Country), column(m.Locale),
		em.tenantTable.ident(), ident("s", key.Name), t.arg(Arg{Kind: ArgTenant}))
	return t.statement("tenant: country and language", em.name(em.tenantTable))
}

// lawStatement reads what decides how long a tenant's records are kept. Where
// nobody says in which time zone the tenant lives, its day has begun when it
// has begun everywhere: a record goes too late rather than too early.
func (em emitter) lawStatement() Statement {
	if em.tenantTable == nil || len(em.retaining()) == 0 {
		return Statement{}
	}
	column := func(name string) string {
		if name == "" {
			return "''"
		}
		return "coalesce(" + ident("s", name) + "::text, '')"
	}
	m, t := em.m.Tenant, em.text()
	t.add("SELECT %s, %s, %s, (%s::timestamptz AT TIME ZONE coalesce(nullif(%s, ''), 'Etc/GMT+12'))::date\nFROM %s AS \"s\"\nWHERE %s::text = %s::text",
		column(m.Country), column(m.FiscalYearEnd), column(m.TimeZone), t.arg(Arg{Kind: ArgNow}), column(m.TimeZone),
		em.tenantTable.ident(), ident("s", m.Key), t.arg(Arg{Kind: ArgTenant}))
	return t.statement("tenant: what decides how long the law keeps", em.name(em.tenantTable))
}
