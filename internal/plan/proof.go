package plan

import "slices"

// Proof is how a chunk shows, inside its own transaction and before anything is
// recorded, that what it erased is gone.
//
// Where neither trigger nor rule runs on a table that erasing changes, the
// statements themselves are the proof, and all of this is empty. Otherwise the
// chunk remembers which rows it is about to change (Captures), erases, erases
// again what its triggers have written since (Absorb), and then looks (Probes).
//
// Most triggers only set a column of their own row. So the first proof is a brief
// one: it captures and looks at the rows of tables with triggers alone, and
// compares the writes that PostgreSQL has counted with those of the chunk's own
// statements. If anything else was written, the chunk is begun again with Full.
type Proof struct {
	Captures []Capture
	Absorb   []Statement // change nothing unless something wrote rows meanwhile
	Probes   []Statement // → (column) of the first thing that is not as it should be; each has its Place
	// Writes → (schema.table, rows inserted, rows updated, rows deleted) so far in
	// this transaction; empty where they are not compared.
	Writes Statement
	// Tables says what rows that a trigger inserts mean, by schema.table.
	Tables map[string]InsertedRows
	Full   *Proof // of a brief proof: the whole one
}

// Capture remembers rows before they change.
type Capture struct {
	Statement     // → Columns texts for each row
	Columns   int // what ArgCaptured numbers, from 0
}

// InsertedRows is what it means when triggers insert rows into a table.
type InsertedRows struct {
	Place Place
	// Matters says that the rows may hold what was to be erased: the map knows the
	// table, so that Absorb takes them, or the map does not, and it can hold texts.
	Matters bool
	// Moves says that rows can move to another partition and then count as inserted
	// and deleted, instead of updated.
	Moves bool
	// Keyless says that the map knows the table and nothing identifies its rows: a
	// row that a trigger updates cannot be found again.
	Keyless bool
	// Counted is the table with whose rows these are counted: of a table that inherits
	// from one of the map, that one, because its statements change the rows of both.
	Counted string
}

// Place is where something was found: names of the schema, never a value.
type Place struct {
	Table    string   // as the map writes it
	Column   string   // empty: the row as a whole
	Triggers []string // triggers and rules that run on the table
}

// Needed reports whether triggers or rules can interfere at all.
func (p Proof) Needed() bool { return p.Writes.SQL != "" || len(p.Probes) > 0 }

// before are the statements that run before anything is written.
func (p Proof) before() []Statement {
	var all []Statement
	for _, c := range p.Captures {
		all = append(all, c.Statement)
	}
	if p.Writes.SQL != "" {
		all = append(all, p.Writes)
	}
	return all
}

// after are the statements that run when everything is written.
func (p Proof) after() []Statement {
	all := slices.Concat(p.Absorb, p.Probes)
	if p.Writes.SQL != "" {
		all = append(all, p.Writes)
	}
	return all
}
