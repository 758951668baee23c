package mapinit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/plan"
)

// explained is a table, trigger or view for which the map must give a reason.
type explained struct{ name, table, note string }

// outside lists the tables that look personal and have no known link to a client.
func (p *proposal) outside() []explained {
	var list []explained
	for i := range p.cat.Relations {
		r := &p.cat.Relations[i]
		if r.Kind == "m" || r == p.client || slices.ContainsFunc(p.rows, func(e *rows) bool { return e.rel == r }) {
			continue
		}
		var found []string
		for k := range r.Columns {
			c := &r.Columns[k]
			if plan.LooksPersonal(r, c) && !isForeign(r, c.Name) && c.Name != p.key.Name {
				found = append(found, c.Name)
			}
		}
		if len(found) == 0 {
			continue
		}
		whose := "whose are"
		switch list := words(r.Name); {
		case r == p.tenantTable:
			whose = "the tenant's own"
		case mentions(list, staffWords):
			whose = "staff's"
		case mentions(list, accountWords):
			whose = "of people who log in"
		}
		list = append(list, explained{table: p.name(r), note: whose + " " + enumerate(found) + questionMark(whose)})
	}
	return list
}

func questionMark(whose string) string {
	if whose == "whose are" {
		return "?"
	}
	return ""
}

// enumerate lists at most four names and counts the others.
func enumerate(names []string) string {
	if n := len(names) - 4; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:4], ", "), n)
	}
	return strings.Join(names, ", ")
}

// mapped reports whether oubli will change or delete rows of the relation.
func (p *proposal) mapped(r *plan.Relation) bool {
	return r != nil && (r == p.client || slices.ContainsFunc(p.rows, func(e *rows) bool { return e.rel == r }))
}

// triggers lists the triggers that fire during an erasure.
func (p *proposal) triggers() []explained {
	var list []explained
	for i := range p.cat.Relations {
		r := &p.cat.Relations[i]
		if !p.mapped(r) {
			continue
		}
		for _, t := range r.Triggers {
			note, fires := "", true
			for _, f := range p.facts.Triggers {
				if f.Schema == r.Schema && f.Table == r.Name && f.Name == t.Name {
					note = f.When + ", runs " + f.Function
					fires = !f.InsertOnly || r == p.client // an erasure inserts anonymous profiles only
				}
			}
			if !fires {
				continue
			}
			list = append(list, explained{name: t.Name, table: p.name(r), note: note})
		}
	}
	return list
}

// views lists the views that read a mapped table.
func (p *proposal) views() (materialized, plain []explained) {
	for _, v := range p.facts.Views {
		var reads []string
		for _, of := range v.Reads {
			if r := p.relation(of.Schema, of.Name); p.mapped(r) {
				reads = append(reads, p.name(r))
			}
		}
		if len(reads) == 0 {
			continue
		}
		e := explained{name: p.viewName(v), note: "reads " + enumerate(reads)}
		if v.Materialized {
			materialized = append(materialized, e)
		} else {
			plain = append(plain, e)
		}
	}
	return materialized, plain
}

func (p *proposal) viewName(v View) string {
	if r := p.relation(v.Schema, v.Name); r != nil {
		return p.name(r)
	}
	if slices.Contains(p.cat.SearchPath, v.Schema) {
		return v.Name
	}
	return v.Schema + "." + v.Name
}
