package mapinit

import (
	"fmt"
	"slices"

	"github.com/oubli/oubli/internal/plan"
)

// The limits with which the values of a sample show that a column is a reference.
const (
	enoughRows     = 10
	enoughDistinct = 5
	mostlyHits     = 0.8
)

func (a *Answer) rate() float64 { return float64(a.Hits) / float64(max(a.Sampled, 1)) }

// proportion describes a proportion in words, because a sample is not exact.
func proportion(part, whole int) string {
	switch {
	case part >= whole:
		return "All"
	case 10*part >= 9*whole:
		return "Nearly all"
	case 2*part > whole:
		return "Most"
	}
	return "Some"
}

// soft returns the entries for references to the client that have no foreign key.
func (p *proposal) soft(r *plan.Relation) []*rows {
	if p.shadow(r) && !isForeign(r, p.key.Name) {
		return []*rows{{rel: r, reference: p.key.Name, soft: true, erase: erase, why: "a history of " + p.name(p.client)}}
	}
	var list []*rows
	for i := range r.Columns {
		c := &r.Columns[i]
		if isForeign(r, c.Name) || r == p.client && c.Name == p.key.Name || c.Name == p.tenantColumn {
			continue
		}
		own, general := p.named(r, c)
		if c.Array && (own || general) {
			p.unclear = append(p.unclear, fmt.Sprintf("%s.%s looks like a list of clients' keys; a reference must be one key", p.name(r), c.Name))
			continue
		}
		if typ := typeColumn(r, c); typ != "" {
			list = append(list, p.pair(r, c, typ)...)
			continue
		}
		if meant := plan.NamedAfter(p.client, p.key.Name, p.tenantColumn, c); meant != nil && (own || general) && !c.Array {
			list = append(list, &rows{rel: r, reference: c.Name, column: meant.Name, soft: true, about: []string{fmt.Sprintf(
				"Only the name of %s suggests this: delete this entry if the column does not hold %s of a client.", c.Name, meant.Name)}})
			continue
		}
		if !p.couldRefer(r, c) {
			continue
		}
		if e := p.sampled(r, c, own, general); e != nil {
			list = append(list, e)
		}
	}
	return list
}

// sampled decides by the column's name and the sampled values together.
func (p *proposal) sampled(r *plan.Relation, c *plan.Column, own, general bool) *rows {
	e := &rows{rel: r, reference: c.Name, soft: true}
	a := p.answer(AskReference, r, c.Name)
	enough := a != nil && a.Sampled >= enoughRows
	hits := enough && a.Distinct >= enoughDistinct && a.rate() >= mostlyHits
	switch {
	case hits && (own || c.Base == "uuid" || c.Category == "S"):
		e.about = append(e.about, fmt.Sprintf("%s sampled values of %s are keys of clients.", proportion(a.Hits, a.Sampled), c.Name))
	case hits:
		e.about = append(e.about, fmt.Sprintf("%s sampled values of %s are keys of clients, but small numbers may be keys of any "+
			"table: delete this entry if the column does not refer to a client.", proportion(a.Hits, a.Sampled), c.Name))
		e.erase, e.why = todo, "a client's rows? then "+e.actions()
	case enough && a.Hits == 0:
		return nil // named like a reference, but refers to something else
	case own || general && looksLikeReference(c.Name):
		e.about = append(e.about, fmt.Sprintf("Only the name of %s suggests this: "+
			"delete this entry if the column does not refer to a client.", c.Name))
		if general {
			e.erase, e.why = todo, "a client's rows? then "+e.actions()
		}
	default:
		return nil
	}
	return e
}

// pair returns the entries for the client's rows of a polymorphic table.
func (p *proposal) pair(r *plan.Relation, c *plan.Column, typ string) []*rows {
	if !p.comparable(c) {
		return nil
	}
	a := p.answer(AskPair, r, c.Name)
	if a == nil || a.Sampled == 0 {
		return []*rows{{rel: r, reference: c.Name, soft: true, where: todo,
			whereNote: fmt.Sprintf("the value of %s for a client, such as %q", typ, column(typ)+" = 'Client'"),
			about:     []string{"No row could be sampled; delete this entry if " + typ + " never means a client."}}}
	}
	var list []*rows
	for _, s := range a.Spelled {
		if slices.Contains(spellings(p.client), typeWord(s.Text)) {
			list = append(list, &rows{rel: r, reference: c.Name, soft: true, where: typeIs(r, typ, s.Text),
				about: []string{proportion(s.Rows, a.Sampled) + " sampled rows are about clients."}})
		}
	}
	return list
}

// pairsOfTables adds the polymorphic rows that refer to other rows of the client. For
// example, an audit row of an appointment is about the client too.
func (p *proposal) pairsOfTables() {
	var found []*rows
	for i := range p.facts.Answers {
		a := &p.facts.Answers[i]
		r := p.relation(a.Schema, a.Table)
		if a.Kind != AskPair || a.Unread || r == nil {
			continue
		}
		for _, s := range a.Spelled {
			parent := p.spelt(s.Text)
			if parent == nil || parent == r || len(p.of(parent)) == 0 || len(parent.PrimaryKey) == 0 {
				continue
			}
			e := &rows{rel: r, reference: a.Column, through: parent, soft: true, where: typeIs(r, a.TypeColumn, s.Text)}
			if own := p.of(r); len(own) > 0 {
				e.erase, e.why = own[0].erase, own[0].why
			} else {
				p.follow(e)
			}
			found = append(found, e)
		}
	}
	p.rows = append(p.rows, found...)
}

func (p *proposal) relation(schema, table string) *plan.Relation {
	for i := range p.cat.Relations {
		if r := &p.cat.Relations[i]; r.Schema == schema && r.Name == table {
			return r
		}
	}
	return nil
}

// spelt returns the mapped table that a polymorphic type names.
func (p *proposal) spelt(text string) *plan.Relation {
	var found *plan.Relation
	for i := range p.cat.Relations {
		r := &p.cat.Relations[i]
		if r != p.client && slices.Contains(spellings(r), typeWord(text)) && len(p.of(r)) > 0 {
			if found != nil {
				return nil
			}
			found = r
		}
	}
	return found
}
