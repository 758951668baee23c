package generated

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
)

// Client is a data subject.
type Client struct {
	Number int    // of the case, from 1
	Tenant int    // 1 or 2
	Key    string // as text
	Marker string // in every text about the client
	Held   bool   // a guard holds
}

// row is a row of the application.
type row struct {
	table     *Table
	id        int
	tenant    int
	refs      map[string]ref // by the way's column
	uncovered map[string]bool
	owners    []int // the clients whom it is about
	belongs   []int // those of them to whom it belongs; the others are only named in it
	flag      bool
	recent    bool // its retained columns are still kept
	literal   map[string]string
}

// ref is what a column refers to: a client, a row, or nothing.
type ref struct {
	client int
	row    *row
}

// Marker is contained in every text about the client with this number.
func Marker(n int) string { return fmt.Sprintf("Zq%05dx", n) }

// keyOf returns the n-th key of a type. No other number or text of the case looks
// like a key.
func keyOf(t KeyType, n int) string {
	switch t {
	case Int:
		return fmt.Sprint(910000000 + 7*n)
	case Bigint:
		return fmt.Sprint(910000000000 + 7*n)
	case UUID:
		return fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", n)
	case Text:
		return fmt.Sprintf("key %05d ü", n)
	}
	return fmt.Sprintf("Key%05dZ", n)
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// plant generates the clients and their rows.
func (c *Case) plant() {
	per := []int{c.Spec.Clients}
	if c.Spec.Tenants {
		per = append(per, c.Spec.Clients/2)
	}
	for i, n := range per {
		for k := range n {
			cl := Client{Number: len(c.Clients) + 1, Tenant: i + 1}
			key := cl.Number
			if c.Spec.Scoped {
				key = k + 1
			}
			cl.Key, cl.Marker, cl.Held = keyOf(c.Spec.Key, key), Marker(cl.Number), c.Spec.Hold && cl.Number%5 == 2
			c.Clients = append(c.Clients, cl)
		}
	}
	for _, t := range c.Spec.Tables {
		own := rand.New(rand.NewPCG(c.Spec.Seed, sum(t.Name)))
		switch shape := c.Spec.shape(t); {
		case len(shape.Ways) == 0:
		case shape.Ways[0].OwnedBy:
			c.plantOwned(t)
		case shape.Ways[0].Through != "":
			c.plantChildren(own, t, shape)
		default:
			c.plantDirect(own, t, shape)
		}
	}
	ask := rand.New(rand.NewPCG(c.Spec.Seed, 1))
	for _, cl := range c.Clients {
		if cl.Tenant == 1 && (cl.Number%3 == 0 || ask.IntN(3) > 0) {
			c.Asked = append(c.Asked, cl.Number)
		}
	}
}

func sum(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

func (c *Case) client(n int) Client { return c.Clients[n-1] }

// email is the client's email. Of those that several clients have, none contains a
// marker.
func (c *Case) email(cl Client) string {
	if c.Spec.SharedMail && cl.Number%4 >= 2 {
		return fmt.Sprintf("family-%d@mail.example", cl.Number/4)
	}
	return cl.Marker + "@mail.example"
}

// sharers are the clients to whom a row with this client's email belongs. Where rows
// have a tenant, these are clients of the tenant.
func (c *Case) sharers(client int) []int {
	var all []int
	own := c.client(client)
	for _, cl := range c.Clients {
		if c.email(cl) == c.email(own) && (!c.Spec.Scoped || cl.Tenant == own.Tenant) {
			all = append(all, cl.Number)
		}
	}
	return all
}

// flagged reports whether hooks act on the client's rows.
func flagged(client int) bool { return client%3 == 0 }

func (c *Case) add(r *row) *row {
	c.lastID++
	r.id = c.lastID
	c.rows = append(c.rows, r)
	return r
}

func (c *Case) of(t *Table) []*row {
	return slices.DeleteFunc(slices.Clone(c.rows), func(r *row) bool { return r.table != t })
}

func (c *Case) plantDirect(own *rand.Rand, t, shape *Table) {
	for _, cl := range c.Clients {
		n := 1 + own.IntN(2)
		if c.Spec.inherited(t.Name) && own.IntN(2) == 0 {
			n = 0
		}
		for k := range n {
			c.row(own, t, shape, cl, k, "")
		}
		for _, w := range shape.Ways {
			if len(w.Where.Uncovered) > 0 && flagged(cl.Number) {
				c.row(own, t, shape, cl, n, w.Where.Uncovered[own.IntN(len(w.Where.Uncovered))])
			}
		}
	}
	if w := shape.Ways[0]; w.Where.Column == "subject_type" {
		for k := range 3 { // rows about other things than clients, with keys that no client has
			r := c.add(&row{table: t, tenant: 1, refs: map[string]ref{}, uncovered: map[string]bool{w.Column: true}})
			r.literal = map[string]string{w.Where.Column: "'Staff'", w.Column: quoted(keyOf(c.Spec.Key, 900+k))}
			c.fill(own, r, k)
		}
	}
}

// row generates one row of a client; other is its discriminator, if it has one that
// the map's condition does not cover.
func (c *Case) row(own *rand.Rand, t, shape *Table, cl Client, k int, other string) {
	r := c.add(&row{
		table: t, tenant: cl.Tenant, flag: flagged(cl.Number),
		refs: map[string]ref{}, uncovered: map[string]bool{}, literal: map[string]string{},
	})
	for i, w := range shape.Ways {
		switch {
		case i == 0:
			r.refs[w.Column] = ref{client: cl.Number}
			if w.Where.SQL != "" {
				r.literal[w.Where.Column] = quoted(w.Where.Value)
			}
			if other != "" {
				r.literal[w.Where.Column], r.uncovered[w.Column] = other, true
			}
		case w.Through == "":
			c.refer(own, r, w, c.another(cl, k))
		default:
			c.answer(own, r, w)
		}
	}
	c.fill(own, r, k)
}

// another returns another client of the same tenant.
func (c *Case) another(cl Client, k int) int {
	var same []int
	for _, o := range c.Clients {
		if o.Tenant == cl.Tenant {
			same = append(same, o.Number)
		}
	}
	return same[(slices.Index(same, cl.Number)+1+k)%len(same)]
}

func (c *Case) refer(own *rand.Rand, r *row, w Way, client int) {
	if w.NotNull || own.IntN(4) > 0 {
		r.refs[w.Column] = ref{client: client}
	}
}

// answer makes a row refer to an earlier one of its table.
func (c *Case) answer(own *rand.Rand, r *row, w Way) {
	earlier := slices.DeleteFunc(c.of(r.table), func(o *row) bool { return o == r || o.tenant != r.tenant })
	if len(earlier) > 0 && own.IntN(2) == 0 {
		r.refs[w.Column] = ref{row: earlier[own.IntN(len(earlier))]}
	}
}

func (c *Case) plantChildren(own *rand.Rand, t, shape *Table) {
	way := shape.Ways[0]
	for _, parent := range c.of(c.Spec.table(way.Through)) {
		for k := range 1 + own.IntN(2) {
			r := c.add(&row{
				table: t, tenant: parent.tenant, flag: parent.flag,
				refs: map[string]ref{way.Column: {row: parent}}, uncovered: map[string]bool{}, literal: map[string]string{},
			})
			for _, w := range shape.Ways[1:] {
				if len(parent.owners) > 0 {
					c.refer(own, r, w, c.another(c.client(parent.owners[0]), k))
				}
			}
			c.fill(own, r, k)
		}
	}
}

// plantOwned gives each client a row to refer to, and some clients one shared row,
// which contains no marker.
func (c *Case) plantOwned(t *Table) {
	var shared *row
	for _, cl := range c.Clients {
		r := shared
		if shared == nil || cl.Number%4 != 0 || shared.tenant != cl.Tenant {
			r = c.add(&row{table: t, tenant: cl.Tenant, literal: map[string]string{}})
			if cl.Number%4 == 3 {
				shared = r
			} else {
				r.owners = []int{cl.Number}
			}
			c.fill(rand.New(rand.NewPCG(1, 1)), r, 0)
		}
		c.owned = append(c.owned, owning{cl.Number, t, r})
	}
}

// owning says that a client's row refers to a row.
type owning struct {
	client int
	table  *Table
	row    *row
}

// fill determines whom a row is about, and sets the values of its columns.
func (c *Case) fill(own *rand.Rand, r *row, k int) {
	shape := c.Spec.shape(r.table)
	for _, w := range shape.Ways {
		switch to := r.refs[w.Column]; {
		case w.Through == shape.Name: // an answer to another client's row
		case to.client != 0 && w.By != "" && len(c.sharers(to.client)) > 1: // a row about several contains no marker
		case to.client != 0:
			r.owners = append(r.owners, to.client)
		case to.row != nil: // a row that belongs to it contains nothing about clients whom it only names
			r.owners = append(r.owners, to.row.belongs...)
		}
		if w.Erase != Unlink {
			r.belongs = slices.Clone(r.owners)
		}
	}
	slices.Sort(r.owners)
	r.owners = slices.Compact(r.owners)
	r.recent = own.IntN(2) == 0
	for _, col := range c.columns(r) {
		if col.Of == "" {
			r.literal[col.Name] = c.value(r, col)
		}
	}
	if shape.Retain != "" {
		r.literal[shape.Retain] = c.value(r, Column{Name: shape.Retain, Type: "text"})
		r.literal["issued_on"] = "current_date - 12000"
		if r.recent {
			r.literal["issued_on"] = "current_date - 60"
		}
	}
	if shape.Unique == PlainUnique || shape.Unique == PartialUnique {
		r.literal["session"] = fmt.Sprint(k)
		r.literal["active"] = fmt.Sprint(k%2 == 0)
	}
	if shape.Unique == ExpressionUnique {
		r.literal["code"] = quoted(fmt.Sprintf("C%d", k))
	}
	r.literal["amount"] = fmt.Sprint(own.IntN(1000))
}

// value is the value of a column: a text with the markers of the row's clients.
func (c *Case) value(r *row, col Column) string {
	text := fmt.Sprintf("%s of %d", col.Name, r.id)
	if !col.neutral() {
		for _, o := range r.owners {
			text += " " + Marker(o)
		}
	}
	switch col.Type {
	case "jsonb":
		return fmt.Sprintf("jsonb_build_object('who', %s, 'row', %d)", quoted(text), r.id)
	case "text[]":
		return fmt.Sprintf("ARRAY[%s]", quoted(text))
	case "bytea":
		return fmt.Sprintf("convert_to(%s, 'UTF8')", quoted(text))
	}
	return quoted(text)
}

func (s *Spec) inherited(name string) bool {
	return slices.ContainsFunc(s.Tables, func(t *Table) bool { return t.Inherits == name })
}
