package mapinit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/plan"
)

// guard is a proposed condition under which a client is not erased.
type guard struct {
	name, where, note string
	table             *rows // nil: on the client's own row
	overridable       bool
}

var (
	holdWords = setOf(`legalhold litigationhold donotdelete donoterase erasureblocked retentionhold blocked locked
		nepaseffacer gele loeschsperre sperre gesperrt`)
	balanceWords = setOf(`balance balancecents accountbalance credit debt outstanding openamount solde soldecents saldo kontostand guthaben`)
	statusWords  = setOf(`status state etat statut zustand`)
	openLabels   = setOf(`open unpaid due pending overdue issued sent offen unbezahlt faellig ouverte impayee impaye`)
	bookedLabels = setOf(`booked confirmed scheduled pending reserved accepted gebucht bestaetigt reserve reservee confirme confirmee`)
)

func (p *proposal) guards() []guard {
	var list []guard
	for i := range p.client.Columns {
		c := &p.client.Columns[i]
		switch {
		case isBool(c) && holdWords[joined(c.Name)]:
			list = append(list, guard{name: word(c.Name), where: column(c.Name)})
		case isCount(c) && balanceWords[joined(c.Name)]:
			list = append(list, guard{name: "unpaid_balance", where: column(c.Name) + " <> 0", note: "owed by the client, or to the client"})
		}
	}
	for _, e := range p.visits() {
		where := column(start(e.rel)) + " > now()"
		g := guard{name: "future_" + word(e.rel.Name), table: e, overridable: true, where: where}
		if c, labels := p.state(e.rel, bookedLabels); labels != "" {
			g.where += " AND " + column(c) + labels
		} else if c != "" {
			g.where, g.note = todo, fmt.Sprintf("which are still booked, as in \"%s AND %s = 'booked'\"", where, column(c))
		}
		list = append(list, g)
	}
	for _, e := range p.rows {
		if e.through != nil || e.where != "" || !mentions(words(e.rel.Name), invoiceWords) || e.erase == unlink {
			continue
		}
		g := guard{name: "open_" + word(e.rel.Name), table: e}
		switch c, labels := p.state(e.rel, openLabels); {
		case labels != "":
			g.where = column(c) + labels
		case c != "":
			g.where, g.note = todo, fmt.Sprintf("which are unpaid, as in \"%s = 'open'\"", column(c))
		default:
			continue
		}
		list = append(list, g)
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(g guard) bool { again := seen[g.name]; seen[g.name] = true; return again })
}

// state returns the status column of a relation, and the SQL comparison with
// those of its enum labels that are in the set, if any.
func (p *proposal) state(r *plan.Relation, set wordSet) (name, labels string) {
	for i := range r.Columns {
		c := &r.Columns[i]
		list := words(c.Name)
		if c.Array || len(list) == 0 || !statusWords[list[len(list)-1]] || c.Category != "S" && c.Category != "E" {
			continue
		}
		var found []string
		for _, l := range p.facts.Enums[c.Type] {
			if set[joined(l)] {
				found = append(found, sqlText(l))
			}
		}
		switch len(found) {
		case 0:
			return c.Name, ""
		case 1:
			return c.Name, " = " + found[0]
		}
		return c.Name, " IN (" + strings.Join(found, ", ") + ")"
	}
	return "", ""
}

// visits lists the entries whose rows have the time of a past or future visit.
func (p *proposal) visits() []*rows {
	var list []*rows
	for _, e := range p.rows {
		if e.through == nil && e.ownedBy == "" && e.where == "" && e.erase != unlink && e.rel != p.client &&
			mentions(words(e.rel.Name), visitWords) && !mentions(words(e.rel.Name), invoiceWords) && start(e.rel) != "" {
			list = append(list, e)
		}
	}
	return list
}
