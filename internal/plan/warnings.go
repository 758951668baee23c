package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// Warning is something that works but should be mended.
type Warning struct {
	Table string `json:"table"`
	Why   string `json:"why"`
	Fix   string `json:"fix"` // a statement to run
}

// String is the warning in one line.
func (w Warning) String() string { return w.Table + ": " + w.Why + " — " + w.Fix }

// Warnings lists references that no index serves: every chunk, and every
// deletion of a client's row, would read the whole table.
func Warnings(m *erasuremap.Map, cat *Catalog) []Warning {
	var all []Warning
	warn := func(w Warning) {
		if !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	check := func(n erasuremap.Name, column, condition string) {
		r := cat.Relation(n)
		if r == nil || r.Column(column) == nil || r.served(column, condition) {
			return
		}
		warn(Warning{Table: r.Schema + "." + r.Name, Why: "no index serves " + column, Fix: r.createIndex(column)})
	}
	for _, t := range m.Tables {
		check(t.Table, t.Reference, t.Where)
		check(m.Client.Table, t.OwnedBy, "")
	}
	for _, g := range m.Guards {
		check(g.Table, g.Reference, g.Where)
	}
	for _, a := range m.Activity {
		check(a.Table, a.Reference, a.Where)
	}
	if m.Client.Erase == erasuremap.Anonymize {
		warn(Warning{Table: m.Client.Table.String(), Why: "client.erase: anonymize keeps one row a client, so what is kept stays linkable (pseudonymous, not anonymous)", Fix: "erase: delete"})
	}
	slices.SortFunc(all, func(a, b Warning) int { return strings.Compare(a.Table+a.Why, b.Table+b.Why) })
	return all
}

// served reports whether an index finds rows by column: it leads the index, or
// follows what stands beside it in a foreign key, as a tenant does. A partial
// index is trusted when the rows in question have a condition of their own, or
// when it leaves out nothing but NULLs.
func (r *Relation) served(column, condition string) bool {
	beside := func(key string) bool {
		return slices.ContainsFunc(r.Foreign, func(fk ForeignKey) bool {
			return slices.Contains(fk.Columns, column) && slices.Contains(fk.Columns, key)
		})
	}
	return slices.ContainsFunc(r.Indexes, func(x Index) bool {
		partial := x.Predicate != "" && condition == "" && withoutNotNull(x.Predicate, column) != "(true)"
		if partial || x.Unusable || (x.Method != "btree" && x.Method != "hash") {
			return false
		}
		for i, key := range x.Keys {
			switch {
			case x.Expression[i]:
				return false
			case key == column:
				return true
			case !beside(key):
				return false
			}
		}
		return false
	})
}

// createIndex is the statement that would serve column. PostgreSQL cannot
// build an index on a partitioned table beside its traffic.
func (r *Relation) createIndex(column string) string {
	concurrently := "CONCURRENTLY "
	if r.Kind == "p" {
		concurrently = ""
	}
	return fmt.Sprintf("CREATE INDEX %sON %s (%s)", concurrently, r.ident(), ident(column))
}
