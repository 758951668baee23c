package erasuremap

import "slices"

// draft is a map that was read, with the places for problems. Its parts are not yet
// checked against each other.
type draft struct {
	*Map
	tenant, client *fields
	entries        []tableEntry
}

func (d *draft) check(r *reader) {
	d.checkTenant(r)
	d.checkClient(r)
	d.checkRetention(r)
	d.checkTwice(r)
	d.checkThrough(r)
	d.checkActions(r)
	d.defaultMerges(r)
}

func (d *draft) checkTenant(r *reader) {
	switch c := d.client; {
	case c.broken:
	case d.Tenant == nil && c.has("tenant"):
		r.problemf(c.key("tenant"), "the map has no tenant: add tenant: {table: …, key: …}, or leave out tenant here")
	case d.Tenant != nil && !c.has("tenant"):
		r.problemf(c.pos, "client needs tenant, the column that refers to the tenant")
	}
}

func (d *draft) checkClient(r *reader) {
	c := d.client
	switch d.Client.Erase {
	case DeleteClient:
		c.without("a deleted client has no columns left", "columns")
	case Anonymize:
		if len(d.Client.Columns) == 0 && !c.has("columns") {
			r.problemf(c.pos, "erase: anonymize needs columns, what becomes of each")
		}
	}
	for _, rule := range d.Client.Columns {
		if rule.Column == d.Client.Key || d.Tenant != nil && rule.Column == d.Client.Tenant {
			if rule.Kind != KeepValue {
				r.problemf(rule.Pos, "%q is what the client's row is found by: write keep", rule.Column)
			}
		}
	}
	for _, rule := range d.Client.Anonymous {
		switch {
		case rule.Kind == KeepValue || rule.Kind == Truncate || rule.Kind == JSONRemove:
			r.problemf(rule.Pos, "an anonymous profile is a new row: write null, {value: …}, {label: …} or {sql: …}")
		case d.Tenant != nil && rule.Column == d.Client.Tenant:
			r.problemf(rule.Pos, "%q of an anonymous profile is its tenant: leave it out", rule.Column)
		case rule.Column == d.Client.Key && rule.Kind != SQL:
			r.problemf(rule.Pos, "every anonymous profile needs a key of its own: leave out %q, or write {sql: …}", rule.Column)
		}
	}
	for i, column := range d.Client.Fill {
		if column != "" && (column == d.Client.Key || column == d.Client.Tenant) {
			items := r.listOrOne(c.take("fill"), "")
			r.problemf(items[i].pos, "%q is never blank: leave it out", column)
		}
	}
}

func (d *draft) checkRetention(r *reader) {
	names := make([]string, len(d.Retention))
	for i, rule := range d.Retention {
		names[i] = rule.Name
		if len(rule.Countries) > 0 && (d.Tenant == nil || !d.tenant.broken && !d.tenant.has("country")) {
			r.problemf(rule.Pos, "years by country need tenant.country, the column with a tenant's country; or write otherwise alone")
		}
	}
	for _, e := range d.entries {
		if t := e.Retain; t != nil && t.Rule != "" && !slices.Contains(names, t.Rule) {
			r.problemf(e.retain.at("rule"), "no rule %q under retention: %s", t.Rule, suggest(t.Rule, names))
		}
	}
}

// path says through which columns rows belong to a client.
type path struct {
	table, through     Name
	reference, ownedBy string
	column             string // to which the reference refers; empty: the key
}

// checkTwice refuses two entries for the same rows, because the result would depend
// on their order.
func (d *draft) checkTwice(r *reader) {
	seen := map[path][]tableEntry{}
	mapped := map[Name]Pos{d.Client.Table: d.Client.Pos}
	for _, e := range d.entries {
		if e.Table.Table == (Name{}) {
			continue
		}
		mapped[e.Table.Table] = e.Pos
		p := path{e.Table.Table, e.Through, e.Reference, e.OwnedBy, ""}
		if e.References != nil {
			p.column = e.References.Column
		}
		for _, before := range seen[p] {
			if before.Where == "" || e.Where == "" || before.Where == e.Where {
				r.problemf(e.f.pos, "%s by the same path is already mapped on line %d: "+
					"merge the two entries, or give each a where that no row of the other meets",
					e.Table.Table, before.Pos.Line)
				break
			}
		}
		seen[p] = append(seen[p], e)
	}
	for _, i := range d.Ignore {
		if at, ok := mapped[i.Table]; ok && i.Table != (Name{}) {
			r.problemf(i.Pos, "%s is ignored here and mapped on line %d: choose one", i.Table, at.Line)
		}
	}
}

// checkActions refuses to delete other clients or tenants, and to reassign rows
// without an anonymous profile.
func (d *draft) checkActions(r *reader) {
	for _, e := range d.entries {
		name := e.Table.Table
		if name == (Name{}) {
			continue
		}
		what := ""
		switch {
		case name == d.Client.Table:
			what = "other clients"
		case d.Tenant != nil && name == d.Tenant.Table:
			what = "the tenant"
		}
		if what != "" && e.Erase == Delete {
			r.problemf(e.f.at("erase"), "this would delete %s: write erase: unlink", what)
		}
		if what != "" && e.Merge == Delete {
			r.problemf(e.f.at("merge"), "this would delete %s: write merge: move", what)
		}
		if e.Erase == Reassign && !d.client.broken && !d.client.has("anonymous") {
			r.problemf(e.f.at("erase"), "reassign needs client.anonymous, how an anonymous profile is inserted")
		}
	}
}
