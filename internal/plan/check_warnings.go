package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// Warning is something that works but should be changed.
type Warning struct {
	Table string `json:"table"`
	Why   string `json:"why"`
	Fix   string `json:"fix"` // a statement to run, or what to write in the map
}

// String is the warning in one line.
func (w Warning) String() string { return w.Table + ": " + w.Why + " — " + w.Fix }

// Warnings lists references that no index serves, so that every chunk, and
// every deletion of a client's row, would read the whole table; activities by
// which selections are slow; pairs of columns that can point to a client and
// that no entry mentions; retention periods that begin on a day that is
// guessed; names by which clients are searched without an index; and a client's
// row that stays.
func Warnings(m *erasuremap.Map, catalog *Catalog) []Warning {
	md, _ := resolve(m, catalog)
	if !md.identified {
		return nil
	}
	w := &warner{checker: checker{model: md}}
	w.warnOfActivity() // before the references: one index can serve both
	w.warnOfReferences()
	w.warnOfShared()
	w.warnOfUnowned()
	w.warnOfSearch()
	w.warnOfLoosePairs()
	w.warnOfRetention()
	w.warnOfTimes()
	if m.Client.Erase == erasuremap.Anonymize {
		w.add(m.Client.Table.String(), "client.erase: anonymize keeps one row a client, "+
			"so what is kept stays linkable (pseudonymous, not anonymous)", "erase: delete")
	}
	slices.SortFunc(w.all, func(a, b Warning) int { return strings.Compare(a.Table+a.Why, b.Table+b.Why) })
	return w.all
}

// warner looks for what works in a model, with or without gaps, but should be
// changed.
type warner struct {
	checker
	all []Warning
}

func (w *warner) add(table, why, fix string) {
	if !slices.ContainsFunc(w.all, func(known Warning) bool { return known.Table == table && known.Why == why }) {
		w.all = append(w.all, Warning{Table: table, Why: why, Fix: fix})
	}
}

func (w *warner) warnOfActivity() {
	for _, a := range w.activity {
		if a.key == nil || a.at == nil || a.rel.served(a.Where, a.Reference, a.At) {
			continue
		}
		why := "no index serves " + a.Reference
		if a.rel.served(a.Where, a.Reference) {
			why = fmt.Sprintf("no index begins with %s, %s: a selection reads all of a client's rows to find the last", a.Reference, a.At)
		}
		w.add(a.rel.qualified(), why, a.rel.createIndex(a.Reference, a.At))
	}
}

func (w *warner) warnOfReferences() {
	check := func(r *Relation, column, condition string) {
		if r != nil && r.Column(column) != nil && !r.served(condition, column) {
			w.add(r.qualified(), "no index serves "+column, r.createIndex(column))
		}
	}
	for _, e := range w.entries {
		if !e.fold {
			check(e.rel, e.Reference, e.Where)
		}
		check(w.client, e.OwnedBy, "")
	}
	for _, g := range w.guards {
		check(g.rel, g.Reference, g.Where)
	}
}

// warnOfLoosePairs looks in mapped tables for polymorphic pairs, such as
// author_type and author_id, that no entry mentions. In tables outside of the
// map they are gaps.
func (w *warner) warnOfLoosePairs() {
	for _, r := range w.relations() {
		for i := range r.Columns {
			col := &r.Columns[i]
			mentioned := slices.ContainsFunc(w.entries, func(e *entry) bool {
				return e.rel == r && (e.Reference == col.Name || hasRule(e.allRules(), col.Name))
			})
			kind := w.pairedWith(r, col)
			if kind == nil || mentioned || r.isForeign(col.Name) || r == w.client {
				continue
			}
			w.add(r.qualified(),
				fmt.Sprintf("%s and %s can refer to a client, or to rows that are deleted, and no entry says what becomes of such rows",
					kind.Name, col.Name),
				fmt.Sprintf(`under tables: - {table: %s, reference: %s, where: "%s = '…'", erase: …}, or under columns: %s: keep`,
					w.name(r), col.Name, kind.Name, col.Name))
		}
	}
}

// warnOfUnowned says which foreign keys of the client's row lead to a table of owned
// rows and are no entry's: the rows to which they point stay.
func (w *warner) warnOfUnowned() {
	for _, e := range w.entries {
		if !e.owned() {
			continue
		}
		for i := range w.client.ForeignKeys {
			fk := &w.client.ForeignKeys[i]
			column := w.referenceColumn(fk, e.rel)
			mapped := func(o *entry) bool { return o.rel == e.rel && o.OwnedBy == column }
			if fk.to(e.rel) && !slices.ContainsFunc(w.entries, mapped) {
				w.add(e.rel.qualified(), fmt.Sprintf("rows that only %s of an erased client pointed to stay", column),
					fmt.Sprintf("under tables: - {table: %s, owned_by: %s, erase: delete}", w.name(e.rel), column))
			}
		}
	}
}

// warnOfRetention says where the day or the year from which a retention counts
// is guessed.
func (w *warner) warnOfRetention() {
	tenant := w.m.Tenant
	for _, e := range w.entries {
		if e.Retain == nil {
			continue
		}
		if e.since != nil && e.since.Base == "timestamptz" && (tenant == nil || tenant.TimeZone == "") {
			w.add(e.dated().qualified(),
				fmt.Sprintf("the day of %s depends on a time zone that the map does not name: the last one on earth in which a day ends "+
					"is assumed, "+
					"so that a row of the last day of a year may be kept for a year too long", e.since.Name),
				"under tenant: timezone: …, a column with names such as Europe/Vienna; or let since name a column of type date")
		}
		for _, rule := range w.m.Retention {
			if rule.Name == e.Retain.Rule && usesFiscalYears(rule) && (tenant == nil || tenant.FiscalYearEnd == "") {
				w.add(e.rel.qualified(),
					"retention "+rule.Name+" counts from the end of fiscal years, and the map does not say when these end: calendar "+
						"years are assumed",
					"under tenant: fiscal_year_end: …, a column with the month or MM-DD")
			}
		}
	}
}

// warnOfTimes says which rules write the moment of the erasure. All rows that one
// client leaves would hold the same.
func (w *warner) warnOfTimes() {
	for _, x := range w.writes() {
		if x.entry == nil || x.rule == nil || x.rule.Kind != erasuremap.SQL {
			continue
		}
		if tellsTime.MatchString(x.rule.Text) && !strings.Contains(strings.ToLower(x.rule.Text), "date_trunc") {
			w.add(x.rel.qualified(),
				fmt.Sprintf("the rule of %s writes the moment of the erasure, which tells the rows of one client from those of others",
					x.column.Name),
				"write a coarser time, such as date_trunc('month', now())")
		}
	}
}

// tellsTime matches expressions that give the time.
var tellsTime = regexp.MustCompile(`(?i)\b(?:now\s*\(|current_timestamp|localtimestamp|(?:clock|statement|transaction)_timestamp)`)

func usesFiscalYears(rule erasuremap.Retention) bool {
	for _, periods := range rule.Countries {
		if erasuremap.NeedsFiscalYear(periods) {
			return true
		}
	}
	return erasuremap.NeedsFiscalYear(rule.Otherwise)
}
