package mapinit

import (
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/dictionary"
	"github.com/oubli/oubli/internal/plan"
)

func isForeign(r *plan.Relation, column string) bool {
	return slices.ContainsFunc(r.ForeignKeys, func(fk plan.ForeignKey) bool { return slices.Contains(fk.Columns, column) })
}

var referenceEnds = setOf(`id ids uuid guid ref refs key pk fk no nr uid`)

// referenceStem returns the target's name within a reference's name: client for
// client_id, clientId, id_client and client_uuid.
func referenceStem(name string) []string {
	list := words(name)
	for len(list) > 1 && referenceEnds[list[len(list)-1]] {
		list = list[:len(list)-1]
	}
	for len(list) > 1 && referenceEnds[list[0]] {
		list = list[1:]
	}
	return list
}

// looksLikeReference reports whether the name looks like that of a key.
func looksLikeReference(name string) bool {
	list := words(name)
	return len(list) > 1 && (referenceEnds[list[len(list)-1]] || referenceEnds[list[0]] || list[len(list)-1] == "by")
}

// named reports whether a column's name refers to the client: by the name of the client
// table (own), or by a general word for such people (general).
func (p *proposal) named(r *plan.Relation, c *plan.Column) (own, general bool) {
	stem := referenceStem(c.Name)
	if len(stem) == 0 {
		return false, false
	}
	last := stem[len(stem)-1]
	if len(stem) > 1 && (last == "by" || last == "from" || last == "to") {
		last = stem[len(stem)-2]
	}
	table := singular(words(p.client.Name))
	if strings.HasSuffix(strings.Join(singular(stem), ""), strings.Join(table, "")) || last == table[len(table)-1] && len(table) == 1 {
		return true, false
	}
	if !dictionary.Clients[last] || !looksLikeReference(c.Name) && last != c.Name {
		return false, false
	}
	// If there is a table of members, member_id refers to it.
	for i := range p.cat.Relations {
		if other := &p.cat.Relations[i]; other != p.client && strings.Join(singular(words(other.Name)), "") == last {
			return false, false
		}
	}
	return false, looksLikeReference(c.Name)
}

// comparable reports whether the column could hold the client's key.
func (p *proposal) comparable(c *plan.Column) bool {
	if c.Generated || c.Array {
		return false
	}
	ints := []string{"int2", "int4", "int8"}
	return c.Base == p.key.Base || c.Category == "S" || slices.Contains(ints, c.Base) && slices.Contains(ints, p.key.Base)
}

// couldRefer reports whether the column may contain clients' keys, so that a sample is
// worthwhile. A small number may be the key of any table, so a numeric column must
// also be named like a key.
func (p *proposal) couldRefer(r *plan.Relation, c *plan.Column) bool {
	if !p.comparable(c) || slices.Equal(r.PrimaryKey, []string{c.Name}) && !p.shadow(r) {
		return false
	}
	if p.tenantColumn != "" && c.Name == p.tenantColumn {
		return false
	}
	own, general := p.named(r, c)
	return own || general || looksLikeReference(c.Name) || c.Base == "uuid" && p.key.Base == "uuid"
}

// typeColumn returns the column with the type in a polymorphic pair: auditable_type for
// auditable_id, content_type for object_id; "" if the column belongs to no pair.
func typeColumn(r *plan.Relation, c *plan.Column) string {
	list := words(c.Name)
	if len(list) < 2 || !referenceEnds[list[len(list)-1]] {
		return ""
	}
	if list[0] == "object" {
		for _, fk := range r.ForeignKeys {
			if contentTypes(r, fk.Columns[0]) != "" {
				return fk.Columns[0]
			}
		}
	}
	stem := strings.Join(list[:len(list)-1], "")
	for i := range r.Columns {
		other := &r.Columns[i]
		names := []string{stem + "type", stem + "class", stem + "kind", stem + "model", stem + "typ"}
		if (isText(other) || other.Category == "E" && !other.Array) && slices.Contains(names, joined(other.Name)) {
			return other.Name
		}
	}
	return ""
}

// contentTypes returns the table of Django's content types, as schema.table, if the
// column refers to it.
func contentTypes(r *plan.Relation, column string) string {
	for _, fk := range r.ForeignKeys {
		if fk.Parent == "django_content_type" && slices.Equal(fk.Columns, []string{column}) {
			return fk.ParentSchema + "." + fk.Parent
		}
	}
	return ""
}

// typeIs returns the SQL condition that a pair has the given type.
func typeIs(r *plan.Relation, typ, spelled string) string {
	app, model, django := strings.Cut(spelled, ".")
	if types := contentTypes(r, typ); types != "" && django {
		return column(typ) + " IN (SELECT id FROM " + types + " WHERE app_label = " + sqlText(app) + " AND model = " + sqlText(model) + ")"
	}
	return column(typ) + " = " + sqlText(spelled)
}

// spellings returns the words that a polymorphic type may use for the table: its name,
// the singular, and both without the prefix of a Django app.
func spellings(r *plan.Relation) []string {
	list := words(r.Name)
	all := []string{strings.Join(list, ""), strings.Join(singular(list), "")}
	if _, model, ok := strings.Cut(r.Name, "_"); ok {
		all = append(all, joined(model))
	}
	return all
}

// tableWords returns all words that a type may use for any table.
func (p *proposal) tableWords() []string {
	var all []string
	for i := range p.cat.Relations {
		all = append(all, spellings(&p.cat.Relations[i])...)
	}
	all = slices.DeleteFunc(all, func(w string) bool { return w == "" })
	slices.Sort(all)
	return slices.Compact(all)
}

// typeWord reads a type's spelling: Crm::Client and app.client are client.
func typeWord(text string) string {
	if i := strings.LastIndexAny(text, `.:/\`); i >= 0 {
		text = text[i+1:]
	}
	return joined(text)
}

// shadow reports whether a table is a history of the client table, such as
// clients_history: its rows contain the client's key.
func (p *proposal) shadow(r *plan.Relation) bool {
	list, own := words(r.Name), words(p.client.Name)
	name, client := strings.Join(list, ""), strings.Join(own, "")
	return r != p.client && r.Column(p.key.Name) != nil && among(list, historyWords) &&
		(strings.HasPrefix(name, client) || strings.HasPrefix(name, strings.Join(singular(own), "")) ||
			strings.HasSuffix(name, client))
}
