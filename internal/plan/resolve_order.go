package plan

import (
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// resolveOrder sorts the entries for erasing and for merging.
func (rs *resolver) resolveOrder() {
	rs.eraseOrder, rs.eraseCycle = sortEntries(rs.erased(), rs.erasedBefore)
	rs.mergeOrder, rs.mergeCycle = sortEntries(rs.merged(), rs.mergedBefore)
}

// erased are the entries whose rows refer to clients, in the order that is tried
// first: unlinking, then what may find too few profiles, so that little work is
// lost with it, then the rest; each in the map's order.
func (rs *resolver) erased() []*entry {
	rank := func(e *entry) int {
		switch {
		case e.Erase == erasuremap.Unlink:
			return 0
		case e.Erase == erasuremap.Reassign && len(e.collisions) > 0:
			return 1
		}
		return 2
	}
	all := slices.DeleteFunc(slices.Clone(rs.entries), (*entry).owned)
	slices.SortStableFunc(all, func(a, b *entry) int { return rank(a) - rank(b) })
	return all
}

// erasedBefore reports whether erasing must run a's statement before b's: rows
// that are found through a parent before the parent is reassigned, rows that
// refer to deleted rows before these, and rows of a table with an entry of its own
// before the statement on the table from which it inherits finds them too.
func (rs *resolver) erasedBefore(a, b *entry) bool {
	if slices.Contains(a.parents, b) || rs.catalog.inherits(a.rel, b.rel) {
		return true
	}
	if b.Erase != erasuremap.Delete || a.rel == b.rel {
		return false
	}
	return slices.ContainsFunc(a.rel.ForeignKeys, func(fk ForeignKey) bool {
		return fk.to(b.rel) && !fk.Deferred && (a.Erase == erasuremap.Unlink || !rs.unlinked(a.rel, &fk))
	})
}

// merged are the entries whose rows a merge moves or deletes.
func (rs *resolver) merged() []*entry {
	return slices.DeleteFunc(slices.Clone(rs.entries), func(e *entry) bool { return e.owned() || e.Merge == erasuremap.Keep })
}

// mergedBefore reports whether a merge must run a's statement before b's: rows
// that are found through a parent before the parent moves, rows that refer to
// deleted rows before these, and rows of an inheriting table before its parent's.
func (rs *resolver) mergedBefore(a, b *entry) bool {
	if slices.Contains(a.parents, b) || rs.catalog.inherits(a.rel, b.rel) {
		return true
	}
	return b.Merge == erasuremap.Delete && a.rel != b.rel &&
		slices.ContainsFunc(a.rel.ForeignKeys, func(fk ForeignKey) bool { return fk.to(b.rel) && !fk.Deferred })
}

// sortEntries sorts entries so that each comes before those that it must come
// before, and keeps their order otherwise. If there is no such order, cycle are
// the entries that refer to each other.
func sortEntries(rest []*entry, before func(a, b *entry) bool) (sorted, cycle []*entry) {
	for len(rest) > 0 {
		i := slices.IndexFunc(rest, func(e *entry) bool {
			return !slices.ContainsFunc(rest, func(other *entry) bool { return other != e && before(other, e) })
		})
		if i < 0 {
			return nil, rest
		}
		sorted = append(sorted, rest[i])
		rest = slices.Delete(rest, i, i+1)
	}
	return sorted, nil
}
