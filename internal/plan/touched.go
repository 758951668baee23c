package plan

import "slices"

// touched are the relations in whose files, indexes and statistics something of
// an erased client may be left: every table whose rows the map changes, and the
// views that copy from them.
func (c *compiler) touched() []string {
	names := []string{c.client.ident()}
	for _, e := range c.entry {
		names = append(names, e.rel.ident())
	}
	for _, r := range c.m.Refresh {
		names = append(names, c.cat.Relation(r.View).ident())
	}
	slices.Sort(names)
	return slices.Compact(names)
}
