package mapinit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/plan"
)

// rows are the rows of one table that belong to a client by one path: an
// entry of the map's tables.
type rows struct {
	rel       *plan.Relation
	reference string
	column    string         // of the client, that the reference holds instead of the key
	through   *plan.Relation // nil: the client itself
	ownedBy   string
	where     string // SQL, or todo
	whereNote string
	erase     string // an action, or todo
	why       string
	merge     string
	carries   bool
	soft      bool // the reference has no foreign key
	about     []string
	columns   []rule
	retain    *retain
}

// rule is the rule of one column.
type rule struct{ column, value, note string }

type retain struct {
	since   string
	columns []rule
}

const (
	erase    = "delete"
	reassign = "reassign"
	unlink   = "unlink"
	keep     = "keep"
)

// gone reports whether the entry's rows are deleted; false for a TODO.
func (e *rows) gone() bool { return e.erase == erase }

// of returns the entries of a relation whose rows belong to the client.
func (p *proposal) of(r *plan.Relation) []*rows {
	var list []*rows
	for _, e := range p.rows {
		if e.rel == r && e.erase != unlink && e.ownedBy == "" {
			list = append(list, e)
		}
	}
	return list
}

// reach finds every path from a row to a client.
func (p *proposal) reach() {
	for i := range p.cat.Relations {
		if r := &p.cat.Relations[i]; r.Kind != "m" && r.Kind != "f" {
			p.direct(r)
		}
	}
	for p.further() || p.furtherByName() {
	}
	p.pairsOfTables()
	p.owned()
	p.loops()
	for _, e := range p.rows {
		switch {
		case e.gone() || e.rel == p.client:
		case e.erase == unlink:
			p.others(e)
		default:
			p.columns(e)
		}
	}
}

// others proposes to keep all columns of rows that only refer to a client, unless
// another entry of the same table already has rules for the columns.
func (p *proposal) others(e *rows) {
	if slices.ContainsFunc(p.of(e.rel), func(o *rows) bool { return o.erase == reassign || o.erase == keep }) {
		return
	}
	if slices.ContainsFunc(p.rows, func(o *rows) bool { return o.rel == e.rel && o.erase == unlink && len(o.columns) > 0 }) {
		return
	}
	for i := range e.rel.Columns {
		if c := &e.rel.Columns[i]; !isForeign(e.rel, c.Name) && !slices.Contains(e.rel.PrimaryKey, c.Name) && !p.refers(e.rel, c.Name) {
			e.columns = append(e.columns, rule{c.Name, keep, ""})
		}
	}
}

// direct adds the entries of a relation whose rows refer to the client directly.
func (p *proposal) direct(r *plan.Relation) {
	var list []*rows
	for _, fk := range r.ForeignKeys {
		if p.parent(fk) != p.client {
			continue
		}
		at := slices.Index(fk.ParentColumns, p.key.Name)
		if at < 0 {
			reference := p.step(fk, p.client)
			list = append(list, &rows{rel: r, reference: reference, column: fk.ParentColumns[slices.Index(fk.Columns, reference)]})
			continue
		}
		if !slices.ContainsFunc(list, func(e *rows) bool { return e.reference == fk.Columns[at] }) {
			list = append(list, &rows{rel: r, reference: fk.Columns[at]})
		}
	}
	list = append(list, p.soft(r)...)
	p.act(r, list)
	p.rows = append(p.rows, list...)
}

// act proposes an action for each of a relation's references to the client.
func (p *proposal) act(r *plan.Relation, list []*rows) {
	slices.SortStableFunc(list, func(a, b *rows) int {
		return cmp.Or(cmp.Compare(p.distance(a), p.distance(b)), cmp.Compare(a.reference, b.reference))
	})
	for i, e := range list {
		col := r.Column(e.reference)
		switch {
		case r == p.client || r == p.tenantTable:
			e.erase, e.why = unlink, "somebody else's row"
			if r == p.tenantTable {
				e.why = "the tenant's own row"
			}
			if col.NotNull {
				e.erase, e.why = todo, "unlink needs a column that may be NULL; reassign to the anonymous profile?"
			}
		case e.erase != "":
		case i > 0 && e.where == "" && !col.NotNull:
			e.erase, e.why = unlink, "the row belongs to the client in "+list[0].reference
		case i > 0 && e.where == "":
			e.erase, e.why, e.merge = list[0].erase, "same as for "+list[0].reference, list[0].merge
		default:
			p.classify(e)
		}
		p.limitByValue(e)
	}
}

// limitByValue leaves the actions that are possible for rows that hold another column
// of the client than the key: an anonymous profile may have no value for them.
func (p *proposal) limitByValue(e *rows) {
	if e.column == "" || e.erase == erase || e.erase == unlink && !e.rel.Column(e.reference).NotNull ||
		e.erase == reassign && p.client.Column(e.column).NotNull {
		return
	}
	e.erase, e.why, e.carries = erase, "its rows hold "+e.column+" of the client", false
	if !e.rel.Column(e.reference).NotNull {
		e.erase, e.why = todo, "delete; or unlink, to keep the row without "+e.reference
	}
}

// distance orders a table's references: first the one that is named after the client's
// table, then those that are never NULL.
func (p *proposal) distance(e *rows) int {
	d := 0
	if strings.Join(referenceStem(e.reference), "") != strings.Join(singular(words(p.client.Name)), "") {
		d++
	}
	if !e.rel.Column(e.reference).NotNull {
		d += 2
	}
	if e.where != "" || e.soft {
		d += 4
	}
	return d
}

// further adds the tables whose rows belong to rows of the entries so far. It reports
// whether it found any.
func (p *proposal) further() bool {
	var found []*rows
	for i := range p.cat.Relations {
		r := &p.cat.Relations[i]
		if r == p.client || r == p.tenantTable || r.Kind == "m" || r.Kind == "f" ||
			slices.ContainsFunc(p.rows, func(e *rows) bool { return e.rel == r }) {
			continue
		}
		best, rank := (*rows)(nil), -1
		for _, fk := range r.ForeignKeys {
			parent := p.parent(fk)
			if parent == nil || parent == r || len(p.of(parent)) == 0 {
				continue
			}
			reference := p.step(fk, parent)
			score := 0
			if r.Column(reference).NotNull {
				score = 2
			}
			if strings.HasPrefix(joined(r.Name), strings.Join(singular(words(parent.Name)), "")) {
				score++
			}
			if score > rank {
				best, rank = &rows{rel: r, reference: reference, through: parent}, score
			}
		}
		if best != nil {
			found = append(found, best)
		}
	}
	for _, e := range found {
		p.follow(e)
	}
	p.rows = append(p.rows, found...)
	return len(found) > 0
}

// furtherByName adds a table whose rows belong by the name of a column, without a
// foreign key, to rows of the entries so far. It reports whether it found one.
func (p *proposal) furtherByName() bool {
	for i := range p.cat.Relations {
		r := &p.cat.Relations[i]
		if r == p.client || r == p.tenantTable || r.Kind == "m" || slices.ContainsFunc(p.rows, func(e *rows) bool { return e.rel == r }) {
			continue
		}
		for k := range r.Columns {
			parent := p.cat.RefersByName(r, &r.Columns[k])
			if parent == nil || len(p.of(parent)) == 0 {
				continue
			}
			e := &rows{rel: r, reference: r.Columns[k].Name, through: parent, soft: true, about: []string{fmt.Sprintf(
				"Only the name of %s suggests this: if its rows belong to nobody, list the table under ignore instead.", r.Columns[k].Name)}}
			p.follow(e)
			p.rows = append(p.rows, e)
			return true
		}
	}
	return false
}

// step returns the column of a foreign key that identifies the parent's row. In a
// composite key this is the column that is not the tenant's.
func (p *proposal) step(fk plan.ForeignKey, parent *plan.Relation) string {
	for i, c := range fk.Columns {
		if len(fk.Columns) == 1 || p.tenantColumn == "" || c != p.tenantColumn && fk.ParentColumns[i] != p.tenantColumn {
			return c
		}
	}
	return fk.Columns[len(fk.Columns)-1]
}

// follow proposes an action for rows that belong to other rows.
func (p *proposal) follow(e *rows) {
	col, gone, asked := e.rel.Column(e.reference), false, false
	for _, parent := range p.of(e.through) {
		gone = gone || parent.gone()
		asked = asked || parent.erase == todo
	}
	list := words(e.rel.Name)
	switch {
	case among(list, historyWords):
		e.erase, e.why = erase, "a history stores old values"
	case gone && col.NotNull:
		e.erase, e.why = erase, "its "+p.name(e.through)+" is deleted"
	case gone:
		e.erase, e.why = todo, "its "+p.name(e.through)+" is deleted: delete, or unlink and keep the row"
	case endsIn(list, satelliteWords) && !endsIn(list, visitWords) && !endsIn(list, moneyWords):
		e.erase = erase
	case asked:
		e.erase, e.why = todo, "keep if "+p.name(e.through)+" stays, else delete"
	default:
		e.erase = keep
	}
}

// owned adds the tables to which the client's row points and whose rows belong to one
// client only.
func (p *proposal) owned() {
	for _, fk := range p.client.ForeignKeys {
		parent := p.parent(fk)
		if parent == nil || parent == p.client || parent == p.tenantTable || len(p.of(parent)) > 0 {
			continue
		}
		own := p.step(fk, parent)
		known := func(e *rows) bool { return e.rel == parent && (e.ownedBy == "" || e.ownedBy == own) }
		if own == p.tenantColumn || slices.ContainsFunc(p.rows, known) {
			continue
		}
		list := words(parent.Name)
		personal := endsIn(list, satelliteWords) || mentions(list, ownedWords)
		switch {
		case mentions(list, staffWords):
		case mentions(list, accountWords):
			p.unclear = append(p.unclear, fmt.Sprintf("%s points to %s, which looks like logins: "+
				"if each login belongs to one client, add {table: %s, owned_by: %s, erase: delete}",
				own, p.name(parent), scalar(p.name(parent)), scalar(own)))
		case personal:
			p.rows = append(p.rows, &rows{rel: parent, ownedBy: own, erase: erase})
		}
	}
}

// loops adds references that would prevent deletes: between rows of one table, and
// from the client's row to these rows.
func (p *proposal) loops() {
	var found []*rows
	for _, e := range p.rows {
		if !e.gone() && e.erase != todo || e.ownedBy != "" || slices.ContainsFunc(found, func(f *rows) bool { return f.through == e.rel }) {
			continue
		}
		for _, r := range []*plan.Relation{e.rel, p.client} {
			for _, fk := range r.ForeignKeys {
				reference := p.step(fk, e.rel)
				if p.parent(fk) != e.rel || r.Column(reference).NotNull {
					continue
				}
				why := "another row may point to a deleted one"
				if r == p.client {
					why = "else the client's row would block the delete"
				}
				found = append(found, &rows{rel: r, through: e.rel, reference: reference, erase: unlink, why: why})
			}
		}
	}
	p.rows = append(p.rows, found...)
}
