package plan

import (
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// entry is one of the map's tables: one path by which rows of a relation belong
// to clients, and what becomes of them.
type entry struct {
	*erasuremap.Table
	link                // for rows that refer to the client; otherwise only the relation
	reference *Column   // nil for owned rows
	parents   []*entry  // with through: every entry by which the parent's rows belong to a client
	pairs     []pair    // with through: columns that refer to the parent; owned rows: the client's columns that refer to them
	pointers  []pointer // all ways in which rows refer to this entry's rows

	rules    []columnRule // applied at once
	retained []columnRule // applied when the retention period has ended
	since    *Column      // the day from which retention counts; nil without retention
	sinceOf  []step       // the way to the parent that has since; empty: the row itself has it

	mayComeLate   bool        // no foreign key refuses rows that are written after their client is gone
	collisions    []collision // unique indexes under which reassigned rows may collide
	uniqueIndexes []*Index    // unique indexes that a change of the reference affects
}

// step leads from a row to its parent: pairs are columns of the row and of rel.
type step struct {
	rel   *Relation
	pairs []pair
}

// dated is the table that has the column since.
func (e *entry) dated() *Relation {
	if n := len(e.sinceOf); n > 0 {
		return e.sinceOf[n-1].rel
	}
	return e.rel
}

func (e *entry) owned() bool   { return e.OwnedBy != "" }
func (e *entry) through() bool { return e.Through != (erasuremap.Name{}) }

// referenced is the column that the reference refers to, if the map says so.
func (e *entry) referenced() string {
	if e.References == nil {
		return ""
	}
	return e.References.Column
}

// moves reports whether erasing writes the reference.
func (e *entry) moves() bool { return e.Erase == erasuremap.Reassign || e.Erase == erasuremap.Unlink }

// stays reports whether the entry's rows are still there after erasing.
func (e *entry) stays() bool { return !e.owned() && e.Erase != erasuremap.Delete }

// allRules are the column rules of the entry, those that wait for the end of a
// retention period included.
func (e *entry) allRules() []columnRule { return slices.Concat(e.rules, e.retained) }

// onProfile reports whether the entry's rows can be found by anonymous profiles
// after erasing. A cyclic `through` chain returns false.
func (e *entry) onProfile() bool { return e.onProfileAfter(nil) }

func (e *entry) onProfileAfter(seen []*entry) bool {
	switch {
	case slices.Contains(seen, e) || e.Erase == erasuremap.Unlink:
		return false
	case !e.through():
		return e.Erase == erasuremap.Reassign
	}
	return !slices.ContainsFunc(e.parents, func(p *entry) bool { return !p.onProfileAfter(append(seen, e)) })
}

// staysBehind reports whether rows of the entry may still be the source's after
// a merge has moved all others.
func (e *entry) staysBehind() bool {
	if e.Merge != erasuremap.Keep {
		return false
	}
	return !e.through() || slices.ContainsFunc(e.parents, (*entry).staysBehind)
}

// collision is a unique index under which two reassigned rows may collide: the
// reference is one of its keys, others are the rest.
type collision struct {
	index     string   // its name
	others    []string // expressions over bare column names
	nullable  []bool
	predicate string
	nullsMeet bool // NULLS NOT DISTINCT
}
