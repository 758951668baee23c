package erasuremap

import (
	"slices"
	"strings"
)

// rules reads the rules of columns.
func (r *reader) rules(v value) []ColumnRule {
	entries, _ := r.mapping(v, "rules by column, as in {note: null}")
	var list []ColumnRule
	for _, e := range entries {
		named := r.columnName(e.key, e.at)
		rule, ok := r.rule(e.value, e.key)
		if named && ok {
			list = append(list, ColumnRule{Pos: e.at, Column: e.key, Rule: rule})
		}
	}
	return list
}

func (r *reader) rule(v value, column string) (Rule, bool) {
	if r.todo(v) {
		return Rule{}, false
	}
	switch v.is() {
	case "nothing":
		r.problemf(v.pos, "%q has no rule: write keep, null or a rule", column)
		return Rule{}, false
	case "null":
		return Rule{Kind: Null}, true
	case "a mapping":
		return r.operandRule(v)
	case "a list":
		r.problemf(v.pos, "want a rule, got a list: write one of keep, null or {value: …}")
		return Rule{}, false
	}
	text, _ := verbatim(v.node)
	if text == string(KeepValue) {
		return Rule{Kind: KeepValue}, true
	}
	r.problemf(v.pos, "unknown rule %q: write keep, null or, for a fixed value, {value: %s}", text, inYAML(text))
	return Rule{}, false
}

// inYAML returns text as it would be written after a key.
func inYAML(text string) string {
	if text != "" && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == "" && text != "null" {
		return text
	}
	return `"…"`
}

func (r *reader) operandRule(v value) (Rule, bool) {
	entries, ok := r.mapping(v, "a rule")
	if !ok {
		return Rule{}, false
	}
	kinds := []string{string(Value), string(Label), string(Truncate), string(JSONRemove), string(SQL)}
	if len(entries) != 1 {
		r.problemf(v.pos, "want one rule, got %d: write one of %s", len(entries), alternatives(kinds))
		return Rule{}, false
	}
	before := len(r.problems)
	e, rule := entries[0], Rule{Kind: RuleKind(entries[0].key)}
	switch rule.Kind {
	case Value:
		rule = r.fixedValue(e.value)
	case Label:
		rule.Text = r.label(e.value)
	case Truncate:
		rule.Text = string(choice[truncation](r, e.value, "year", "month"))
	case JSONRemove:
		rule.Paths = r.paths(e.value)
	case SQL:
		rule.Text = r.expression(e.value)
	default:
		r.problemf(e.at, "unknown rule %q: %s", e.key, suggest(e.key, kinds))
	}
	return rule, len(r.problems) == before
}

type truncation string

func (r *reader) fixedValue(v value) Rule {
	if r.todo(v) {
		return Rule{}
	}
	if v.is() == "null" {
		return Rule{Kind: Null}
	}
	text, ok := verbatim(v.node)
	if !ok {
		r.problemf(v.pos, `want one value, got %s: write it in quotes, "" for empty text`, v.is())
		return Rule{}
	}
	r.clean(text, v.pos)
	return Rule{Kind: Value, Text: text}
}

func (r *reader) label(v value) string {
	text := r.text(v, "a label's name")
	if text == "" {
		return ""
	}
	known := labelNames(r.ownLabels)
	if !slices.Contains(known, text) {
		r.problemf(v.pos, "no label %q built in or under labels: %s", text, suggest(text, known))
	}
	return text
}

func (r *reader) paths(v value) []string {
	var paths []string
	before := len(r.problems)
	for _, item := range r.listOrOne(v, "a list of paths") {
		path := r.text(item, "a path such as contact.email")
		if path == "" {
			continue
		}
		if slices.Contains(strings.Split(path, "."), "") {
			r.problemf(item.pos, "%q has an empty step: write a path such as contact.email", path)
		}
		if slices.Contains(paths, path) {
			r.problemf(item.pos, "%q is named twice", path)
		}
		paths = append(paths, path)
	}
	if len(paths) == 0 && len(r.problems) == before {
		r.problemf(v.pos, "json_remove needs a path")
	}
	return paths
}

// condition reads a where.
func (r *reader) condition(v value) string {
	return r.sql(v, "an SQL condition", nil)
}

// expression reads the operand of {sql: …}.
func (r *reader) expression(v value) string {
	return r.sql(v, "an SQL expression", []string{SlotPlaceholder, TenantPlaceholder})
}

func (r *reader) sql(v value, want string, placeholders []string) string {
	text := strings.TrimSpace(r.text(v, want))
	if text == "" {
		return ""
	}
	if err := checkExpression(text); err != nil {
		r.problemf(v.pos, "%v", err)
		return text
	}
	for _, p := range Placeholders(text) {
		switch {
		case len(placeholders) == 0:
			r.problemf(v.pos, ":%s: placeholders belong in {sql: …} rules only", p.Name)
		case !slices.Contains(placeholders, p.Name):
			r.problemf(v.pos, "unknown placeholder :%s: write :tenant or :slot", p.Name)
		case p.Name == TenantPlaceholder && !r.hasTenant:
			r.problemf(v.pos, ":tenant: this map has no tenant")
		}
	}
	return text
}
