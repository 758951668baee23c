package plan

import (
	"fmt"

	"github.com/oubli/oubli/internal/erasuremap"
)

// checkRules records a gap for each rule that its column cannot take.
func (c *checker) checkRules(r *Relation, rules []columnRule) {
	for _, rule := range rules {
		c.checkRule(r, rule)
	}
}

func (c *checker) checkRule(r *Relation, rule columnRule) {
	col := rule.column
	switch {
	case !rule.writes():
	case col.Generated && col.Default:
		c.gaps.add(rule.Pos, r, col.Name, col.Name+": keep", "cannot be written: PostgreSQL always generates its value")
	case col.Generated:
		c.gaps.add(rule.Pos, r, col.Name, col.Name+": keep",
			"a generated column cannot be written: give a rule to the columns that it is computed from")
	case rule.Kind == erasuremap.Null && col.NotNull:
		value := "…"
		if col.text() {
			value = `""`
		}
		fix := fmt.Sprintf(`%s: {value: %s}, or drop the NOT NULL`, col.Name, value)
		c.gaps.add(rule.Pos, r, col.Name, fix, "cannot become NULL: the column is NOT NULL")
	case rule.Kind == erasuremap.JSONRemove && !col.json():
		c.gaps.add(rule.Pos, r, col.Name, col.Name+": null", "json_remove needs a json column, this one is %s", col.Type)
	case rule.Kind == erasuremap.Truncate && !col.moment():
		c.gaps.add(rule.Pos, r, col.Name, col.Name+": null", "truncate needs a date or timestamp, this one is %s", col.Type)
	case rule.Kind == erasuremap.Label && !(col.Category == "S" && !col.Array):
		c.gaps.add(rule.Pos, r, col.Name, col.Name+": null", "a label needs a text column, this one is %s", col.Type)
	}
}

// checkSlots records a gap for every :slot outside of client.anonymous: when a
// row is reassigned, the number of its profile is not known.
func (c *checker) checkSlots() {
	check := func(r *Relation, rules []columnRule) {
		for _, rule := range rules {
			if rule.Kind != erasuremap.SQL {
				continue
			}
			for _, p := range erasuremap.Placeholders(rule.Text) {
				if p.Name == erasuremap.SlotPlaceholder {
					c.gaps.add(rule.Pos, r, rule.Column, "write an expression without :slot",
						":slot is the number of an anonymous profile and has a value under client.anonymous only")
					break
				}
			}
		}
	}
	check(c.client, c.clientRules)
	for _, e := range c.entries {
		check(e.rel, e.allRules())
	}
}
