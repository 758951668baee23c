package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// checkProfile refuses a client.anonymous with which PostgreSQL would refuse the
// first profile of a tenant, or the second.
func (c *checker) checkProfile() {
	if !slices.ContainsFunc(c.entries, func(e *entry) bool { return e.Erase == erasuremap.Reassign }) {
		return // no profile is needed
	}
	m := c.m.Client
	for _, col := range c.client.Columns {
		if col.NotNull && !col.Default && !col.Generated && col.Name != m.Tenant && !hasRule(c.profileRules, col.Name) {
			fix := fmt.Sprintf(`under client.anonymous: %s: {value: …}`, col.Name)
			switch {
			case col.Name == c.key.Name:
				fix = "give the column a default, or under client.anonymous: " + col.Name + `: {sql: "…"}`
			case col.text():
				fix = fmt.Sprintf(`under client.anonymous: %s: {value: ""}`, col.Name)
			}
			c.gaps.add(m.Pos, c.client, col.Name, fix, "an anonymous profile needs a value for it: NOT NULL without a default")
		}
	}
	for i := range c.client.Indexes {
		x := &c.client.Indexes[i]
		differs := func(key string) bool { return !x.has(key) || !c.sameInAllProfiles(key, x.NullsNotDistinct) }
		if x.Unique && x.Predicate == "" && !slices.ContainsFunc(x.Keys, differs) {
			last := x.Keys[len(x.Keys)-1]
			c.gaps.add(m.Pos, c.client, last, fmt.Sprintf(`under client.anonymous: %s: {sql: "… :slot …"}`, last),
				"a tenant's second anonymous profile would be refused: index %s is unique over %s", x.Name, strings.Join(x.Keys, ", "))
		}
		unlikeAnotherTenants := func(key string) bool { return !x.has(key) || !c.sameInAllTenants(key, x.NullsNotDistinct) }
		if x.Unique && x.Predicate == "" && c.tenant != nil && !slices.ContainsFunc(x.Keys, unlikeAnotherTenants) {
			last := x.Keys[len(x.Keys)-1]
			c.gaps.add(m.Pos, c.client, last, fmt.Sprintf(`under client.anonymous: %s: {sql: "… :tenant … :slot …"}`, last),
				"the second tenant's anonymous profile would be refused: index %s is unique over %s in all tenants", x.Name, strings.Join(x.Keys, ", "))
		}
	}
}

// sameInAllTenants reports whether a column is the same in the profiles of one
// slot in all tenants. An expression that calls a function counts
// as different.
func (c *checker) sameInAllTenants(column string, nullsMeet bool) bool {
	if column == c.tenant.Name {
		return false
	}
	for _, rule := range c.profileRules {
		if rule.Column == column && rule.Kind == erasuremap.SQL {
			return strings.Contains(rule.Text, ":slot") && !strings.Contains(rule.Text, ":tenant") && !strings.Contains(rule.Text, "(")
		}
	}
	return c.sameInAllProfiles(column, nullsMeet)
}

// sameInAllProfiles reports whether a column is the same in all profiles of a tenant.
func (c *checker) sameInAllProfiles(column string, nullsMeet bool) bool {
	if c.tenant != nil && column == c.tenant.Name {
		return true
	}
	for _, rule := range c.profileRules {
		if rule.Column == column {
			return rule.Kind == erasuremap.Value || rule.Kind == erasuremap.Label || rule.Kind == erasuremap.Null && nullsMeet
		}
	}
	return false
}
