package plan

import "fmt"

// A reference may hold the value of another column of the client than its key: an
// external id, an e-mail address. While the client's row is there, a statement reads
// the value from it; the row is locked, so that nobody changes it. What runs after
// the row is gone, the proof and the looks for late rows, reads it from
// oubli.former_values, which the transaction that erases has filled.
//
// A value that several clients have belongs to none of them alone. Rows with it stay
// until the last of these clients is erased.

// afterwards writes statements that run when the clients' rows are gone.
func (em emitter) afterwards() emitter {
	em.gone = true
	return em
}

// comparison is how the two sides of a reference by value are compared: as PostgreSQL
// compares the client's column, and without regard to case where the map says so.
type comparison struct{ reference, value func(string) string }

func (l link) comparison() comparison {
	same := func(expr string) string { return expr }
	folded := func(expr string) string { return "lower(" + expr + "::text)" }
	digits := func(expr string) string { return "lower(replace(" + expr + "::text, '-', ''))" }
	exact := func(expr string) string { return expr + `::text COLLATE "C"` }
	cast := func(expr string) string { return expr + "::" + keyType(l.key, l.target) }
	switch {
	case l.fold:
		return comparison{folded, folded}
	case l.target.oneOf("uuid") && l.key.text():
		return comparison{digits, digits}
	case l.target.looserThan(l.key):
		return comparison{l.target.asKeys, same}
	case l.key.loose() && l.target.text() && !l.target.loose():
		return comparison{exact, exact}
	}
	return comparison{same, cast}
}

// hasValue is the condition under which an expression of the type of the client's
// column refers to anybody: NULL and blank texts do not.
func (l link) hasValue(expr string) string {
	if l.target.text() {
		return "btrim(" + expr + "::text) <> ''"
	}
	return expr + " IS NOT NULL"
}

// valueOfChunk is the condition under which a row holds the value of one of the
// chunk's clients, and no other client has it.
func (t *text) valueOfChunk(l link, alias string) string {
	c := l.comparison()
	own := ident("v", l.target.Name)
	from, which := t.client.ident(), t.theseClients("v")
	if t.gone {
		own = `"v"."value"::` + l.target.Type
		from, which = "oubli.former_values", t.ofFormerValues(l, "v")
	}
	cond := fmt.Sprintf("%s = ANY(ARRAY(SELECT %s FROM %s AS \"v\" WHERE %s AND %s))",
		c.reference(ident(alias, l.key.Name)), c.value(own), from, which, l.hasValue(own))
	return cond + t.nobodyElses(l, alias)
}

// ofFormerValues is the condition that selects what the chunk's clients had in the
// column from oubli.former_values.
func (t *text) ofFormerValues(l link, alias string) string {
	return fmt.Sprintf(`"%[1]s"."job_id" = %[2]s::text::uuid AND "%[1]s"."column_name" = %[3]s AND "%[1]s"."client_key" = ANY(%[4]s)`,
		alias, t.arg(Arg{Kind: ArgJob}), literal(l.target.Name), t.array(Arg{Kind: ArgKeys}, "text"))
}

// nobodyElses adds to a condition that no other client has the row's value. While the
// clients' rows are there, a unique index says so; when they are gone, somebody may
// have got the value.
func (t *text) nobodyElses(l link, alias string) string {
	if !l.shared && !t.gone {
		return ""
	}
	c := l.comparison()
	cond := fmt.Sprintf("%s = %s AND (%s) IS NOT TRUE",
		c.value(ident("o", l.target.Name)), c.reference(ident(alias, l.key.Name)), t.theseClients("o"))
	if l.tenant != nil {
		cond += " AND " + ident("o", t.tenant.Name) + " = " + t.scalar(Arg{Kind: ArgTenant}, t.tenantType())
	}
	return fmt.Sprintf(" AND NOT EXISTS (SELECT FROM %s AS \"o\" WHERE %s)", t.client.ident(), cond)
}

// valueOfClient is the condition under which a row holds the value of the client
// aliased c.
func (t *text) valueOfClient(l link, alias string) string {
	c, own := l.comparison(), ident("c", l.target.Name)
	return c.reference(ident(alias, l.key.Name)) + " = " + c.value(own) + " AND " + l.hasValue(own)
}

// newReference is what a reference becomes when its row goes to the client whose key
// is the parameter: the target of a merge, or an anonymous profile.
func (t *text) newReference(l link, client Arg) string {
	if !l.byValue() {
		return t.scalar(client, keyType(l.key, t.key))
	}
	return fmt.Sprintf("(SELECT %s::%s FROM %s AS \"v\" WHERE %s)",
		ident("v", l.target.Name), keyType(l.key, l.target), t.client.ident(), t.isClient("v", client))
}

// newReferences are what references become when their rows go to profiles of the
// lane, in the order of the profiles.
func (t *text) newReferences(l link) string {
	if !l.byValue() {
		return t.array(Arg{Kind: ArgProfiles}, keyType(l.key, t.key))
	}
	return fmt.Sprintf("ARRAY(SELECT %s::%s FROM unnest(%s) WITH ORDINALITY AS u(k, n) JOIN %s AS \"v\" ON %s ORDER BY u.n)",
		ident("v", l.target.Name), keyType(l.key, l.target), t.array(Arg{Kind: ArgProfiles}, keyType(t.key, t.key)), t.client.ident(),
		t.andTenant("v", ident("v", t.key.Name)+" = u.k"))
}

// referenceType is the type in which references of the link are compared and written.
func (l link) referenceType(key *Column) string {
	if l.byValue() {
		return keyType(l.key, l.target)
	}
	return keyType(l.key, key)
}

// isClient is the condition that selects the row of the tenant's client whose key is
// the parameter.
func (t *text) isClient(alias string, client Arg) string {
	return t.andTenant(alias, ident(alias, t.key.Name)+" = "+t.scalar(client, keyType(t.key, t.key)))
}

// needsValues reports whether anything runs after the clients' rows are gone that
// needs the values of the entry's column.
func (em emitter) needsValues(e *entry) bool {
	return e.byValue() && (e.mayComeLate || em.disturbed())
}

// recordValues keep what the clients have in columns to which references refer, for
// what runs after their rows are gone.
func (em emitter) recordValues() []Statement {
	var all []Statement
	recorded := map[*Column]bool{}
	for _, e := range em.entries {
		if !em.needsValues(e) || recorded[e.target] {
			continue
		}
		recorded[e.target] = true
		t, own := em.text(), ident("c", e.target.Name)
		t.add("INSERT INTO oubli.former_values (job_id, column_name, client_key, value)\n"+
			"SELECT %s::text::uuid, %s, %s, %s::text\nFROM %s AS \"c\"\nWHERE %s\n  AND %s",
			t.arg(Arg{Kind: ArgJob}), literal(e.target.Name), t.keyText(), own, em.client.ident(), t.theseClients("c"), e.link.hasValue(own))
		s := t.statement("clients: keep "+e.target.Name+" for the looks afterwards", em.name(em.client))
		s.Control = true
		all = append(all, s)
	}
	return all
}

// findLateValuesStatement finds clients about whom there are rows that hold a value
// which was theirs.
func (em emitter) findLateValuesStatement(e *entry) Statement {
	t, name := em.text(), em.name(e.rel)
	t.add("SELECT \"k\".\"client_key\"\nFROM oubli.former_values AS \"k\"\nWHERE %s\n  AND EXISTS (SELECT FROM %s AS \"t\" WHERE %s)",
		t.ofFormerValues(e.link, "k"), e.rel.ident(), em.lateCondition(t, e))
	s := t.statement(name+": find rows of erased clients", name)
	s.Place = em.place(e.rel, e.Reference)
	return s
}

func (em emitter) lateCondition(t *text, e *entry) string {
	c := e.link.comparison()
	cond := c.reference(ident("t", e.link.key.Name)) + " = " + c.value(`"k"."value"::`+e.target.Type)
	if e.link.tenant != nil {
		cond += " AND " + ident("t", e.link.tenant.Name) + " = " + t.scalar(Arg{Kind: ArgTenant}, keyType(e.link.tenant, t.tenant))
	}
	return em.perhaps(cond+t.nobodyElses(e.link, "t"), e)
}
