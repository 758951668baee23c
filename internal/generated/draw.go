package generated

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// names are the names of tables, in the order in which they are used.
var names = []string{"visits", "notes", "orders", "photos", "messages", "vouchers", "labels", "papers"}

const mostTables = 8

// Draw makes a spec from a seed: ordinary tables, and in two of three cases a few
// kinds besides. It leaves out the kinds in without; the rest of the spec stays the
// same.
func Draw(seed uint64, without []string) *Spec {
	d := &draw{Rand: rand.New(rand.NewPCG(seed, 0)), Spec: &Spec{Seed: seed}}
	d.basics()
	for range 1 + d.IntN(mostTables-2) {
		d.ordinary()
	}
	for range d.IntN(4) {
		k := kinds[d.IntN(len(kinds))]
		own := &draw{Rand: rand.New(rand.NewPCG(seed, d.Uint64())), Spec: d.Spec}
		if len(d.Tables) < mostTables && !slices.Contains(without, k.Name) && !slices.Contains(d.Kinds, k.Name) {
			own.add(k)
		}
	}
	return d.Spec
}

// Alone makes a small spec with one kind; without a name, one with no kind.
func Alone(name string) *Spec {
	d := &draw{Rand: rand.New(rand.NewPCG(1, 1)), Spec: &Spec{Seed: 1, Key: Bigint, Clients: 6, Chunk: 4}}
	if name == "" {
		d.plain(Way{Column: "client_id", Erase: Unlink, Soft: true}).Columns[0].Rule = "null"
		return d.Spec
	}
	d.add(kinds[slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })])
	return d.Spec
}

// draw is a spec that is being drawn.
type draw struct {
	*rand.Rand
	*Spec
}

func (d *draw) chance(percent int) bool { return d.IntN(100) < percent }

func oneOf[T any](d *draw, all ...T) T { return all[d.IntN(len(all))] }

func (d *draw) basics() {
	d.Key = oneOf(d, Int, Bigint, UUID, Text, Citext)
	d.Tenants = d.chance(60)
	d.Scoped = d.Tenants && d.chance(35)
	d.Anonymize = d.chance(12)
	d.Hold = d.chance(40)
	d.UniqueMail = d.chance(30)
	d.Clients = 6 + d.IntN(7)
	d.Chunk = 1 + d.IntN(8)
	d.DryRun = d.chance(20)
	d.Merge = !d.Anonymize && d.chance(15)
	if d.chance(30) {
		d.Extras = append(d.Extras, ReferredBy)
	}
	if d.Key == Citext && d.chance(50) {
		d.Extras = append(d.Extras, OtherCase)
	}
}

// next makes an empty table with an unused name.
func (d *draw) next() *Table {
	t := &Table{Name: names[len(names)-1]}
	for _, n := range names {
		if d.table(n) == nil {
			t.Name = n
			break
		}
	}
	return t
}

// ordinary adds a table that does not prevent an erasure.
func (d *draw) ordinary() {
	t := d.next()
	parents := d.parents()
	switch {
	case len(parents) > 0 && d.chance(40):
		d.child(t, oneOf(d, parents...))
	case !d.Anonymize && d.chance(10):
		t.Ways = []Way{{Column: t.Name + "_id", OwnedBy: true, Erase: Delete}}
	case d.chance(12):
		t.Ways = []Way{d.polymorphic()}
	default:
		d.direct(t, oneOf(d, Delete, Delete, Reassign, Reassign, Unlink))
	}
	d.payload(t)
	d.Tables = append(d.Tables, t)
}

// direct makes rows of the table belong to clients by a column of their own.
func (d *draw) direct(t *Table, erase Action) {
	w := Way{Column: oneOf(d, "client_id", "owner"), Erase: erase, Soft: d.chance(30), NotNull: erase != Unlink && d.chance(60)}
	switch {
	case w.Soft:
		w.AsText = !d.Scoped && d.Key != Citext && d.chance(25)
	default:
		w.OnDelete, w.Deferred = d.onDelete(w), d.chance(15)
	}
	t.Ways = append(t.Ways, w)
	if d.chance(20) {
		second := Way{Column: "guest_id", Erase: oneOf(d, Unlink, erase), Soft: d.chance(30)}
		if !second.Soft {
			second.OnDelete = d.onDelete(second)
		}
		t.Ways = append(t.Ways, second)
	}
	switch {
	case erase == Delete && d.chance(15):
		t.Ways = append(t.Ways, Way{Column: "answers_to", Through: t.Name, Erase: Unlink})
	case w.NotNull && d.chance(20):
		t.Partition = oneOf(d, HashPartition, ListPartition)
	}
	if d.chance(30) {
		t.Unique = oneOf(d, PlainUnique, PartialUnique, ExpressionUnique)
		if t.Partition != NoPartition {
			t.Unique = NoUnique // it would have to contain the partition's key
		}
	}
	if erase == Reassign && !d.Anonymize && d.chance(25) {
		t.Retain = "billing"
	}
}

func (d *draw) onDelete(w Way) string {
	all := []string{"", "", "RESTRICT"}
	if w.Where.SQL == "" {
		all = append(all, "CASCADE")
	}
	if !w.NotNull && !d.Scoped { // of a key of two columns it would empty the tenant's too
		all = append(all, "SET NULL")
	}
	return oneOf(d, all...)
}

// polymorphic is a reference with a column that says to which table it refers.
func (d *draw) polymorphic() Way {
	return Way{Column: "subject_id", Soft: true, AsText: !d.Scoped && d.Key != Citext && d.chance(50), Erase: Delete,
		Where: Where{SQL: "subject_type = 'Client'", Column: "subject_type", Value: "Client"}}
}

// parents are the tables through which rows of others may belong to a client.
func (d *draw) parents() []*Table {
	return slices.DeleteFunc(slices.Clone(d.Tables), func(t *Table) bool {
		return len(t.Ways) == 0 || t.Ways[0].OwnedBy || t.action() == Unlink || t.Partition != NoPartition || t.Inherits != "" || d.depth(t) >= 3
	})
}

func (d *draw) depth(t *Table) int {
	if len(t.Ways) == 0 || t.Ways[0].Through == "" {
		return 1
	}
	return 1 + d.depth(d.table(t.Ways[0].Through))
}

// child makes rows of the table belong to rows of another.
func (d *draw) child(t, parent *Table) {
	w := Way{Column: parent.Name + "_id", Through: parent.Name, Erase: Delete, Soft: d.chance(20), NotNull: d.chance(50)}
	if parent.action() != Delete && d.chance(50) {
		w.Erase = Keep
	}
	if !w.Soft {
		w.OnDelete = oneOf(d, "", "CASCADE", "RESTRICT")
	}
	t.Ways = append(t.Ways, w)
	if d.chance(15) {
		second := Way{Column: "guest_id", Erase: Unlink}
		second.OnDelete = d.onDelete(second)
		t.Ways = append(t.Ways, second)
	}
}

// payload gives the table columns with personal data, and the rules that the map
// needs for them.
func (d *draw) payload(t *Table) {
	pool := []Column{
		{Name: "body", Type: "text"}, {Name: "title", Type: "varchar(80)"}, {Name: "profile", Type: "jsonb"}, {Name: "tags", Type: "text[]"},
		{Name: "scan", Type: "bytea"}, {Name: "nick", Type: "citext"}, {Name: "summary", Type: "note_text"},
	}
	d.Shuffle(len(pool)-1, func(i, j int) { pool[i+1], pool[j+1] = pool[j+1], pool[i+1] })
	t.Columns = append(t.Columns, pool[:1+d.IntN(3)]...)
	for i := range t.Columns {
		c := &t.Columns[i]
		c.NotNull = d.chance(40)
		if t.stays() {
			c.Rule = d.rule(*c, i > 0)
		}
	}
	if d.chance(20) {
		search := Column{Name: "search", Type: "text", Of: "body"}
		if t.stays() {
			search.Rule = "keep"
		}
		t.Columns = append(t.Columns, search)
	}
}

func (d *draw) rule(c Column, mayKeep bool) string {
	var all []string
	if !c.NotNull {
		all = append(all, "null", "null")
	}
	if mayKeep {
		all = append(all, "keep")
	}
	switch c.Type {
	case "jsonb":
		all = append(all, "{json_remove: [who]}", `{value: "{}"}`)
	case "text[]":
		all = append(all, `{value: "{}"}`)
	case "bytea":
		all = append(all, `{value: ""}`)
	default:
		all = append(all, `{value: ""}`, "{label: unknown_client}", `{sql: "'row ' || id"}`)
	}
	return oneOf(d, all...)
}

// ruleAll adds the rules that rows that stay need.
func (d *draw) ruleAll(t *Table) {
	for i := range t.Columns {
		switch c := &t.Columns[i]; {
		case c.Rule != "":
		case c.Of != "":
			c.Rule = "keep"
		default:
			c.Rule = d.rule(*c, false)
		}
	}
}

// plain adds a table with one way and one text column.
func (d *draw) plain(w Way) *Table {
	t := d.next()
	t.Ways, t.Columns = []Way{w}, []Column{{Name: "body", Type: "text"}}
	if t.stays() {
		t.Columns[0].Rule = "null"
	}
	d.Tables = append(d.Tables, t)
	return t
}

// of finds a table to which the kind can be added, or adds one.
func (d *draw) of(erase Action, soft bool) *Table {
	var all []*Table
	for _, t := range d.Tables {
		w := t.direct()
		hooked := slices.ContainsFunc(d.Hooks, func(h Hook) bool { return h.Table == t.Name })
		simple := len(t.Columns) > 0 && t.Columns[0].Type == "text" &&
			!t.History && !d.inherited(t) && t.Partition == NoPartition && t.Inherits == ""
		if w != nil && len(t.Ways) == 1 && w.Erase == erase && w.Where.SQL == "" &&
			w.By == "" && (w.Soft || !soft) && !w.AsText && !hooked && simple {
			all = append(all, t)
		}
	}
	if len(all) > 0 && d.chance(70) {
		return oneOf(d, all...)
	}
	return d.plain(Way{Column: oneOf(d, "client_id", "owner"), Erase: erase, Soft: soft, NotNull: erase != Unlink})
}

func (d *draw) inherited(t *Table) bool {
	return slices.ContainsFunc(d.Tables, func(c *Table) bool { return c.Inherits == t.Name })
}

func (d *draw) hook(h Hook) bool {
	h.Name = fmt.Sprintf("hook_%d", len(d.Hooks)+1)
	d.Hooks = append(d.Hooks, h)
	return true
}
