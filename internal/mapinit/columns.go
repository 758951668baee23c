package mapinit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/dictionary"
	"github.com/oubli/oubli/internal/plan"
)

// columns proposes a rule for every column of rows that are kept.
func (p *proposal) columns(e *rows) {
	invoice := e.through == nil && e.ownedBy == "" && mentions(words(e.rel.Name), invoiceWords)
	var snapshot []rule
	for i := range e.rel.Columns {
		c := &e.rel.Columns[i]
		if p.refers(e.rel, c.Name) {
			continue
		}
		r := p.rule(e, c)
		if invoice && p.billed(e.rel, c) && r.value != keep {
			snapshot = append(snapshot, r)
			continue
		}
		e.columns = append(e.columns, r)
	}
	if len(snapshot) == 0 {
		return
	}
	since := called(e.rel, isTime, issuedWords)
	if since == "" {
		since = called(e.rel, isTime, setOf("date datum issued"))
	}
	if since == "" {
		since = todo
	}
	e.retain = &retain{since: since, columns: snapshot}
}

// refers reports whether an entry uses the column as its reference.
func (p *proposal) refers(r *plan.Relation, column string) bool {
	return slices.ContainsFunc(p.rows, func(e *rows) bool { return e.rel == r && e.ownedBy == "" && e.reference == column })
}

// billed reports whether the column contains a part of an invoice's address.
func (p *proposal) billed(r *plan.Relation, c *plan.Column) bool {
	if isForeign(r, c.Name) || !isText(c) && c.Base != "json" && c.Base != "jsonb" {
		return false
	}
	list := words(c.Name)
	return p.concept(r, c).Personal() || dictionary.Recognise(c.Name) != dictionary.Harmless && among(list, setOf("billing billto bill "+
		"recipient buyer customer client facturation destinataire acheteur rechnungsempfaenger empfaenger kunde"))
}

// rule proposes a rule for one column of rows that are kept.
func (p *proposal) rule(e *rows, c *plan.Column) rule {
	r := e.rel
	switch {
	case c.Generated:
		return rule{c.Name, keep, "computed by the database"}
	case slices.Contains(r.PrimaryKey, c.Name) && !isForeign(r, c.Name), c.Name == p.tenantColumn && !p.isStep(r, c.Name):
		return rule{c.Name, keep, ""}
	case isForeign(r, c.Name):
		return p.link(e, c)
	}
	return p.content(r, c)
}

func (p *proposal) isStep(r *plan.Relation, column string) bool {
	return slices.ContainsFunc(r.ForeignKeys, func(fk plan.ForeignKey) bool {
		parent := p.parent(fk)
		return parent != nil && parent != p.tenantTable && p.step(fk, parent) == column
	})
}

// link proposes a rule for a foreign key that no entry uses as its reference.
func (p *proposal) link(e *rows, c *plan.Column) rule {
	for _, fk := range e.rel.ForeignKeys {
		parent := p.parent(fk)
		if !slices.Contains(fk.Columns, c.Name) || parent == nil || p.step(fk, parent) != c.Name {
			continue
		}
		own, table := p.of(parent), p.name(parent)
		owned := slices.ContainsFunc(p.rows, func(o *rows) bool { return o.rel == parent && o.ownedBy != "" })
		gone := owned || slices.ContainsFunc(own, (*rows).gone)
		asked := slices.ContainsFunc(own, func(o *rows) bool { return o.erase == todo })
		switch {
		case len(own) == 0 && !owned:
			return rule{c.Name, keep, "refers to " + table}
		case gone && !c.NotNull:
			return rule{c.Name, "null", "its " + table + " is deleted"}
		case gone:
			return rule{c.Name, todo, "NOT NULL, and its " + table + " is deleted: erase: delete here, or keep those too"}
		case !c.NotNull:
			return rule{c.Name, "null", "else it would show which rows were one person's"}
		case asked:
			return rule{c.Name, todo, "keep if " + table + " stays; else delete this row too"}
		}
		return rule{c.Name, keep, "NOT NULL: still refers to " + table}
	}
	return rule{c.Name, keep, ""}
}

// content proposes a rule for a column that is not a key.
func (p *proposal) content(r *plan.Relation, c *plan.Column) rule {
	what := p.concept(r, c)
	about := what.Personal() || what == dictionary.Secret || what == dictionary.FreeText
	blank := func(value, note string) rule {
		switch {
		case p.unique(r, c):
			return rule{c.Name, todo, "unique: keep, or {sql: …} with another value for every row"}
		case !c.NotNull:
			return rule{c.Name, "null", note}
		case value == "":
			return rule{c.Name, todo, fmt.Sprintf("%s, NOT NULL: an impersonal {value: …}, or keep", c.Type)}
		}
		return rule{c.Name, value, note}
	}
	switch {
	case c.Array && (c.Category == "S" || c.Base == "json" || c.Base == "jsonb" || c.Base == "inet"):
		if about {
			return blank(`{value: "{}"}`, "")
		}
		return rule{c.Name, todo, "a list of texts: keep if only the application writes it, else " + emptied(c, `{value: "{}"}`)}
	case c.Category == "S" && !c.Array:
		return p.text(r, c, what, blank)
	case c.Base == "json" || c.Base == "jsonb":
		return p.json(r, c)
	case c.Base == "inet" || c.Base == "cidr":
		return blank(`{value: "0.0.0.0"}`, "")
	case !plan.MayBePersonal(r, c):
		return rule{c.Name, keep, ""}
	case c.Array && about:
		return blank(`{value: "{}"}`, "")
	case c.Category == "D" && what == dictionary.Birth:
		return blank("{truncate: year}", "")
	case c.Category == "N" && about:
		return blank("{value: 0}", "")
	case about:
		return blank("", "")
	case c.Base == "tsvector":
		return blank("", "a search index of the row's texts")
	}
	return rule{c.Name, todo, c.Type + ": keep if it is not personal, else " + emptied(c, "{value: …}")}
}

func emptied(c *plan.Column, value string) string {
	if c.NotNull {
		return value
	}
	return "null"
}

// text proposes a rule for a text.
func (p *proposal) text(r *plan.Relation, c *plan.Column, what dictionary.Concept, blank func(value, note string) rule) rule {
	switch what {
	case dictionary.FirstName, dictionary.FullName:
		if p.unique(r, c) {
			return blank("", "")
		}
		return rule{c.Name, "{label: unknown_client}", ""}
	case dictionary.SomeName:
		return rule{c.Name, todo, "a person's: {label: unknown_client}; a thing's: keep"}
	case dictionary.Harmless:
		return rule{c.Name, keep, ""}
	case dictionary.Unknown:
		return rule{c.Name, todo, "keep if only the application writes it, else " + emptied(c, `{value: ""}`)}
	}
	return blank(`{value: ""}`, "")
}

// json proposes a rule for a JSON document. It names the keys that the sample
// contains; other rows may have more.
func (p *proposal) json(r *plan.Relation, c *plan.Column) rule {
	empty := emptied(c, `{value: "{}"}`)
	if a := p.answer(AskKeys, r, c.Name); a != nil && len(a.Spelled) > 0 {
		var paths []string
		for _, s := range a.Spelled {
			paths = append(paths, s.Text)
		}
		return rule{c.Name, todo, fmt.Sprintf("%s, or {json_remove: [%s]}", empty, strings.Join(paths, ", "))}
	}
	return rule{c.Name, todo, empty + ", keep, or {json_remove: [path, …]}"}
}

// unique reports whether two rows with the same value in the column could
// violate an index.
func (p *proposal) unique(r *plan.Relation, c *plan.Column) bool {
	return slices.ContainsFunc(r.Indexes, func(x plan.Index) bool {
		if !x.Unique && !x.Exclusion {
			return false
		}
		for i, key := range x.Keys {
			if key == c.Name || x.Expression[i] && slices.Contains(words(key), joined(c.Name)) {
				return true
			}
		}
		return false
	})
}
