package plan

import "slices"

// changed are the tables whose rows the map changes, the clients' own among them.
func (c *compiler) changed() []string {
	names := []string{c.client.ident()}
	for _, e := range c.entry {
		names = append(names, e.rel.ident())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// touched are the relations in whose files, indexes and statistics something of
// an erased client may be left: every table that changes, and the views that
// copy from them.
func (c *compiler) touched() []string {
	names := c.changed()
	for _, r := range c.m.Refresh {
		names = append(names, c.cat.Relation(r.View).ident())
	}
	slices.Sort(names)
	return slices.Compact(names)
}
