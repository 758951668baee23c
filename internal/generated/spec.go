package generated

import (
	"fmt"
	"slices"
)

// Spec describes a database and its map. It is plain data, so that it can be
// copied, reduced and printed.
type Spec struct {
	Seed       uint64
	Key        KeyType
	Tenants    bool // two tenants; otherwise none, and no tenant section
	Scoped     bool // keys are unique within their tenant only, and both tenants use the same ones
	Anonymize  bool // client.erase: anonymize
	Hold       bool // a guard on the client's row
	DryRun     bool // a dry run comes first
	Merge      bool // by a merge into the anonymous profile, instead of an erasure
	UniqueMail bool // a unique index on the clients' email
	SharedMail bool // some clients have one email
	Clients    int  // of the first tenant; the second has half as many
	Chunk      int  // clients in one transaction
	Tables     []*Table
	Hooks      []Hook
	Views      []View
	Extras     []Extra
	Kinds      []string // names of the kinds that the spec has
}

// KeyType is the type of the clients' key.
type KeyType string

// The types of keys.
const (
	Int    KeyType = "int"
	Bigint KeyType = "bigint"
	UUID   KeyType = "uuid"
	Text   KeyType = "text"
	Citext KeyType = "citext"
)

// Action is what erasing does to a row.
type Action string

// The actions of the map.
const (
	Delete   Action = "delete"
	Reassign Action = "reassign"
	Unlink   Action = "unlink"
	Keep     Action = "keep"
)

// clients is the name of the clients' table.
const clients = "clients"

// Table is a table of the application.
type Table struct {
	Name      string
	Ways      []Way // entries of the map; none: the map does not list the table
	Columns   []Column
	Retain    string // another text column, which is kept by law where the row is recent; "" for none
	Unique    UniqueKind
	Partition PartitionKind
	Inherits  string // the parent table; its columns and ways are the parent's
	Listed    bool   // an inheriting table with entries of its own
	Check     string // a CHECK on the first column
	Sparse    bool   // rows for some clients only
	History   bool   // the trigger of a hook writes into it
	First     bool   // is first in the map
	Coded     bool   // has a column ref besides its key, which is unique
}

// UniqueKind is a unique index that begins with the first reference.
type UniqueKind string

// The kinds of unique indexes.
const (
	NoUnique         UniqueKind = ""
	PlainUnique      UniqueKind = "plain"
	PartialUnique    UniqueKind = "partial"
	ExpressionUnique UniqueKind = "expression"
	PairUnique       UniqueKind = "pair" // over both references
)

// PartitionKind is how a table is partitioned.
type PartitionKind string

// The kinds of partitioning.
const (
	NoPartition   PartitionKind = ""
	HashPartition PartitionKind = "hash" // by the reference, so that re-pointed rows move
	ListPartition PartitionKind = "list"
)

// Way is one entry of the map: how rows of a table belong to a client.
type Way struct {
	Column   string
	Through  string // the table that the column refers to; "" for the clients
	Soft     bool   // without a foreign key
	AsText   bool   // a soft reference, as text in a text column
	By       string // the column that it refers to, instead of the key: email of a client, ref of a row
	Fold     bool   // compared without regard to case
	NotNull  bool
	OnDelete string // of the foreign key
	Deferred bool   // DEFERRABLE INITIALLY DEFERRED
	Where    Where
	Erase    Action
	OwnedBy  bool // the clients' column refers to the table's key instead
}

// Where is the condition of an entry.
type Where struct {
	SQL    string // of the map; "" for none
	Column string // the discriminator, of type text
	Value  string // that the condition requires
	// Uncovered are SQL literals for the discriminator of rows that belong to the
	// client although the condition does not cover them. None: no such rows.
	Uncovered []string
}

// Column is a column other than keys and references, usually with personal data.
type Column struct {
	Name    string
	Type    string
	NotNull bool
	Rule    string // in YAML; "" where the row is deleted
	Of      string // the column that it is generated from
}

// neutral reports whether the column contains no personal data: it is kept.
func (c Column) neutral() bool { return c.Rule == "keep" && c.Of == "" }

// Hook is a trigger, a rule or a policy on a table.
type Hook struct {
	Name   string
	Kind   HookKind
	Table  string
	On     string // the partition or inheriting table that has it instead of Table; "" for Table itself
	Target string // the table that it writes into, if it does
	All    bool   // acts on every row; otherwise only on rows with the flag
	Own    bool   // runs with the rights of the session that causes it
	Late   bool   // a constraint trigger at the end of the transaction
}

// HookKind is what a hook does.
type HookKind string

// The kinds of hooks.
const (
	Touch        HookKind = "touch"          // sets updated_at
	History      HookKind = "history"        // writes the row as it was into Target
	Statement    HookKind = "statement"      // the same, by transition table
	Suppress     HookKind = "suppress"       // BEFORE DELETE: RETURN NULL
	Ignore       HookKind = "ignore"         // BEFORE UPDATE: RETURN NULL
	SoftDelete   HookKind = "soft delete"    // BEFORE DELETE: marks the row instead
	Restore      HookKind = "restore"        // BEFORE UPDATE: restores the first column
	RestoreLink  HookKind = "restore link"   // BEFORE UPDATE: restores the first reference
	Reinsert     HookKind = "reinsert"       // AFTER DELETE: inserts the row again
	Copy         HookKind = "copy"           // writes the first column and the client into another mapped table
	CopyToParent HookKind = "copy to parent" // AFTER DELETE: writes the first column into the parent's row
	Move         HookKind = "move"           // BEFORE UPDATE: writes the first column into the second
	InsteadOf    HookKind = "instead of"     // the table becomes a view with an INSTEAD OF trigger that does nothing
	Refuse       HookKind = "refuse"         // raises an exception
	InsteadRule  HookKind = "instead rule"   // ON DELETE DO INSTEAD NOTHING
	AlsoRule     HookKind = "also rule"      // ON DELETE DO ALSO INSERT
	HidingPolicy HookKind = "hiding policy"  // hides rows from all but the owner
)

// View is a materialized view over a table.
type View struct {
	Name   string
	Table  string
	Over   bool // reads a plain view that reads the table
	Listed bool // under refresh:
}

// Extra is an extra element of the clients' table.
type Extra string

// The extras.
const (
	ReferredBy Extra = "referred by" // clients.referred_by, unlinked
	OtherCase  Extra = "other case"  // citext references are in capitals
)

func (s *Spec) has(e Extra) bool { return slices.Contains(s.Extras, e) }

func (s *Spec) table(name string) *Table {
	i := slices.IndexFunc(s.Tables, func(t *Table) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return s.Tables[i]
}

// shape is the table whose columns and ways t has: t, or the table that it inherits
// from.
func (s *Spec) shape(t *Table) *Table {
	if t.Inherits != "" {
		return s.table(t.Inherits)
	}
	return t
}

// direct is the first way to the clients; nil without one.
func (t *Table) direct() *Way {
	for i := range t.Ways {
		if w := &t.Ways[i]; w.Through == "" && !w.OwnedBy {
			return w
		}
	}
	return nil
}

// action is what erasing does to the client's own rows of the table: the action of
// the first way.
func (t *Table) action() Action {
	if len(t.Ways) == 0 {
		return ""
	}
	return t.Ways[0].Erase
}

// stays reports whether rows stay by any way.
func (t *Table) stays() bool {
	return slices.ContainsFunc(t.Ways, func(w Way) bool { return w.Erase != Delete && !(w.Through == t.Name) })
}

// Describe returns one line that describes the spec.
func (s *Spec) Describe() string {
	return fmt.Sprintf("seed %d, key %s, tenants %t, scoped %t, anonymize %t, dry run %t, merge %t, %d tables, kinds %q",
		s.Seed, s.Key, s.Tenants, s.Scoped, s.Anonymize, s.DryRun, s.Merge, len(s.Tables), s.Kinds)
}

// clone returns a deep copy.
func (s *Spec) clone() *Spec {
	c := *s
	c.Tables = make([]*Table, len(s.Tables))
	for i, t := range s.Tables {
		u := *t
		u.Ways, u.Columns = slices.Clone(t.Ways), slices.Clone(t.Columns)
		c.Tables[i] = &u
	}
	c.Hooks, c.Views, c.Extras, c.Kinds = slices.Clone(s.Hooks), slices.Clone(s.Views), slices.Clone(s.Extras), slices.Clone(s.Kinds)
	return &c
}
