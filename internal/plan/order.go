package plan

import (
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// ordered sorts the entries so that what an entry needs is still there when
// its turn comes: rows that are found through a parent before the parent is
// re-pointed, rows that refer to deleted rows before those. Of equal standing
// come links to the clients themselves first, and then what may give up for want
// of profiles, before much work is lost with it. Within these bounds the map's
// order holds.
func (c *compiler) ordered() []*entry {
	standing := func(e *entry) int {
		switch {
		case e.Erase == erasuremap.Unlink:
			return 0
		case e.Erase == erasuremap.Reassign && len(c.collisions(e)) > 0:
			return 1
		}
		return 2
	}
	rest := slices.DeleteFunc(slices.Clone(c.entry), (*entry).owned)
	slices.SortStableFunc(rest, func(a, b *entry) int { return standing(a) - standing(b) })
	return c.inOrder(rest, c.before)
}

// inOrder sorts entries so that none comes after one that it must come before.
// What has no such order is a gap.
func (c *compiler) inOrder(rest []*entry, before func(a, b *entry) bool) []*entry {
	var done []*entry
	for len(rest) > 0 {
		i := slices.IndexFunc(rest, func(e *entry) bool {
			return !slices.ContainsFunc(rest, func(other *entry) bool { return other != e && before(other, e) })
		})
		if i < 0 {
			names := make([]string, len(rest))
			for k, e := range rest {
				names[k] = c.name(e.rel)
			}
			c.gap(rest[0].Pos, rest[0].rel, "", "unlink one of the references first: {table: …, through: …, reference: …, erase: unlink}",
				"no order of deletion: %s refer to each other", strings.Join(names, ", "))
			return nil
		}
		done = append(done, rest[i])
		rest = slices.Delete(rest, i, i+1)
	}
	return done
}

// before reports whether a's statement must run before b's.
func (c *compiler) before(a, b *entry) bool {
	if slices.Contains(a.parents, b) {
		return true
	}
	if b.Erase != erasuremap.Delete || a.rel == b.rel {
		return false
	}
	return slices.ContainsFunc(a.rel.ForeignKeys, func(fk ForeignKey) bool {
		return fk.to(b.rel) && !fk.Deferred && (a.Erase == erasuremap.Unlink || !c.unlinked(a.rel, &fk))
	})
}

// unlinked reports whether an entry of its own sets the foreign key to NULL.
func (c *compiler) unlinked(r *Relation, fk *ForeignKey) bool {
	return slices.ContainsFunc(c.entry, func(e *entry) bool {
		return e.rel == r && e.Erase == erasuremap.Unlink && e.Where == "" && c.follows(e, fk)
	})
}

// follows reports whether the entry finds its rows by the foreign key.
func (c *compiler) follows(e *entry, fk *ForeignKey) bool {
	switch {
	case e.owned() || !slices.Contains(fk.Columns, e.Reference):
		return false
	case e.through():
		return len(e.parents) > 0 && fk.to(e.parents[0].rel)
	}
	return fk.to(c.client)
}
