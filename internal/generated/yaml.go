package generated

import (
	"fmt"
	"slices"
	"strings"
)

// yaml is the map that should cover the database.
func (c *Case) yaml() string {
	b, s := &script{}, c.Spec
	b.add("version: 1")
	tenant := ""
	if s.Tenants {
		b.add("tenant: {table: tenants, key: id, country: country, locale: locale}")
		tenant = ", tenant: tenant_id"
	}
	erase := "erase: delete"
	if s.Anonymize {
		rules := "name: {label: unknown_client}, email: null, profile: null"
		if s.has(ReferredBy) {
			rules += ", referred_by: null"
		}
		erase = fmt.Sprintf("erase: anonymize, columns: {%s}", rules)
	}
	b.add("client: {table: clients, key: id%s, name: [name], %s, anonymous: {name: {label: unknown_client}}}", tenant, erase)
	if s.Hold {
		b.add("guards:\n  hold: {where: hold}")
	}
	var entries []string
	if s.has(ReferredBy) {
		entries = append(entries, "{table: clients, reference: referred_by, erase: unlink}")
	}
	retained := false
	for _, t := range slices.SortedStableFunc(slices.Values(s.Tables), func(a, b *Table) int { return first(a) - first(b) }) {
		shape := t
		if t.Listed {
			shape = s.table(t.Inherits)
		}
		for _, w := range shape.Ways {
			entries = append(entries, t.entry(w, shape))
			retained = retained || t.Retain != ""
		}
	}
	if len(entries) > 0 {
		b.add("tables:\n  - %s", strings.Join(entries, "\n  - "))
	}
	b.add("ignore:\n  - {table: services, because: \"what is sold\"}")
	triggers := false
	for _, h := range s.Hooks {
		switch h.Kind {
		case InsteadRule, AlsoRule, HidingPolicy:
			continue
		}
		if !triggers {
			b.add("triggers:")
			triggers = true
		}
		b.add("  - {name: %s, because: \"its effect is known\"}", h.Name)
	}
	var views []string
	for _, v := range s.Views {
		if v.Listed {
			views = append(views, v.Name)
		}
	}
	if len(views) > 0 {
		b.add("refresh: [%s]", strings.Join(views, ", "))
	}
	if retained {
		b.add("retention:\n  invoice: {clock: end_of_year, otherwise: 10}")
	}
	return b.String()
}

func first(t *Table) int {
	if t.First {
		return 0
	}
	return 1
}

// entry is the entry of a way; shape is the table that has the ways.
func (t *Table) entry(w Way, shape *Table) string {
	if w.OwnedBy {
		return fmt.Sprintf("{table: %s, owned_by: %s, erase: delete}", t.Name, w.Column)
	}
	parts := []string{"table: " + t.Name}
	if w.Through != "" {
		parts = append(parts, "through: "+w.Through)
	}
	parts = append(parts, "reference: "+w.Column)
	switch {
	case w.Fold:
		parts = append(parts, fmt.Sprintf("references: {column: %s, ignore_case: true}", w.By))
	case w.By != "":
		parts = append(parts, fmt.Sprintf("references: {column: %s}", w.By))
	}
	if w.Where.SQL != "" {
		parts = append(parts, fmt.Sprintf("where: %q", w.Where.SQL))
	}
	parts = append(parts, "erase: "+string(w.Erase))
	rules := shape.rules(w)
	if t != shape {
		rules = append(rules, t.rules(w)...)
	}
	if len(rules) > 0 {
		parts = append(parts, "columns: {"+strings.Join(rules, ", ")+"}")
	}
	if t.Retain != "" && w.Erase == Reassign {
		parts = append(parts, fmt.Sprintf("retain: {rule: invoice, since: issued_on, columns: {%s: null}}", t.Retain))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// rules are what a way does to the columns of rows that stay.
func (t *Table) rules(w Way) []string {
	if w.Erase == Delete || w.Through == t.Name {
		return nil
	}
	var rules []string
	for _, col := range t.Columns {
		rules = append(rules, col.Name+": "+col.Rule)
	}
	if t.Unique != NoUnique {
		rules = append(rules, "code: keep")
	}
	if t.Coded {
		rules = append(rules, "ref: keep")
	}
	if w.Where.Column != "" {
		rules = append(rules, w.Where.Column+": keep")
	}
	if t.Partition == ListPartition {
		rules = append(rules, "region: keep")
	}
	return rules
}
