package plan

import (
	"fmt"
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// resolver builds a model. Its gaps are names that do not exist and references
// of which it cannot tell what they refer to.
type resolver struct {
	*model
	gaps Gaps
}

// resolve finds the map's names in the catalog.
func resolve(m *erasuremap.Map, catalog *Catalog) (*model, Gaps) {
	rs := &resolver{model: &model{m: m, catalog: catalog}}
	rs.resolveClient()
	rs.resolveTenant()
	if len(rs.gaps) > 0 {
		return rs.model, rs.gaps
	}
	rs.identified = true
	rs.resolveKey()
	rs.resolveClientColumns()
	rs.resolveEntries()
	rs.resolveGuards()
	rs.resolveActivity()
	rs.resolveMentions()
	rs.resolvePointers()
	rs.resolveIndexes()
	rs.resolveOrder()
	return rs.model, rs.gaps
}

// column finds a column.
func (rs *resolver) column(pos erasuremap.Pos, r *Relation, name string) *Column {
	col := r.Column(name)
	if col == nil {
		rs.gaps.add(pos, r, name, "correct the name", "no such column")
	}
	return col
}

// relation finds a table or a materialized view.
func (rs *resolver) relation(pos erasuremap.Pos, n erasuremap.Name) *Relation {
	r := rs.catalog.Relation(n)
	if r == nil {
		rs.gaps.add(pos, nil, "", "correct the name, or write schema.table",
			"no table %s in the database (search path %v)", n, rs.catalog.SearchPath)
	} else {
		rs.checkShadowed(pos, n, r)
	}
	return r
}

// table finds a relation whose rows can be changed.
func (rs *resolver) table(pos erasuremap.Pos, n erasuremap.Name) *Relation {
	r := rs.relation(pos, n)
	if r != nil && r.Kind == "f" {
		rs.gaps.add(pos, r, "", fmt.Sprintf(`under ignore: - {table: %s, because: "…"}, and a map where its rows are`, n),
			"a foreign table: its rows are outside of this database, where no transaction of oubli reaches them")
		return nil
	}
	if r != nil && r.Kind == "m" {
		rs.gaps.add(pos, r, "", "under refresh: - "+n.String(), "a materialized view has no rows of its own")
		return nil
	}
	return r
}

// rules finds the columns that rules name.
func (rs *resolver) rules(r *Relation, rules []erasuremap.ColumnRule) []columnRule {
	var all []columnRule
	for _, rule := range rules {
		if col := rs.column(rule.Pos, r, rule.Column); col != nil {
			all = append(all, columnRule{rule, col})
		}
	}
	return all
}

func (rs *resolver) resolveClient() {
	m := rs.m.Client
	if rs.client = rs.table(m.Pos, m.Table); rs.client != nil {
		rs.key = rs.column(m.Pos, rs.client, m.Key)
	}
}

func (rs *resolver) resolveTenant() {
	m := rs.m.Tenant
	if m == nil || rs.client == nil {
		return
	}
	rs.tenant = rs.column(rs.m.Client.Pos, rs.client, rs.m.Client.Tenant)
	if rs.tenantTable = rs.table(m.Pos, m.Table); rs.tenantTable == nil {
		return
	}
	rs.tenantKey = rs.column(m.Pos, rs.tenantTable, m.Key)
	for _, name := range []string{m.Country, m.Locale, m.TimeZone, m.FiscalYearEnd} {
		if name != "" {
			rs.column(m.Pos, rs.tenantTable, name)
		}
	}
}

// resolveKey finds out within what a client's key is unique.
func (rs *resolver) resolveKey() {
	alone := rs.client.uniqueBy(rs.key.Name)
	rs.keyPerTenant = !alone && rs.tenant != nil && rs.client.uniqueBy(rs.key.Name, rs.tenant.Name)
	rs.keyIsUnique = alone || rs.keyPerTenant
}

func (rs *resolver) resolveClientColumns() {
	m := rs.m.Client
	if m.CreatedAt != "" {
		rs.column(m.Pos, rs.client, m.CreatedAt)
	}
	for _, name := range append(slices.Clone(m.Name), m.Fill...) {
		rs.column(m.Pos, rs.client, name)
	}
	rs.profileRules = rs.rules(rs.client, m.Anonymous)
	rs.clientRules = rs.rules(rs.client, m.Columns)
}

func (rs *resolver) resolveGuards() {
	for _, g := range rs.m.Guards {
		resolved := guard{Guard: g}
		if !resolved.onClientRow() {
			resolved.link = rs.referenceIn(g.Pos, g.Table, g.Reference, g.References)
		}
		rs.guards = append(rs.guards, resolved)
	}
}

func (rs *resolver) resolveActivity() {
	for _, a := range rs.m.Activity {
		resolved := activity{Activity: a, link: rs.referenceIn(a.Pos, a.Table, a.Reference, a.References)}
		if resolved.rel != nil {
			resolved.at = rs.column(a.Pos, resolved.rel, a.At)
		}
		rs.activity = append(rs.activity, resolved)
	}
}

// referenceIn is a table's reference to the client, as far as its names exist.
func (rs *resolver) referenceIn(pos erasuremap.Pos, n erasuremap.Name, reference string, refs *erasuremap.References) link {
	r := rs.relation(pos, n)
	if r == nil {
		return link{}
	}
	col := rs.column(pos, r, reference)
	if col == nil {
		return link{rel: r}
	}
	return rs.linkOf(r, col, refs)
}

// resolveMentions looks up the relations that the map names and that no
// statement changes.
func (rs *resolver) resolveMentions() {
	for _, i := range rs.m.Ignore {
		if r := rs.relation(i.Pos, i.Table); r != nil {
			rs.ignored = append(rs.ignored, r)
		}
	}
	for _, a := range rs.m.Triggers {
		if a.Table != (erasuremap.Name{}) {
			rs.relation(a.Pos, a.Table)
		}
	}
	for _, f := range rs.m.Refresh {
		r := rs.relation(f.Pos, f.View)
		if r == nil {
			continue
		}
		rs.refreshed = append(rs.refreshed, r)
		if r.Kind != "m" {
			rs.gaps.add(f.Pos, r, "", "leave it out", "not a materialized view: nothing to refresh")
		}
	}
}
