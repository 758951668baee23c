package plan

import (
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// checkClientColumns refuses columns of the client that cannot do what the map
// asks of them.
func (c *checker) checkClientColumns() {
	if col := c.client.Column(c.m.Client.CreatedAt); col != nil {
		c.checkMoment(c.m.Client.Pos, c.client, col)
	}
	c.checkRules(c.client, slices.Concat(c.profileRules, c.clientRules))
}

// checkEntryColumns refuses columns of mapped tables that cannot do what the
// map asks of them.
func (c *checker) checkEntryColumns() {
	for _, e := range c.entries {
		c.checkRules(e.rel, e.allRules())
		if e.since != nil {
			c.checkMoment(e.Retain.Pos, e.dated(), e.since)
		}
		switch {
		case e.owned():
			c.checkOwnedType(e)
		case !e.through():
			c.checkLink(e.Pos, e.link)
			c.checkMeaning(e)
			c.checkByValue(e)
		}
	}
	for _, e := range c.entries {
		if e.through() {
			c.checkThroughTypes(e)
			c.checkParentColumn(e)
		}
	}
}

// checkGuardsAndActivity refuses columns of guards and activity that cannot do what the
// map asks of them.
func (c *checker) checkGuardsAndActivity() {
	for _, g := range c.guards {
		c.checkLink(g.Pos, g.link)
	}
	for _, a := range c.activity {
		c.checkLink(a.Pos, a.link)
		if a.at != nil {
			c.checkMoment(a.Pos, a.rel, a.at)
		}
	}
}

// checkMoment refuses columns that hold neither days nor points in time.
func (c *checker) checkMoment(pos erasuremap.Pos, r *Relation, col *Column) {
	if !col.moment() {
		c.gaps.add(pos, r, col.Name, "name a column of type date or timestamp", "its type %s is neither a date nor a timestamp", col.Type)
	}
}

func (c *checker) checkOwnedType(e *entry) {
	if len(e.pairs) == 0 {
		return
	}
	col, target := c.client.Column(e.OwnedBy), e.rel.Column(e.pairs[0].target)
	if !canHold(col, target) || !canHold(target, col) {
		c.gaps.add(e.Pos, e.rel, target.Name, "name the column that points to it",
			"its type %s is not that of %s, which is %s", target.Type, e.OwnedBy, col.Type)
	}
}

func (c *checker) checkThroughTypes(e *entry) {
	for _, p := range e.pairs {
		if from, to := e.rel.Column(p.column), e.parents[0].rel.Column(p.target); !canHold(from, to) {
			c.gaps.add(e.Pos, e.rel, from.Name, "name the column that refers to "+e.Through.String(),
				"its type %s cannot hold a key of type %s", from.Type, to.Type)
		}
	}
}
