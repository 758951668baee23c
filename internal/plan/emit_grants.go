package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// Grant is what one database role must be allowed to do to one table.
type Grant struct {
	Table   string   // quoted, with its schema
	Schema  string   // quoted
	Select  bool     // every column: the map's conditions may name any
	Insert  []string // columns
	Update  []string // columns
	Delete  bool
	Because string
}

// Grants are the least privileges that the API and the workers need on the
// application's tables. The API reads what selections and requests need and
// changes nothing.
func (p *Plan) Grants() (api, worker []Grant) {
	em := emitter{model: p.model}
	return em.apiGrants(p.reads), em.workerGrants(p.reads, p.Merge.LockTarget.SQL != "")
}

// privileges collects grants by relation.
type privileges map[*Relation]*Grant

// on is the grant on a relation.
func (ps privileges) on(r *Relation, because string) *Grant {
	g := ps[r]
	if g == nil {
		g = &Grant{Table: r.ident(), Schema: ident(r.Schema), Select: true, Because: because}
		ps[r] = g
	}
	return g
}

func (ps privileges) sorted() []Grant {
	all := make([]Grant, 0, len(ps))
	for _, g := range slices.SortedFunc(maps.Values(ps), func(a, b *Grant) int { return cmp.Compare(a.Table, b.Table) }) {
		for _, columns := range []*[]string{&g.Insert, &g.Update} {
			slices.Sort(*columns)
			*columns = slices.Compact(*columns)
		}
		all = append(all, *g)
	}
	return all
}

// addReads adds what is read to decide about a client: the client, the tenant, and
// the tables of guards and activity.
func (em emitter) addReads(ps privileges) {
	ps.on(em.client, "the clients")
	if em.tenantTable != nil {
		ps.on(em.tenantTable, "the tenant's country and language")
	}
	for _, g := range em.guards {
		if !g.onClientRow() {
			ps.on(g.rel, "guard "+g.Name)
		}
	}
	for _, a := range em.activity {
		ps.on(a.rel, "activity "+a.Name)
	}
}

// expressionRead is a table that an expression of the map reads in a subquery.
type expressionRead struct {
	rel   *Relation
	probe Probe
}

// NoteReads records that a probe's expression reads these tables, for the grants.
// Only PostgreSQL can tell which tables an expression reads.
func (p *Plan) NoteReads(probe Probe, tables ...erasuremap.Name) {
	for _, n := range tables {
		if r := p.model.catalog.Relation(n); r != nil && r != probe.rel {
			p.reads = append(p.reads, expressionRead{r, probe})
		}
	}
}

func (em emitter) apiGrants(reads []expressionRead) []Grant {
	ps := privileges{}
	em.addReads(ps)
	for _, f := range reads {
		if f.probe.guards {
			ps.on(f.rel, "read by an expression at "+f.probe.pos.String())
		}
	}
	for _, e := range em.entries {
		ps.on(e.rel, "rows of clients, counted for GET /v1/clients/{id}")
	}
	return ps.sorted()
}

func (em emitter) workerGrants(reads []expressionRead, merges bool) []Grant {
	ps := privileges{}
	em.addReads(ps)
	for _, f := range reads {
		ps.on(f.rel, "read by an expression at "+f.probe.pos.String())
	}
	client := ps.on(em.client, "the clients")
	// FOR UPDATE needs the right to update at least one column.
	client.Update = append(client.Update, em.key.Name)
	client.Delete = em.m.Client.Erase == erasuremap.DeleteClient
	for _, w := range em.writes() {
		g := ps.on(w.rel, "rows of clients")
		g.Update = append(g.Update, w.column.Name)
	}
	for _, rule := range em.profileRules {
		client.Insert = append(client.Insert, rule.Column)
	}
	if em.tenant != nil {
		client.Insert = append(client.Insert, em.tenant.Name)
	}
	for _, e := range em.entries {
		g := ps.on(e.rel, "rows of clients")
		switch {
		case e.owned():
			g.Delete = true
			g.Update = append(g.Update, e.pairs[0].target) // for FOR UPDATE
			for _, p := range e.pointers {
				ps.on(p.from, "may point to "+em.name(e.rel))
			}
		case e.Erase == erasuremap.Delete:
			g.Delete = true
		}
	}
	for _, e := range em.lockedParents(everyEntry) {
		g := ps.on(e.rel, "rows of clients")
		g.Update = append(g.Update, e.Reference) // for FOR UPDATE
	}
	if merges {
		em.addMerges(ps)
	}
	return ps.sorted()
}

// addMerges adds what moving rows to another client needs.
func (em emitter) addMerges(ps privileges) {
	client := ps.on(em.client, "the clients")
	client.Update = append(client.Update, em.m.Client.Fill...)
	for _, e := range em.entries {
		g := ps.on(e.rel, "rows of clients")
		switch {
		case e.owned():
		case e.Merge == erasuremap.Delete:
			g.Delete = true
		case e.Merge == erasuremap.Move:
			g.Update = append(g.Update, e.Reference)
			if !em.mayCollide(e) {
				continue
			}
			g.Delete = true
			for _, x := range e.pointers {
				r := ps.on(x.from, "rows of clients")
				for _, p := range x.pairs {
					r.Update = append(r.Update, p.column)
				}
			}
		}
	}
}

// SQL is the GRANT statement for a role, whose name is quoted here.
func (g Grant) SQL(role string) string {
	var rights []string
	columns := func(names []string) string {
		quoted := make([]string, len(names))
		for i, n := range names {
			quoted[i] = ident(n)
		}
		return "(" + strings.Join(quoted, ", ") + ")"
	}
	if g.Select {
		rights = append(rights, "SELECT")
	}
	if len(g.Insert) > 0 {
		rights = append(rights, "INSERT "+columns(g.Insert))
	}
	if len(g.Update) > 0 {
		rights = append(rights, "UPDATE "+columns(g.Update))
	}
	if g.Delete {
		rights = append(rights, "DELETE")
	}
	return fmt.Sprintf("GRANT %s ON %s TO %s;", strings.Join(rights, ", "), g.Table, ident(role))
}
