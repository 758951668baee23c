package plan

import (
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// Catalog is what the plan needs to know of a live schema.
type Catalog struct {
	SearchPath []string   `json:"search_path"`
	Relations  []Relation `json:"relations"`
	// Fingerprint changes whenever anything in the catalog does.
	Fingerprint string `json:"fingerprint"`
}

// Relation is a table, partitioned table, or materialized view. Partitions are
// not listed; what hangs on a partition alone is listed on its root.
type Relation struct {
	Schema     string       `json:"schema"`
	Name       string       `json:"name"`
	Kind       string       `json:"kind"` // pg_class.relkind: r, p, m
	Columns    []Column     `json:"columns"`
	PrimaryKey []string     `json:"primary_key,omitempty"`
	Indexes    []Index      `json:"indexes,omitempty"`
	Foreign    []ForeignKey `json:"foreign,omitempty"`
	Triggers   []Trigger    `json:"triggers,omitempty"`
}

// Column is one column of a relation.
type Column struct {
	Name      string `json:"name"`
	Type      string `json:"type"`     // as format_type writes it, without a length
	Base      string `json:"base"`     // pg_type.typname under domains, and of the element for arrays
	Category  string `json:"category"` // pg_type.typcategory of Base
	Array     bool   `json:"array,omitempty"`
	NotNull   bool   `json:"not_null,omitempty"`
	Default   bool   `json:"default,omitempty"`   // a default or an identity fills it
	Generated bool   `json:"generated,omitempty"` // computed; cannot be written
}

// Index is an index that is valid. Keys holds a column's name or, with
// Expression set at the same place, an expression over bare column names.
type Index struct {
	Name             string   `json:"name"`
	Keys             []string `json:"keys"`
	Expression       []bool   `json:"expression"`
	Predicate        string   `json:"predicate,omitempty"` // of a partial index
	Unique           bool     `json:"unique,omitempty"`
	Exclusion        bool     `json:"exclusion,omitempty"`
	NullsNotDistinct bool     `json:"nulls_not_distinct,omitempty"`
}

// ForeignKey points from this relation to Parent.
type ForeignKey struct {
	Name          string   `json:"name"`
	Columns       []string `json:"columns"`
	ParentSchema  string   `json:"parent_schema"`
	Parent        string   `json:"parent"`
	ParentColumns []string `json:"parent_columns"`
}

// Trigger is a user trigger that fires on UPDATE or DELETE.
type Trigger struct {
	Name string `json:"name"`
}

// Relation finds a relation by the name that a map uses: a name without a
// schema is looked up along the search path, as PostgreSQL does.
func (c *Catalog) Relation(n erasuremap.Name) *Relation {
	schemas := c.SearchPath
	if n.Schema != "" {
		schemas = []string{n.Schema}
	}
	for _, schema := range schemas {
		for i := range c.Relations {
			if r := &c.Relations[i]; r.Schema == schema && r.Name == n.Relation {
				return r
			}
		}
	}
	return nil
}

func (c *Catalog) parent(fk ForeignKey) *Relation {
	return c.Relation(erasuremap.Name{Schema: fk.ParentSchema, Relation: fk.Parent})
}

// Column finds a column by its exact name.
func (r *Relation) Column(name string) *Column {
	for i := range r.Columns {
		if r.Columns[i].Name == name {
			return &r.Columns[i]
		}
	}
	return nil
}

// foreignTo is the foreign key of column towards parent, if there is one. A
// key of several columns counts when one of them is the column.
func (r *Relation) foreignTo(column string, parent *Relation) *ForeignKey {
	for i := range r.Foreign {
		fk := &r.Foreign[i]
		if fk.ParentSchema == parent.Schema && fk.Parent == parent.Name && slices.Contains(fk.Columns, column) {
			return fk
		}
	}
	return nil
}

// target is the parent's column that the foreign key's column stands for.
func (fk *ForeignKey) target(column string) string {
	if i := slices.Index(fk.Columns, column); i >= 0 {
		return fk.ParentColumns[i]
	}
	return ""
}

// isForeign reports whether column is part of any foreign key.
func (r *Relation) isForeign(column string) bool {
	return slices.ContainsFunc(r.Foreign, func(fk ForeignKey) bool { return slices.Contains(fk.Columns, column) })
}

// served reports whether an index finds rows by column.
func (r *Relation) served(column string) bool {
	return slices.ContainsFunc(r.Indexes, func(x Index) bool {
		return x.Predicate == "" && len(x.Keys) > 0 && !x.Expression[0] && x.Keys[0] == column
	})
}

// integer and text are the families of key types between which a reference
// may be compared.
func (c *Column) integer() bool {
	return !c.Array && slices.Contains([]string{"int2", "int4", "int8"}, c.Base)
}
func (c *Column) text() bool {
	return !c.Array && (slices.Contains([]string{"text", "varchar", "bpchar", "citext"}, c.Base))
}
