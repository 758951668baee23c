package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/jobs"
)

// Merge is what merging a client into another one of its tenant runs, one
// source at a time: ArgKeys holds the source alone, ArgTarget the client that
// takes over. A merge into the anonymous profile is an erasure and has no
// statements of its own.
type Merge struct {
	// Refused are the reasons why clients cannot be merged under this map. They
	// keep nobody from erasing; with them there are no statements.
	Refused Gaps

	LockTarget     Statement   // → (key) of the target, locked, if it is a client of the tenant
	Guards         Statement   // → (key, code or NULL, NULL) of the source
	LockConflicts  []Statement // locks what DropDuplicates decides about
	Conflicts      []Conflict  // rows of which the target has the like already
	DeleteRows     []Statement // deletes what a merge deletes, before DropDuplicates could give it to the target
	DropDuplicates []Statement // lets the target's rows win
	MoveRows       []Statement
	FillTarget     Statement   // fills the target's blanks and leaves the source alone; SQL "" when there is nothing to fill
	EraseSource    []Statement // what is left of the source and its row, as an erasure would
	// FillDelete is Delete with the target's blanks filled in the statement that
	// deletes the source: until then a unique index may keep the two apart.
	FillAndEraseSource []Statement
	// SharedProfile says that Delete may leave rows to the anonymous profile.
	UsesSharedProfile bool
}

// Conflict counts rows of the source that cannot be moved as they are.
type Conflict struct {
	Statement    Statement // → (count, how many of them meet a row that is not the target's)
	CarriesValue bool      // they carry value, so that a merge never drops them
	NeverDropped bool      // they never give way, whatever is asked for
	OnDelete     bool      // a conflict only for a merge that deletes the source
}

func (c *compiler) mergePlan(order []*entry) *Merge {
	m := &Merge{Refused: c.mergeRefused()}
	if len(m.Refused) > 0 {
		return m
	}
	moving := c.mergeOrder()
	m.LockTarget = c.targetStatement()
	m.Guards = c.mergeGuards()
	for _, e := range moving {
		m.LockConflicts = append(m.LockConflicts, c.hold(e)...)
		m.Conflicts = append(m.Conflicts, c.conflicts(e)...)
		m.DropDuplicates = append(m.DropDuplicates, c.drop(e)...)
		if e.Merge == erasuremap.Delete {
			m.DeleteRows = append(m.DeleteRows, c.move(e))
		} else {
			m.MoveRows = append(m.MoveRows, c.move(e))
		}
	}
	m.Conflicts = append(m.Conflicts, c.valuables()...)
	m.FillTarget = c.fill(false)
	m.EraseSource = c.leftovers(order, c.clientRow())
	m.FillAndEraseSource = c.leftovers(order, c.fill(true))
	m.UsesSharedProfile = slices.ContainsFunc(m.EraseSource, func(s Statement) bool { return slices.Contains(s.Args, Arg{Kind: ArgProfile}) })
	return m
}

// All lists the statements, for PostgreSQL to parse and for people to read.
func (m *Merge) All() []Statement {
	if len(m.Refused) > 0 {
		return nil
	}
	all := append(m.Statements(), m.EraseSource...)
	if m.FillTarget.SQL != "" {
		all = append(all, m.FillTarget)
	}
	return all
}

// Refuse gives up merges under this map, if PostgreSQL does not take one of
// their statements. Erasing is none the worse for it.
func (m *Merge) Refuse(all Gaps) { m.Refused = append(m.Refused, all...) }

// Warnings say why merges are refused, for people who only asked whether the
// map covers the schema.
func (m *Merge) Warnings() []Warning {
	var all []Warning
	for _, g := range m.Refused {
		all = append(all, Warning{Table: g.Table, Why: "merges are refused: " + g.Why, Fix: g.Fix})
	}
	return all
}

// Statements is what a merge runs that deletes its source, fills blanks and
// lets the target win conflicts, in order.
func (m *Merge) Statements() []Statement {
	if len(m.Refused) > 0 {
		return nil
	}
	all := append([]Statement{m.LockTarget, m.Guards}, m.LockConflicts...)
	for _, x := range m.Conflicts {
		all = append(all, x.Statement)
	}
	return slices.Concat(all, m.DeleteRows, m.DropDuplicates, m.MoveRows, m.FillAndEraseSource)
}

// mergeRefused are the gaps that concern merges alone.
func (c *compiler) mergeRefused() Gaps {
	erasing := c.gaps
	defer func() { c.gaps = erasing }()
	c.gaps = nil
	c.checkMerge()
	c.mergeOrder()
	return c.gaps
}

// checkMerge refuses what no merge could do, or could only do by losing rows.
func (c *compiler) checkMerge() {
	for _, e := range c.entry {
		switch {
		case e.owned():
		case e.Merge == erasuremap.Move:
			c.checkMove(e)
		case e.Merge == erasuremap.Delete:
			c.checkMergeDelete(e)
		case e.through() && !slices.ContainsFunc(e.parents, func(p *entry) bool { return p.Merge != erasuremap.Delete }):
			c.gap(e.Pos, e.rel, e.Reference, "merge: move for "+e.Through.String()+", or merge: delete here", "a merge would delete the rows of %s that these refer to", e.Through)
		}
	}
	for _, name := range c.m.Client.Fill {
		if col := c.client.Column(name); col.Generated {
			c.gap(c.m.Client.Pos, c.client, name, "leave it out of fill", "a generated column cannot be filled")
		}
	}
}

func (c *compiler) checkMove(e *entry) {
	if e.reference.Generated {
		c.gap(e.Pos, e.rel, e.Reference, "merge: keep or merge: delete", "a merge cannot write the column: PostgreSQL computes it")
	}
	for i := range c.cat.Relations {
		r := &c.cat.Relations[i]
		for _, fk := range r.ForeignKeys {
			if fk.to(e.rel) && slices.Contains(fk.ParentColumns, e.Reference) {
				c.gap(e.Pos, e.rel, e.Reference, "merge: keep, or let the foreign key refer to another column",
					"a merge cannot write the column: foreign key %s of %s refers to it", fk.Name, c.name(r))
			}
		}
	}
}

// checkMergeDelete refuses deletes that would take rows along which no entry
// deletes, or that PostgreSQL would not let happen.
func (c *compiler) checkMergeDelete(e *entry) {
	for i := range c.cat.Relations {
		r := &c.cat.Relations[i]
		for k := range r.ForeignKeys {
			fk := &r.ForeignKeys[k]
			named := slices.ContainsFunc(c.entry, func(x *entry) bool {
				return x.rel == r && x.Where == "" && x.Merge == erasuremap.Delete && c.follows(x, fk)
			})
			switch {
			case !fk.to(e.rel) || named:
			case fk.OnDelete == "cascade":
				c.gap(e.Pos, e.rel, e.Reference, "merge: delete for "+c.name(r)+" too, or ON DELETE NO ACTION",
					"a merge would delete rows of %s along with these: foreign key %s is ON DELETE CASCADE", c.name(r), fk.Name)
			case fk.OnDelete == "":
				c.gap(e.Pos, e.rel, e.Reference, "merge: move, or ON DELETE SET NULL for foreign key "+fk.Name,
					"a merge would delete rows that rows of %s still refer to", c.name(r))
			}
		}
	}
}

// mergeOrder sorts the entries whose rows a merge moves or deletes: those that
// are found through a parent before the parent moves, and those that refer to
// deleted rows before these.
func (c *compiler) mergeOrder() []*entry {
	var all []*entry
	for _, e := range c.entry {
		if !e.owned() && e.Merge != erasuremap.Keep {
			all = append(all, e)
		}
	}
	return c.inOrder(all, func(a, b *entry) bool {
		if slices.Contains(a.parents, b) {
			return true
		}
		return b.Merge == erasuremap.Delete && a.rel != b.rel &&
			slices.ContainsFunc(a.rel.ForeignKeys, func(fk ForeignKey) bool { return fk.to(b.rel) && !fk.Deferred })
	})
}

// knownStatement finds those of the keys that are clients of the tenant, and
// says which of them are nobody.
func (c *compiler) knownStatement() Statement {
	t := &text{}
	t.add("SELECT %s::text, %s\nFROM %s AS \"c\"\nWHERE %s", ident("c", c.key.Name), c.isProfile(t, ident("c", c.key.Name)), c.client.ident(), c.theseClients(t, "c"))
	return t.statement("clients: find", c.name(c.client))
}

// targetStatement locks the client that takes over, so that nobody erases it
// meanwhile; bookings for it go on. One that somebody else is changing comes
// back in a later try.
func (c *compiler) targetStatement() Statement {
	t := &text{}
	t.add("SELECT %s::text\nFROM %s AS \"c\"\nWHERE %s\nFOR NO KEY UPDATE SKIP LOCKED",
		ident("c", c.key.Name), c.client.ident(), c.thisTarget(t, "c"))
	return t.statement("target: lock", c.name(c.client))
}

// thisTarget is the condition that picks the client that takes over.
func (c *compiler) thisTarget(t *text, alias string) string {
	return c.ofTenant(t, alias, ident(alias, c.key.Name)+" = "+t.scalar(Arg{Kind: ArgTarget}, keyType(c.key, c.key)))
}

// mergeGuards says which guard keeps the source from being merged. What a guard
// protects on the client's own row goes with the row, and rows elsewhere that
// move, all of them, are as safe as before.
func (c *compiler) mergeGuards() Statement {
	t := &text{}
	key := ident("c", c.key.Name)
	t.add("SELECT %s::text,\n  CASE\n    WHEN %s THEN %s\n", key, c.isProfile(t, key), literal(jobs.CodeAnonymousProfile))
	for _, g := range c.m.Guards {
		if c.movesAway(g) {
			continue
		}
		cond := "(" + g.Where + ")"
		if g.Table != (erasuremap.Name{}) {
			cond = c.exists(g.Table, g.Reference, cond)
		}
		t.add("    WHEN %s THEN %s\n", cond, literal(g.Name))
	}
	t.add("  END,\n  NULL::date[]\nFROM %s AS \"c\"\nWHERE %s", c.client.ident(), c.theseClients(t, "c"))
	return t.statement("source: guards", c.name(c.client))
}

// movesAway reports whether all rows that a guard looks at go to the target.
func (c *compiler) movesAway(g erasuremap.Guard) bool {
	if g.Table == (erasuremap.Name{}) {
		return false
	}
	r := c.cat.Relation(g.Table)
	return slices.ContainsFunc(c.entry, func(e *entry) bool {
		return e.rel == r && !e.owned() && !e.through() && e.Reference == g.Reference && e.Where == "" && e.Merge == erasuremap.Move &&
			!(c.droppable(e) && len(c.uniquesOver(e)) > 0)
	})
}

// move is what a merge does to the rows of one entry.
func (c *compiler) move(e *entry) Statement {
	t, name := &text{}, c.name(e.rel)
	if e.Merge == erasuremap.Delete {
		t.add("DELETE FROM %s AS \"t\"\nWHERE %s", e.rel.ident(), c.belongs(t, e, "t"))
		return t.statement(name+": delete", name)
	}
	target := t.scalar(Arg{Kind: ArgTarget}, keyType(e.reference, c.key))
	if e.rel == c.client && !e.reference.NotNull {
		// The target itself may refer to the source, and not to itself after that.
		target = fmt.Sprintf("CASE WHEN %s THEN NULL ELSE %s END", c.thisTarget(t, "t"), target)
	}
	t.add("UPDATE %s AS \"t\"\nSET %s = %s\nWHERE %s", e.rel.ident(), ident(e.Reference), target, c.belongs(t, e, "t"))
	return t.statement(name+": move", name)
}

// fill is the statement that gives the target what it has not and the source
// has: together with the end of the source's own row when it deletes, and
// otherwise leaving out what a unique index allows only once.
func (c *compiler) fill(deletes bool) Statement {
	var columns []*Column
	for _, name := range c.m.Client.Fill {
		col := c.client.Column(name)
		shared := slices.ContainsFunc(c.client.Indexes, func(x Index) bool {
			return (x.Unique || x.Exclusion) && (x.has(name) || x.computes(name) || mentions(x.Predicate, name))
		})
		if deletes || !shared {
			columns = append(columns, col)
		}
	}
	if len(columns) == 0 {
		if deletes {
			return c.clientRow()
		}
		return Statement{}
	}
	t, name := &text{}, c.name(c.client)
	var taken, set []string
	for i, col := range columns {
		given := fmt.Sprintf("s.oubli_f%d", i)
		taken = append(taken, fmt.Sprintf("%s AS oubli_f%d", ident("t", col.Name), i))
		missing := blank(col, ident("c", col.Name)) + " AND NOT " + blank(col, given)
		if c.client.foreignTo(col.Name, c.client) != nil { // nobody comes to refer to themselves
			missing += " AND " + given + " <> " + ident("c", c.key.Name)
		}
		set = append(set, fmt.Sprintf("%s = CASE WHEN %s THEN %s ELSE %s END", ident(col.Name), missing, given, ident("c", col.Name)))
	}
	source, what := "", name+": fill"
	switch {
	case !deletes:
		source = fmt.Sprintf("SELECT %s FROM %s AS \"t\" WHERE %s", strings.Join(taken, ", "), c.client.ident(), c.theseClients(t, "t"))
	case c.m.Client.Erase == erasuremap.Anonymize:
		// What the row held before, which RETURNING alone would not tell.
		what = name + ": fill, and anonymize the source"
		var was []string
		for i := range columns {
			was = append(was, fmt.Sprintf("was.oubli_f%d", i))
		}
		source = fmt.Sprintf("UPDATE %s AS \"t\" SET %s FROM (SELECT %s FROM %s AS \"t\" WHERE %s) AS was WHERE %s RETURNING %s", c.client.ident(),
			assignments(c.ruled(t, c.client, "t", c.m.Client.Columns)...), strings.Join(taken, ", "), c.client.ident(), c.theseClients(t, "t"), c.theseClients(t, "t"), strings.Join(was, ", "))
	default:
		what = name + ": fill, and delete the source"
		source = fmt.Sprintf("DELETE FROM %s AS \"t\" WHERE %s RETURNING %s", c.client.ident(), c.theseClients(t, "t"), strings.Join(taken, ", "))
	}
	t.add("WITH s AS (\n  %s\n)\nUPDATE %s AS \"c\"\nSET %s\nFROM s\nWHERE %s", source, c.client.ident(), strings.Join(set, ",\n  "), c.thisTarget(t, "c"))
	s := t.statement(what, name)
	s.ClientRows = true
	return s
}

// blank is the condition under which a column says nothing.
func blank(col *Column, expr string) string {
	if col.text() {
		return "(coalesce(btrim(" + expr + "::text), '') = '')"
	}
	return "(" + expr + " IS NULL)"
}

// leftovers erases what a merge leaves with the source: rows of entries that
// it keeps there, what the source's row pointed to, and the row itself.
func (c *compiler) leftovers(order []*entry, clientRow Statement) []Statement {
	all := c.leftBehind()
	for _, e := range order {
		if e.staysBehind() {
			all = append(all, c.rows(e)...)
		}
	}
	all = append(all, clientRow)
	for _, e := range c.entry {
		if e.owned() {
			all = append(all, c.ownedRows(e)...)
		}
	}
	return all
}

// leftBehind looks for rows without a foreign key that are still the source's:
// nothing else would keep its row from being deleted under them.
func (c *compiler) leftBehind() []Statement {
	var all []Statement
	for _, e := range c.entry {
		if e.owned() || e.through() || e.Merge == erasuremap.Keep || e.rel.foreignTo(e.Reference, c.client) != nil {
			continue
		}
		t, name := &text{}, c.name(e.rel)
		t.add("SELECT\nFROM %s AS \"t\"\nWHERE %s\nLIMIT 1", e.rel.ident(), c.belongs(t, e, "t"))
		s := t.statement(name+": see that none is left", name)
		s.FindsNone = true
		all = append(all, s)
	}
	return all
}

// staysBehind reports whether rows of the entry may still be the source's
// after all others have moved.
func (e *entry) staysBehind() bool {
	if e.Merge != erasuremap.Keep {
		return false
	}
	return !e.through() || slices.ContainsFunc(e.parents, (*entry).staysBehind)
}
