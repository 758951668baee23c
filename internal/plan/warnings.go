package plan

import (
	"fmt"
	"regexp"
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

// Warnings lists references that no index serves, so that every chunk, and
// every deletion of a client's row, would read the whole table; activities by
// which selections are slow; pairs of columns that can point to a client
// without anybody having said so; retention periods that begin on a day that is
// guessed; and a client's row that stays.
func Warnings(m *erasuremap.Map, cat *Catalog) []Warning {
	var all []Warning
	warn := func(w Warning) {
		if !slices.ContainsFunc(all, func(known Warning) bool { return known.Table == w.Table && known.Why == w.Why }) {
			all = append(all, w)
		}
	}
	// Before the references: one index can serve both.
	for _, a := range m.Activity {
		r := cat.Relation(a.Table)
		if r == nil || r.Column(a.Reference) == nil || r.Column(a.At) == nil || r.served(a.Where, a.Reference, a.At) {
			continue
		}
		why := "no index serves " + a.Reference
		if r.served(a.Where, a.Reference) {
			why = fmt.Sprintf("no index begins with %s, %s: a selection reads all of a client's rows to find the last", a.Reference, a.At)
		}
		warn(Warning{Table: r.Schema + "." + r.Name, Why: why, Fix: r.createIndex(a.Reference, a.At)})
	}
	check := func(n erasuremap.Name, column, condition string) {
		r := cat.Relation(n)
		if r == nil || r.Column(column) == nil || r.served(condition, column) {
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
	for _, w := range append(loosePairs(m, cat), retentionWarnings(m, cat)...) {
		warn(w)
	}
	if m.Client.Erase == erasuremap.Anonymize {
		warn(Warning{Table: m.Client.Table.String(), Why: "client.erase: anonymize keeps one row a client, so what is kept stays linkable (pseudonymous, not anonymous)", Fix: "erase: delete"})
	}
	slices.SortFunc(all, func(a, b Warning) int { return strings.Compare(a.Table+a.Why, b.Table+b.Why) })
	return all
}

// loosePairs are polymorphic pairs, such as author_type and author_id, of
// mapped tables that no entry speaks of. In tables outside of the map they are
// gaps.
func loosePairs(m *erasuremap.Map, cat *Catalog) []Warning {
	c := &compiler{m: m, cat: cat}
	if !c.resolveClient() {
		return nil
	}
	c.resolveTables()
	var all []Warning
	for _, r := range c.mapped() {
		for i := range r.Columns {
			col := &r.Columns[i]
			spoken := slices.ContainsFunc(c.entry, func(e *entry) bool {
				return e.rel == r && (e.Reference == col.Name || hasRule(e.rules(), col.Name))
			})
			kind := c.pairedWith(r, col)
			if kind == nil || spoken || r.isForeign(col.Name) || r == c.client {
				continue
			}
			all = append(all, Warning{Table: r.Schema + "." + r.Name,
				Why: fmt.Sprintf("%s and %s can point to a client, or to rows that go, and no entry says what becomes of such rows", kind.Name, col.Name),
				Fix: fmt.Sprintf(`under tables: - {table: %s, reference: %s, where: "%s = '…'", erase: …}, or under columns: %s: keep`, c.name(r), col.Name, kind.Name, col.Name)})
		}
	}
	return all
}

// served reports whether an index finds rows by the columns, in their order:
// they lead the index, or follow what stands beside the first in a foreign
// key, as a tenant does, or what the condition holds to one value. A partial
// index is trusted when the rows in question have a condition of their own, or
// when it leaves out nothing but NULLs.
func (r *Relation) served(condition string, columns ...string) bool {
	column := columns[0]
	beside := func(key string) bool {
		return slices.ContainsFunc(r.ForeignKeys, func(fk ForeignKey) bool {
			return slices.Contains(fk.Columns, column) && slices.Contains(fk.Columns, key)
		})
	}
	return slices.ContainsFunc(r.Indexes, func(x Index) bool {
		want := columns
		partial := x.Predicate != "" && condition == "" && withoutNotNull(x.Predicate, column) != "(true)"
		if partial || x.Unusable || (x.Method != "btree" && (x.Method != "hash" || len(columns) > 1)) {
			return false
		}
		for i, key := range x.Keys {
			switch {
			case x.Expression[i]:
				return false
			case key == want[0]:
				if want = want[1:]; len(want) == 0 {
					return true
				}
			case !beside(key) && !fixes(condition, key):
				return false
			}
		}
		return false
	})
}

// fixes reports whether a condition holds a column to one value, as
// subject_type = 'Client' does. What it cannot tell it denies: the price is a
// warning too many.
func fixes(condition, column string) bool {
	if alternatives.MatchString(condition) {
		return false
	}
	name := regexp.QuoteMeta(ident(column))
	if strings.ToLower(column) == column {
		name += "|(?i:" + regexp.QuoteMeta(column) + ")"
	}
	equal := regexp.MustCompile(`^[\s(]*(` + name + `)[\s)]*(=\s*('|[0-9])|(?i:IN)\s*\()`)
	return slices.ContainsFunc(conjunction.Split(condition, -1), equal.MatchString)
}

var (
	alternatives = regexp.MustCompile(`(?i)\b(OR|NOT|CASE)\b`)
	conjunction  = regexp.MustCompile(`(?i)\bAND\b`)
)

// createIndex is the statement that would serve the columns. PostgreSQL cannot
// build an index on a partitioned table beside its traffic.
func (r *Relation) createIndex(columns ...string) string {
	concurrently := "CONCURRENTLY "
	if r.Kind == "p" {
		concurrently = ""
	}
	for i, column := range columns {
		columns[i] = ident(column)
	}
	return fmt.Sprintf("CREATE INDEX %sON %s (%s)", concurrently, r.ident(), strings.Join(columns, ", "))
}
