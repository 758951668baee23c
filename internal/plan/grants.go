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

// Grants are the least privileges under which the API and the workers can do
// their work on the application's tables. The API reads what a selection and a
// request need and changes nothing.
func (p *Plan) Grants() (api, worker []Grant) {
	c := p.compiled
	return c.apiGrants(), c.workerGrants()
}

// ledger collects grants by relation.
type ledger map[*Relation]*Grant

func (l ledger) of(r *Relation, because string) *Grant {
	g := l[r]
	if g == nil {
		g = &Grant{Table: r.ident(), Schema: ident(r.Schema), Select: true, Because: because}
		l[r] = g
	}
	return g
}

func (l ledger) sorted() []Grant {
	all := make([]Grant, 0, len(l))
	for _, g := range slices.SortedFunc(maps.Values(l), func(a, b *Grant) int { return cmp.Compare(a.Table, b.Table) }) {
		for _, columns := range []*[]string{&g.Insert, &g.Update} {
			slices.Sort(*columns)
			*columns = slices.Compact(*columns)
		}
		all = append(all, *g)
	}
	return all
}

// decides adds what deciding about a client reads: the client, the tenant, and
// the tables of guards and activity.
func (c *compiler) decides(l ledger) {
	l.of(c.client, "the clients")
	if c.studio != nil {
		l.of(c.studio, "the tenant's country and language")
	}
	for _, g := range c.m.Guards {
		if g.Table != (erasuremap.Name{}) {
			l.of(c.cat.Relation(g.Table), "guard "+g.Name)
		}
	}
	for _, a := range c.m.Activity {
		l.of(c.cat.Relation(a.Table), "activity "+a.Name)
	}
}

// further is a table that an expression of the map reads besides its own: one
// with a subquery.
type further struct {
	rel   *Relation
	probe Probe
}

// Reads notes that a probe's expression reads these tables. What an expression
// means only PostgreSQL can tell; without the note a right would be missing
// that no grant gives.
func (p *Plan) NoteReads(probe Probe, tables ...erasuremap.Name) {
	for _, n := range tables {
		if r := p.compiled.cat.Relation(n); r != nil && r != probe.rel {
			p.compiled.reads = append(p.compiled.reads, further{r, probe})
		}
	}
}

func (c *compiler) apiGrants() []Grant {
	l := ledger{}
	c.decides(l)
	for _, f := range c.reads {
		if f.probe.guards {
			l.of(f.rel, "read by an expression at "+f.probe.pos.String())
		}
	}
	return l.sorted()
}

func (c *compiler) workerGrants() []Grant {
	l := ledger{}
	c.decides(l)
	for _, f := range c.reads {
		l.of(f.rel, "read by an expression at "+f.probe.pos.String())
	}
	client := l.of(c.client, "the clients")
	// FOR UPDATE wants the right to update at least one column.
	client.Update = append(client.Update, c.key.Name)
	client.Delete = c.m.Client.Erase == erasuremap.DeleteClient
	if !client.Delete {
		client.Update = append(client.Update, written(c.m.Client.Columns)...)
	}
	for _, rule := range c.m.Client.Anonymous {
		client.Insert = append(client.Insert, rule.Column)
	}
	if c.tenant != nil {
		client.Insert = append(client.Insert, c.tenant.Name)
	}
	for _, e := range c.entry {
		g := l.of(e.rel, "rows of clients")
		switch {
		case e.owned():
			g.Delete = true
			g.Update = append(g.Update, e.pairs[0].target) // for FOR UPDATE
			for i := range c.cat.Relations {
				r := &c.cat.Relations[i]
				if slices.ContainsFunc(r.ForeignKeys, func(fk ForeignKey) bool { return fk.to(e.rel) }) {
					l.of(r, "may point to "+c.name(e.rel))
				}
			}
		case e.Erase == erasuremap.Delete:
			g.Delete = true
		default:
			g.Update = append(g.Update, written(e.rules())...)
			if e.moves() {
				g.Update = append(g.Update, e.Reference)
			}
		}
	}
	if len(c.mergeRefused()) == 0 {
		c.mergeGrants(l)
	}
	return l.sorted()
}

// mergeGrants adds what moving rows to another client takes.
func (c *compiler) mergeGrants(l ledger) {
	client := l.of(c.client, "the clients")
	client.Update = append(client.Update, c.m.Client.Fill...)
	for _, e := range c.entry {
		g := l.of(e.rel, "rows of clients")
		switch {
		case e.owned():
		case e.Merge == erasuremap.Delete:
			g.Delete = true
		case e.Merge == erasuremap.Move:
			g.Update = append(g.Update, e.Reference)
			if len(c.drop(e)) == 0 {
				continue
			}
			g.Delete = true
			for _, x := range c.referrers(e) {
				r := l.of(x.from, "rows of clients")
				for _, p := range x.pairs {
					r.Update = append(r.Update, p.column)
				}
			}
		}
	}
}

// written are the columns that rules change.
func written(rules []erasuremap.ColumnRule) []string {
	var columns []string
	for _, rule := range rules {
		if rule.Kind != erasuremap.KeepValue {
			columns = append(columns, rule.Column)
		}
	}
	return columns
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
