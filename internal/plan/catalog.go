package plan

import (
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// Catalog is what the plan needs to know of a live schema.
type Catalog struct {
	SearchPath []string     `json:"search_path"`
	Open       []OpenSchema `json:"open,omitempty"` // schemas of the search path that no statement of ours uses without their name
	Relations  []Relation   `json:"relations"`
	// Fingerprint changes whenever anything in the catalog does.
	Fingerprint string `json:"fingerprint"`
}

// OpenSchema is a schema of the search path in which a role may create functions that
// nobody trusts with the rights of oubli.
type OpenSchema struct {
	Name string `json:"name"`
	Role string `json:"role"` // PUBLIC: every role
}

// Relation is a table, partitioned table, foreign table, or materialized view. Partitions are
// not listed; indexes and triggers that only a partition has are listed on its
// root.
type Relation struct {
	Schema      string       `json:"schema"`
	Name        string       `json:"name"`
	Kind        string       `json:"kind"` // pg_class.relkind: r, p, f, m
	Columns     []Column     `json:"columns"`
	PrimaryKey  []string     `json:"primary_key,omitempty"`
	Indexes     []Index      `json:"indexes,omitempty"`
	ForeignKeys []ForeignKey `json:"foreign,omitempty"`
	Triggers    []Hook       `json:"triggers,omitempty"`
	Rules       []Hook       `json:"rules,omitempty"`
	// Checks are the columns of each CHECK constraint over several.
	Checks [][]string `json:"checks,omitempty"`
	// RowSecurity says that policies hide rows from the role that read the
	// catalog.
	RowSecurity bool `json:"row_security,omitempty"`
	// Detaching are partitions that new statements on the table do not see any
	// more, while transactions that began earlier still do.
	Detaching []string `json:"detaching,omitempty"`
	// Inherits are the tables from which this one inherits directly (INHERITS). Its
	// rows are rows of theirs too: statements on them change it.
	Inherits []Reference `json:"inherits,omitempty"`
	// Inherited says that other tables inherit from this one. Keys are unique within
	// each of these tables only.
	Inherited bool `json:"inherited,omitempty"`
	// Reads are the relations that a materialized view copies from, directly or
	// through views.
	Reads []Reference `json:"reads,omitempty"`
	// Calls are functions that a materialized view calls and that can read tables,
	// as schema.name.
	Calls []string `json:"calls,omitempty"`
	// PartitionedBy are the columns that decide in which partition a row is, on all
	// levels. An update of one may delete the row and insert it elsewhere.
	PartitionedBy []string `json:"partitioned_by,omitempty"`
}

// Column is one column of a relation.
type Column struct {
	Name     string `json:"name"`
	Type     string `json:"type"`     // as format_type writes it, without a length
	Base     string `json:"base"`     // pg_type.typname under domains and arrays
	Category string `json:"category"` // pg_type.typcategory of Base
	// TypeSchema is the schema of Base, where its operators are, if that is not
	// pg_catalog. It is empty for enums, which have their operators there.
	TypeSchema string `json:"type_schema,omitempty"`
	Array      bool   `json:"array,omitempty"`
	Collation  string `json:"collation,omitempty"` // as SQL names it, if it takes different texts for equal
	NotNull    bool   `json:"not_null,omitempty"`
	Default    bool   `json:"default,omitempty"`   // a default or an identity fills it
	Generated  bool   `json:"generated,omitempty"` // computed or always identity; cannot be written
	Computed   string `json:"computed,omitempty"`  // the expression that computes it, over bare column names
}

// Index is an index, or the part of one that a partition has to itself. Keys
// holds a column's name or, with Expression set at the same place, an
// expression over bare column names; INCLUDE columns are left out.
type Index struct {
	Name             string   `json:"name"`
	Method           string   `json:"method"` // pg_am.amname
	Keys             []string `json:"keys"`
	Expression       []bool   `json:"expression"`
	Predicate        string   `json:"predicate,omitempty"` // of a partial index
	Unique           bool     `json:"unique,omitempty"`
	Exclusion        bool     `json:"exclusion,omitempty"`
	NullsNotDistinct bool     `json:"nulls_not_distinct,omitempty"`
	// Unusable says that the index finds no rows, because it is invalid or
	// belongs to one partition only. A unique one may still refuse rows.
	Unusable bool `json:"unusable,omitempty"`
}

// ForeignKey points from this relation to Parent.
type ForeignKey struct {
	Name          string   `json:"name"`
	Columns       []string `json:"columns"`
	ParentSchema  string   `json:"parent_schema"`
	Parent        string   `json:"parent"`
	ParentColumns []string `json:"parent_columns"`
	OnDelete      string   `json:"on_delete,omitempty"` // cascade, set null, set default; empty: refused
	Deferred      bool     `json:"deferred,omitempty"`  // checked at commit
}

// Hook is a user trigger or a rewrite rule: code of the application that runs
// when a statement does.
type Hook struct {
	Name string `json:"name"`
	// Insert says that it runs on INSERT only, not on UPDATE or DELETE.
	Insert bool `json:"insert,omitempty"`
}

// Reference names a relation.
type Reference struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
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

func (c *Catalog) parent(fk *ForeignKey) *Relation {
	return c.Relation(erasuremap.Name{Schema: fk.ParentSchema, Relation: fk.Parent})
}

// name is how a map would write the relation.
func (c *Catalog) name(r *Relation) string {
	n := erasuremap.Name{Relation: r.Name}
	if c.Relation(n) != r {
		n.Schema = r.Schema
	}
	return n.String()
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
	for i := range r.ForeignKeys {
		if fk := &r.ForeignKeys[i]; fk.to(parent) && slices.Contains(fk.Columns, column) {
			return fk
		}
	}
	return nil
}

// isForeign reports whether column is part of any foreign key.
func (r *Relation) isForeign(column string) bool {
	return slices.ContainsFunc(r.ForeignKeys, func(fk ForeignKey) bool { return slices.Contains(fk.Columns, column) })
}

// uniqueBy reports whether no two rows agree on these columns.
func (r *Relation) uniqueBy(columns ...string) bool {
	return slices.ContainsFunc(r.Indexes, func(x Index) bool {
		return x.Unique && !x.Unusable && x.Predicate == "" && !slices.Contains(x.Expression, true) &&
			!slices.ContainsFunc(x.Keys, func(k string) bool { return !slices.Contains(columns, k) })
	})
}

// keyColumns are the primary key, or the keys of a unique index without NULLs.
// Without either it is nil.
func (r *Relation) keyColumns() []string {
	if len(r.PrimaryKey) > 0 {
		return r.PrimaryKey
	}
	for _, x := range r.Indexes {
		nullable := func(k string) bool { return r.Column(k) == nil || !r.Column(k).NotNull }
		if r.uniqueBy(x.Keys...) && !slices.Contains(x.Expression, true) && !slices.ContainsFunc(x.Keys, nullable) {
			return x.Keys
		}
	}
	return nil
}

// rowID is keyColumns, where these identify one row of all that statements on the
// relation see: not if other tables inherit from it.
func (r *Relation) rowID() []string {
	if r.Inherited {
		return nil
	}
	return r.keyColumns()
}

func (fk *ForeignKey) to(parent *Relation) bool {
	return fk.ParentSchema == parent.Schema && fk.Parent == parent.Name
}

// target is the parent's column that the foreign key's column refers to.
func (fk *ForeignKey) target(column string) string {
	if i := slices.Index(fk.Columns, column); i >= 0 {
		return fk.ParentColumns[i]
	}
	return ""
}

func (fk *ForeignKey) pairs() []pair {
	all := make([]pair, len(fk.Columns))
	for i, column := range fk.Columns {
		all[i] = pair{column, fk.ParentColumns[i]}
	}
	return all
}

// holds reports whether the foreign key refuses every row whose column refers to
// nobody. A key of several columns does not check rows that have a NULL in one
// of them.
func (fk ForeignKey) holds(r *Relation, column string) bool {
	other := func(name string) bool { return name != column && !r.Column(name).NotNull }
	return slices.Contains(fk.Columns, column) && !slices.ContainsFunc(fk.Columns, other)
}

// has reports whether the column itself is a key of the index.
func (x *Index) has(column string) bool {
	for i, key := range x.Keys {
		if key == column && !x.Expression[i] {
			return true
		}
	}
	return false
}

// computes reports whether a key of the index is computed from the column.
func (x *Index) computes(column string) bool {
	for i, key := range x.Keys {
		if x.Expression[i] && mentions(key, column) {
			return true
		}
	}
	return false
}

// alike reports whether y is the same index on another partition, or a second
// index like x.
func (x *Index) alike(y *Index) bool {
	return slices.Equal(x.Keys, y.Keys) && slices.Equal(x.Expression, y.Expression) && x.Predicate == y.Predicate &&
		x.NullsNotDistinct == y.NullsNotDistinct && x.Unusable == y.Unusable
}

// key is the n-th key of the index over bare column names.
func (x *Index) key(n int) string {
	if x.Expression[n] {
		return "(" + x.Keys[n] + ")"
	}
	return ident(x.Keys[n])
}

// qualified is the relation's name with its schema, for readers.
func (r *Relation) qualified() string { return r.Schema + "." + r.Name }
