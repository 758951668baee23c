package generated

import "slices"

// Smaller lists specs that have one element less. PostgreSQL or the map may refuse
// some of them; ignore those.
func (s *Spec) Smaller() []*Spec {
	var all []*Spec
	try := func(change func(c *Spec) bool) {
		if c := s.clone(); change(c) {
			all = append(all, c)
		}
	}
	for i, t := range s.Tables {
		if !s.needed(t.Name) {
			try(func(c *Spec) bool { c.Tables = slices.Delete(c.Tables, i, i+1); return true })
		}
	}
	for i, h := range s.Hooks {
		try(func(c *Spec) bool {
			c.Hooks = slices.Delete(c.Hooks, i, i+1)
			if to := c.table(h.Target); to != nil && to.History {
				c.Tables = slices.DeleteFunc(c.Tables, func(t *Table) bool { return t == to })
			}
			return true
		})
	}
	for i := range s.Views {
		try(func(c *Spec) bool { c.Views = slices.Delete(c.Views, i, i+1); return true })
	}
	for i := range s.Extras {
		try(func(c *Spec) bool { c.Extras = slices.Delete(c.Extras, i, i+1); return true })
	}
	off := func(flag func(c *Spec) *bool) {
		try(func(c *Spec) bool { was := *flag(c); *flag(c) = false; return was })
	}
	off(func(c *Spec) *bool { return &c.Scoped })
	if !s.Scoped {
		off(func(c *Spec) *bool { return &c.Tenants })
	}
	off(func(c *Spec) *bool { return &c.Anonymize })
	off(func(c *Spec) *bool { return &c.Hold })
	off(func(c *Spec) *bool { return &c.DryRun })
	off(func(c *Spec) *bool { return &c.Merge })
	off(func(c *Spec) *bool { return &c.UniqueMail })
	try(func(c *Spec) bool { c.Key = Bigint; return s.Key != Bigint && !s.has(OtherCase) })
	try(func(c *Spec) bool { c.Clients = 6; return s.Clients > 6 })
	try(func(c *Spec) bool { c.Clients = 3; return s.Clients == 6 })
	for i, t := range s.Tables {
		set := func(change func(t *Table) bool) { try(func(c *Spec) bool { return change(c.Tables[i]) }) }
		set(func(t *Table) bool { was := t.Unique; t.Unique = NoUnique; return was != NoUnique })
		set(func(t *Table) bool { was := t.Partition; t.Partition = NoPartition; return was != NoPartition })
		set(func(t *Table) bool { was := t.Retain; t.Retain = ""; return was != "" })
		set(func(t *Table) bool { was := t.Check; t.Check = ""; return was != "" })
		for k := range t.Columns {
			if k > 0 {
				set(func(t *Table) bool { t.Columns = slices.Delete(t.Columns, k, k+1); return true })
			}
		}
		for k := range t.Ways {
			if k > 0 {
				set(func(t *Table) bool { t.Ways = slices.Delete(t.Ways, k, k+1); return true })
			}
			way := func(change func(w *Way) bool) { set(func(t *Table) bool { return change(&t.Ways[k]) }) }
			way(func(w *Way) bool { was := w.Deferred; w.Deferred = false; return was })
			way(func(w *Way) bool { was := w.OnDelete; w.OnDelete = ""; return was != "" })
			way(func(w *Way) bool { was := w.AsText; w.AsText = false; return was })
			way(func(w *Way) bool { was := w.NotNull; w.NotNull = false; return was })
		}
	}
	return all
}

// needed reports whether another element of the spec refers to the table.
func (s *Spec) needed(name string) bool {
	return slices.ContainsFunc(s.Tables, func(t *Table) bool {
		return t.Inherits == name || slices.ContainsFunc(t.Ways, func(w Way) bool { return w.Through == name && t.Name != name })
	}) || slices.ContainsFunc(s.Hooks, func(h Hook) bool { return h.Table == name || h.On == name || h.Target == name }) ||
		slices.ContainsFunc(s.Views, func(v View) bool { return v.Table == name })
}
