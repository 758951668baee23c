package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// served reports whether an index finds rows by the columns, in their order. Its
// first keys are the columns; before them may come columns of the same foreign
// key, such as the tenant, and columns that the condition fixes to one value. A
// partial index is assumed to match if the rows have a condition, and matches if
// it leaves out only NULLs.
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

// fixes reports whether a condition fixes a column to one value, as
// subject_type = 'Client' does. In doubt it returns false, which gives an
// unneeded warning.
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

// createIndex is the statement for an index that serves the columns. On a
// partitioned table PostgreSQL cannot build an index concurrently.
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
