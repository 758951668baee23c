package mapinit

import (
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/plan"
)

func isForeign(r *plan.Relation, column string) bool {
	return slices.ContainsFunc(r.Foreign, func(fk plan.ForeignKey) bool { return slices.Contains(fk.Columns, column) })
}

var referenceEnds = setOf(`id ids uuid guid ref refs key pk fk no nr uid`)

// referenceStem is what a reference's name says of its target: client of
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

// looksLikeReference reports whether the name is that of a key at all.
func looksLikeReference(name string) bool {
	list := words(name)
	return len(list) > 1 && (referenceEnds[list[len(list)-1]] || referenceEnds[list[0]] || list[len(list)-1] == "by")
}

// named says how surely a column's name alone makes it a reference to the
// client: by the table's own name, or by a word for such people in general.
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
	if !clientWords[last] || !looksLikeReference(c.Name) && last != c.Name {
		return false, false
	}
	// member_id belongs to a table of members, where there is one.
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

// couldRefer reports whether it is worth asking whether the column's values
// are clients' keys. Small numbers are keys of anything, so that of numbers
// the name must say that they are keys.
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

// typeColumn is the other half of a polymorphic pair: auditable_type of
// auditable_id, content_type of object_id; "" when the column is no half.
func typeColumn(r *plan.Relation, c *plan.Column) string {
	list := words(c.Name)
	if len(list) < 2 || !referenceEnds[list[len(list)-1]] {
		return ""
	}
	stem := strings.Join(list[:len(list)-1], "")
	for i := range r.Columns {
		other := &r.Columns[i]
		if (isText(other) || other.Category == "E" && !other.Array) && slices.Contains([]string{stem + "type", stem + "class", stem + "kind", stem + "model", stem + "typ"}, joined(other.Name)) {
			return other.Name
		}
	}
	return ""
}

// spelled reduces a type's name to what is compared: Crm::Client, App\Client
// and app.client are client.
func tableWord(list []string) string { return strings.Join(list, "") }

// tableWords are all spellings under which a polymorphic type may name a table.
func (p *proposal) tableWords() []string {
	var all []string
	for i := range p.cat.Relations {
		list := words(p.cat.Relations[i].Name)
		all = append(all, tableWord(list), tableWord(singular(list)))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// spellings are the words by which a polymorphic type names the table.
func spellings(r *plan.Relation) []string {
	list := words(r.Name)
	return []string{tableWord(list), tableWord(singular(list))}
}

// typeWord reads a type's spelling: Crm::Client and app.client are client.
func typeWord(text string) string {
	if i := strings.LastIndexAny(text, `.:/\`); i >= 0 {
		text = text[i+1:]
	}
	return joined(text)
}

// shadow reports whether a table is a copy of the client table's past, as
// clients_history is of clients: its rows carry the client's own key.
func (p *proposal) shadow(r *plan.Relation) bool {
	list, own := words(r.Name), words(p.client.Name)
	return r != p.client && r.Column(p.key.Name) != nil && among(list, historyWords) &&
		(strings.HasPrefix(tableWord(list), tableWord(own)) || strings.HasPrefix(tableWord(list), tableWord(singular(own))) || strings.HasSuffix(tableWord(list), tableWord(own)))
}
