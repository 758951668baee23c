package plan

import (
	"fmt"

	"github.com/oubli/oubli/internal/erasuremap"
)

// Compile holds the map against the catalog and compiles both. Its error, if
// any, is Gaps: everything that is missing or wrong, not only the first. With
// gaps the plan has no statements that erase; if at least the client's table
// was found, it still knows keys and tenants.
func Compile(m *erasuremap.Map, cat *Catalog) (*Plan, error) {
	c := &compiler{m: m, cat: cat}
	if !c.resolveClient() {
		return nil, c.gaps // without keys and tenants nothing else can be judged
	}
	basics := Plan{Map: m, Fingerprint: cat.Fingerprint, KeyKind: keyKind(c.key), FindClients: c.knownStatement(), Tenant: c.tenantStatement(), compiled: c}
	c.resolveTables()
	c.resolveLinks()
	c.resolveNames()
	for _, check := range []func(){
		c.checkTwice, c.checkActions, c.checkUniqueness, c.checkReferences, c.checkProfile, c.checkSlots,
		c.coverForeignKeys, c.coverColumns, c.coverHooks, c.coverRowSecurity, c.coverDetaching, c.coverCopies, c.coverOutside,
	} {
		check()
	}
	order := c.ordered()
	if len(c.gaps) > 0 {
		return &basics, c.gaps
	}
	full := basics
	full.OwnedColumns = c.ownedColumns()
	full.Law = c.lawStatement()
	full.RetentionRules = c.retainedRules()
	full.Preview = c.previewStatement()
	full.LockClients = c.lockStatement()
	full.LockTables = c.pinStatement()
	full.Guards = c.judgeStatement()
	full.LiveProfiles = c.liveProfilesStatement()
	full.NewProfile = c.newProfileStatement()
	full.CountProfiles = c.crowdStatements()
	full.Erase = c.eraseStatements(order)
	full.EraseRelatedRows = c.rowStatements(order)
	full.EraseLateRows = c.lateStatements(order)
	full.KeysInUse = c.backStatement()
	full.UsesSharedProfile = UsesSharedProfile(full.Erase)
	full.Merge = c.mergePlan(order)
	full.Sweeps = c.sweeps()
	full.Refresh = c.refreshStatements()
	full.AffectedTables = c.touched()
	return &full, nil
}

type compiler struct {
	m      *erasuremap.Map
	cat    *Catalog
	gaps   Gaps
	client *Relation
	key    *Column
	tenant *Column // of the client's row; nil without tenants
	studio *Relation
	// scoped says that keys are unique within their tenant only, so that no
	// reference means anything without the tenant's column beside it.
	scoped bool
	entry  []*entry
	reads  []further
}

func (c *compiler) gap(pos erasuremap.Pos, r *Relation, column, fix, why string, a ...any) {
	g := Gap{Pos: pos, Place: pos.String(), Column: column, Why: fmt.Sprintf(why, a...), Fix: fix}
	if r != nil {
		g.Table = r.Schema + "." + r.Name
	}
	c.gaps = append(c.gaps, g)
}

// column finds a column or records that the map names one that is not there.
func (c *compiler) column(pos erasuremap.Pos, r *Relation, name string) *Column {
	col := r.Column(name)
	if col == nil {
		c.gap(pos, r, name, "correct the name", "no such column")
	}
	return col
}

// moment finds a column that must hold days or points in time.
func (c *compiler) moment(pos erasuremap.Pos, r *Relation, name string) {
	if col := c.column(pos, r, name); col != nil && !col.moment() {
		c.gap(pos, r, name, "name a column of type date or timestamp", "its type %s does not say when", col.Type)
	}
}

func (c *compiler) relation(pos erasuremap.Pos, n erasuremap.Name) *Relation {
	r := c.cat.Relation(n)
	if r == nil {
		c.gap(pos, nil, "", "correct the name, or write schema.table", "no table %s in the database (search path %v)", n, c.cat.SearchPath)
	}
	return r
}

// table finds a relation whose rows can be changed.
func (c *compiler) table(pos erasuremap.Pos, n erasuremap.Name) *Relation {
	r := c.relation(pos, n)
	if r != nil && r.Kind == "m" {
		c.gap(pos, r, "", "under refresh: - "+n.String(), "a materialized view has no rows of its own")
		return nil
	}
	return r
}

// name is how the map would write the relation.
func (c *compiler) name(r *Relation) string { return c.cat.name(r) }

// at is where the map speaks of the relation first, for gaps that are about
// all of it.
func (c *compiler) at(r *Relation) erasuremap.Pos {
	for _, e := range c.entry {
		if e.rel == r && r != c.client {
			return e.Pos
		}
	}
	return c.m.Client.Pos
}
