package plan

import (
	"fmt"
	"slices"
	"strings"
)

// collision is a unique index that keeps re-pointed rows apart: the reference
// is one of its keys, others are the rest.
type collision struct {
	others    []string // expressions over bare column names
	nullable  []bool
	predicate string
	nullsMeet bool // NULLS NOT DISTINCT
}

// same finds the same index on another partition, or a second one like it.
func (x collision) same(y collision) bool {
	return slices.Equal(x.others, y.others) && x.predicate == y.predicate && x.nullsMeet == y.nullsMeet
}

// takesEveryRow reports whether no row is outside of the index.
func (x collision) appliesAlways() bool { return x.applies() == "true" }

// applies is the condition under which a row is subject to the index at all.
func (x collision) applies() string {
	var conds []string
	for i, o := range x.others {
		if x.nullable[i] && !x.nullsMeet {
			conds = append(conds, o+" IS NOT NULL")
		}
	}
	if x.predicate != "" {
		conds = append(conds, "("+x.predicate+")")
	}
	if len(conds) == 0 {
		return "true"
	}
	return strings.Join(conds, " AND ")
}

// meets is the condition under which a row shares the index's other keys with
// the row aliased mine, whose n-th key of them all is mine.oubli_on.
func (x collision) meets(mine string, keys []string) string {
	var conds []string
	for i, o := range x.others {
		equal := "="
		if x.nullable[i] && x.nullsMeet {
			equal = "IS NOT DISTINCT FROM"
		}
		conds = append(conds, fmt.Sprintf("%s %s %s.oubli_o%d", o, equal, mine, slices.Index(keys, o)))
	}
	if x.predicate != "" {
		conds = append(conds, "("+x.predicate+")")
	}
	return strings.Join(conds, " AND ")
}
