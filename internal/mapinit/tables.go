package mapinit

import (
	"cmp"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/dictionary"
	"github.com/oubli/oubli/internal/plan"
)

// group is a part of the map's tables under one heading.
type group struct {
	about string
	has   func(*rows) bool
}

func (p *proposal) groups() []group {
	direct := func(e *rows) bool { return e.through == nil && e.ownedBy == "" && e.erase != unlink }
	return []group{
		{"Rows that reports or the law need. They stay and move to the anonymous profile (reassign); their personal columns are cleared.",
			func(e *rows) bool { return direct(e) && !e.soft && e.erase == reassign }},
		{"Rows for which you must decide whether they stay.",
			func(e *rows) bool { return direct(e) && !e.soft && e.erase == todo }},
		{"Rows that are only about the person. They are deleted.",
			func(e *rows) bool { return direct(e) && !e.soft && e.erase == erase }},
		{"Rows that name a client but belong to somebody else. They stay; the reference becomes NULL.",
			func(e *rows) bool { return e.erase == unlink && e.through == nil }},
		{"Rows without a foreign key to a client. Names, types and sampled values suggest the link.",
			func(e *rows) bool { return direct(e) && e.soft }},
		{"The client's row points to these. They are deleted too, unless another row still points to them.",
			func(e *rows) bool { return e.ownedBy != "" }},
	}
}

func (p *proposal) writeTables(s *yamlWriter) {
	s.say(0, "All rows that belong to a client. `erase` is one of")
	for _, text := range []string{
		"delete    the row is deleted",
		"reassign  the row stays and moves to the anonymous profile",
		"unlink    the row stays and its reference becomes NULL",
		"keep      the row stays; only its columns may change",
	} {
		s.quote(0, text)
	}
	s.say(0, "When a row stays, each of its columns needs a rule; `keep` means that somebody has checked it.")
	if len(p.rows) == 0 {
		s.say(0, "Nothing was found that refers to %s.", p.name(p.client))
		p.sayUnclear(s, 0)
		return
	}
	s.putf(0, "tables:")
	written := map[*rows]bool{}
	first := true
	for _, g := range p.groups() {
		var list []*rows
		for _, e := range p.rows {
			if g.has(e) && !written[e] {
				list = append(list, e)
			}
		}
		if len(list) == 0 {
			continue
		}
		slices.SortStableFunc(list, func(a, b *rows) int { return cmp.Compare(p.name(a.rel), p.name(b.rel)) })
		if !first {
			s.blank()
		}
		first = false
		s.say(1, "%s", g.about)
		for _, e := range list {
			p.writeTree(s, e, written)
		}
	}
	p.sayUnclear(s, 1)
}

// writeTree writes an entry and then the entries whose rows belong to its rows.
func (p *proposal) writeTree(s *yamlWriter, e *rows, written map[*rows]bool) {
	written[e] = true
	p.writeRows(s, e)
	if e.ownedBy != "" || e.erase == unlink {
		return
	}
	for _, of := range p.of(e.rel) {
		if !written[of] && of.through == nil && (of.erase == reassign) != (e.erase == reassign) {
			return // child tables follow the last entry of their parent
		}
	}
	for _, child := range p.rows {
		if child.through == e.rel && !written[child] {
			p.writeTree(s, child, written)
		}
	}
}

func (p *proposal) writeRows(s *yamlWriter, e *rows) {
	if len(e.about) > 0 {
		s.blank()
	}
	for _, text := range e.about {
		s.say(1, "%s", text)
	}
	if flow := p.flow(e); flow != "" {
		s.put(1, flow, p.beside(e))
		return
	}
	if !s.lines[len(s.lines)-1].own {
		s.blank()
	}
	s.putf(1, "- table: %s", scalar(p.name(e.rel)))
	if e.through != nil {
		s.putf(2, "through: %s", scalar(p.name(e.through)))
	}
	s.putf(2, "reference: %s", scalar(e.reference))
	if e.column != "" {
		s.putf(2, "references: {column: %s}", scalar(e.column))
	}
	switch e.where {
	case "":
	case todo:
		s.put(2, "where: "+todo, e.whereNote)
	default:
		s.putf(2, "where: %s", sqlValue(e.where))
	}
	why := e.why
	if e.erase == todo && len(e.columns) > 0 {
		why += "; with delete, remove columns"
	}
	s.put(2, "erase: "+e.erase, why)
	if e.merge != "" {
		s.putf(2, "merge: %s", e.merge)
	}
	if e.carries {
		s.put(2, "carries_value: true", "a merge never deletes such a row")
	}
	if len(e.columns) > 0 {
		s.putf(2, "columns:")
		writeRules(s, 3, e.columns)
	}
	if e.retain != nil {
		s.put(2, "retain:", "kept as long as the law requires, see retention")
		s.putf(3, "rule: invoice")
		since := scalar(e.retain.since)
		if e.retain.since == todo {
			s.put(3, "since: "+todo, "the date of issue")
		} else {
			s.putf(3, "since: %s", since)
		}
		s.putf(3, "columns:")
		writeRules(s, 4, e.retain.columns)
	}
	s.blank()
}

// flow returns an entry in YAML flow style, on one line, or "" when it has a
// question or columns and needs several lines.
func (p *proposal) flow(e *rows) string {
	if e.erase == todo || e.where == todo || len(e.columns) > 0 || e.retain != nil {
		return ""
	}
	parts := []string{"table: " + scalar(p.name(e.rel))}
	if e.through != nil {
		parts = append(parts, "through: "+scalar(p.name(e.through)))
	}
	if e.ownedBy != "" {
		parts = append(parts, "owned_by: "+scalar(e.ownedBy))
	} else {
		parts = append(parts, "reference: "+scalar(e.reference))
	}
	if e.column != "" {
		parts = append(parts, "references: {column: "+scalar(e.column)+"}")
	}
	if e.where != "" {
		parts = append(parts, "where: "+sqlValue(e.where))
	}
	parts = append(parts, "erase: "+e.erase)
	if e.merge != "" {
		parts = append(parts, "merge: "+e.merge)
	}
	if e.carries && e.erase == reassign {
		parts = append(parts, "carries_value: true")
	}
	return "- {" + strings.Join(parts, ", ") + "}"
}

// beside returns the comment of an entry without columns: the reason for its
// action, or which personal columns its rows contain.
func (p *proposal) beside(e *rows) string {
	if e.why != "" || e.erase != erase || e.ownedBy != "" {
		return e.why
	}
	var names []string
	for i := range e.rel.Columns {
		c := &e.rel.Columns[i]
		what := p.concept(e.rel, c)
		if (what.Personal() || what == dictionary.FreeText || what == dictionary.Secret) && (isText(c) || c.Array || freeForm(c)) {
			names = append(names, c.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "contains " + enumerate(names)
}

func freeForm(c *plan.Column) bool {
	return slices.Contains([]string{"json", "jsonb", "bytea", "inet", "xml"}, c.Base)
}

func (p *proposal) sayUnclear(s *yamlWriter, indent int) {
	if len(p.unclear) == 0 {
		return
	}
	s.blank()
	s.say(indent, "No line above covers this; please check:")
	for _, text := range p.unclear {
		s.quote(indent, "- "+text)
	}
}
