package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/dictionary"
	"github.com/oubli/oubli/internal/erasuremap"
)

// Outside are the columns of one table that the map says nothing about, although they
// could hold data of clients: texts, JSON, composites, and arrays of these.
// Only a sample of their values can say whether they do.
type Outside struct {
	Table   Reference
	Columns []string

	pos  erasuremap.Pos
	rel  *Relation
	name string // as the map would write it
}

// Identifiers are the columns of the client's table by which a sampled value is
// recognised as a client's.
type Identifiers struct {
	Table  Reference
	Key    string // empty: the keys are numbers, which say nothing by themselves
	UUID   bool   // whether the keys are uuids
	Name   []string
	Emails []string
	Phones []string
}

// NotPlaced is a column outside of the map of which `check` cannot say whether it
// holds data of clients.
type NotPlaced struct {
	Table  string `json:"table"` // schema.table
	Column string `json:"column"`
	Why    string `json:"why"`
	Fix    string `json:"fix"` // what to write in the map
}

// ToPlace lists the columns that a sample has to place, table by table, and how the
// clients are recognised in it. Tables that are a gap already are left out.
func ToPlace(m *erasuremap.Map, catalog *Catalog, gaps Gaps) ([]Outside, Identifiers) {
	md, _ := resolve(m, catalog)
	if !md.identified {
		return nil, Identifiers{}
	}
	known := slices.Concat(md.relations(), md.ignored, md.refreshed)
	var all []Outside
	for i := range catalog.Relations {
		r := &catalog.Relations[i]
		if slices.Contains(known, r) || slices.ContainsFunc(gaps, func(g Gap) bool { return g.Table == r.qualified() }) {
			continue
		}
		o := Outside{Table: Reference{Schema: r.Schema, Name: r.Name}, pos: m.Client.Pos, rel: r, name: md.name(r)}
		for k := range r.Columns {
			if col := &r.Columns[k]; col.readable() && !r.isForeign(col.Name) {
				o.Columns = append(o.Columns, col.Name)
			}
		}
		if len(o.Columns) > 0 {
			all = append(all, o)
		}
	}
	return all, md.identifiers()
}

// readable reports whether values of the column are texts, or have texts inside.
func (c *Column) readable() bool {
	switch c.Category {
	case "S", "C":
		return true
	case "U":
		return !slices.Contains(systemTypes, c.Base) && c.Base != "bytea"
	}
	return false
}

func (md *model) identifiers() Identifiers {
	ids := Identifiers{Table: Reference{Schema: md.client.Schema, Name: md.client.Name}, UUID: md.key.oneOf("uuid")}
	if ids.UUID || md.key.text() {
		ids.Key = md.key.Name
	}
	for _, name := range md.m.Client.Name {
		if col := md.client.Column(name); col != nil {
			ids.Name = append(ids.Name, name)
		}
	}
	for i := range md.client.Columns {
		switch col := &md.client.Columns[i]; {
		case col.Array:
		case dictionary.Recognise(col.Name) == dictionary.Email && col.Category == "S":
			ids.Emails = append(ids.Emails, col.Name)
		case dictionary.Recognise(col.Name) == dictionary.Phone && slices.Contains([]string{"S", "N"}, col.Category):
			ids.Phones = append(ids.Phones, col.Name)
		}
	}
	return ids
}

// Holds is the gap that a column holds values of clients; found says of what kind.
func (o Outside) Holds(column string, found []string, of int) Gap {
	var gaps Gaps
	gaps.add(o.pos, o.rel, column, "under tables: - {table: "+o.name+", …}, or "+o.ignore(),
		"outside of the map, and of %d sampled values some are of clients: %s", of, strings.Join(found, ", "))
	gaps[0].Found = "sample"
	return gaps[0]
}

// Open says that a column is not placed.
func (o Outside) Open(column, why string) NotPlaced {
	return NotPlaced{Table: o.rel.qualified(), Column: column, Why: why, Fix: o.ignore()}
}

func (o Outside) ignore() string {
	return fmt.Sprintf(`under ignore: - {table: %s, because: "…"}`, o.name)
}
