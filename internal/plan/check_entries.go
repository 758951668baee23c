package plan

import (
	"fmt"
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// checkTwice refuses two entries for the same rows, and a table that is both
// mapped and ignored. The map's reader already refuses equal names; here
// `invoices` and `public.invoices` are the same table.
func (c *checker) checkTwice() {
	for i, e := range c.entries {
		for _, before := range c.entries[:i] {
			same := before.rel == e.rel && before.Reference == e.Reference && before.OwnedBy == e.OwnedBy &&
				c.catalog.Relation(before.Through) == c.catalog.Relation(e.Through)
			if same && (before.Where == "" || e.Where == "" || before.Where == e.Where) {
				c.gaps.add(e.Pos, e.rel, e.Reference, "merge the two entries, or give each a where that no row of the other meets",
					"already mapped by the same path on line %d", before.Pos.Line)
				break
			}
		}
	}
	for _, i := range c.m.Ignore {
		if r := c.catalog.Relation(i.Table); r != nil && slices.Contains(c.relations(), r) {
			c.gaps.add(i.Pos, r, "", "choose one", "ignored here and mapped on line %d", c.firstMention(r).Line)
		}
	}
}

// checkActions refuses actions that cannot be applied to their table.
func (c *checker) checkActions() {
	anonymize := c.m.Client.Erase == erasuremap.Anonymize
	if anonymize && !slices.ContainsFunc(c.clientRules, columnRule.writes) {
		c.gaps.add(c.m.Client.Pos, c.client, "", "under client.columns: say which become null",
			"every column of the client is kept, so nothing would be erased")
	}
	for _, e := range c.entries {
		switch {
		case e.owned():
			if e.rel == c.client || e.rel == c.tenantTable {
				c.gaps.add(e.Pos, e.rel, "", "leave it out", "this would delete other clients or the tenant")
			}
			if anonymize && !nulled(c.clientRules, e.OwnedBy) {
				c.gaps.add(e.Pos, c.client, e.OwnedBy, fmt.Sprintf("under client.columns: %s: null", e.OwnedBy),
					"the client's kept row would still point to %s", c.name(e.rel))
			}
		case e.reference == nil:
		case e.Erase == erasuremap.Delete && (e.rel == c.client || e.rel == c.tenantTable):
			c.gaps.add(e.Pos, e.rel, e.Reference, "erase: unlink", "this would delete other clients or the tenant")
		case e.Erase == erasuremap.Unlink && e.reference.NotNull:
			c.gaps.add(e.Pos, e.rel, e.Reference, "use erase: reassign or erase: delete", "cannot be unlinked: the column is NOT NULL")
		case e.moves() && e.reference.Generated:
			c.gaps.add(e.Pos, e.rel, e.Reference, "use erase: delete", "cannot be written: PostgreSQL computes the column")
		case e.Erase == erasuremap.Keep && !e.through() && !e.byValue() && !anonymize && !nulled(e.rules, e.Reference):
			c.gaps.add(e.Pos, e.rel, e.Reference, "use erase: reassign, erase: unlink or erase: delete",
				"kept rows would still point to the erased client")
		}
		if e.Retain != nil && !e.onProfile() {
			c.gaps.add(e.Retain.Pos, e.rel, "", "use erase: reassign, or give the columns a rule under columns",
				"what is retained could not be cleared later: the rows would refer to no anonymous profile by which to find them")
		}
	}
}
