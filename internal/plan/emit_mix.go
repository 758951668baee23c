package plan

import (
	"fmt"
	"slices"
	"strings"
)

// MixedTable is a table whose rows stay after an erasure, and the statements that
// write such rows again. A row is named by its tableoid and its ctid; lists of
// transactions, rows and times travel as text[].
type MixedTable struct {
	Table    string   // as the map writes it
	Ident    string   // quoted, with its schema
	Triggers []string // triggers and rules that run on the table

	// Find → (tableoid, ctid, transaction) of the rows in the pages from $1 to before $2,
	// each given by the ctid at its start, that transactions of $3 wrote.
	Find string
	// Lock → (tableoid, ctid) of the rows with a ctid of $1 that transactions of $2
	// wrote and no session has locked.
	Lock string
	// Rewrite changes nothing in the row of tableoid $1 and ctid $2 → (ctid).
	Rewrite string
	// Times → (number of the row, column) of the rows with tableoid $1 and ctid $2
	// in which a column holds a moment within the row's range of $3; empty
	// without a column that could.
	Times string
}

// mixedTables are the tables in which a chunk leaves rows that it wrote or, on the
// way to others, only locked. Rewriting sets a column to itself that the workers'
// role may write anyway.
func (em emitter) mixedTables() []MixedTable {
	var all []MixedTable
	for _, r := range em.relations() {
		column, locks := em.rewrittenColumn(r)
		if column == "" {
			continue
		}
		wrote := func(list string) string {
			cond := fmt.Sprintf("t.xmin = ANY(%s::text[]::xid[])", list)
			if locks {
				cond = fmt.Sprintf("(%s OR t.xmax = ANY(%s::text[]::xid[]))", cond, list)
			}
			return cond
		}
		number := "t.xmin"
		if locks {
			number = "CASE WHEN t.xmin = ANY($3::text[]::xid[]) THEN t.xmin ELSE t.xmax END"
		}
		all = append(all, MixedTable{
			Table: em.name(r), Ident: r.ident(), Triggers: r.interferes(),
			Find: fmt.Sprintf("SELECT t.tableoid, t.ctid, %s\nFROM %s AS t\nWHERE t.ctid >= $1::text::tid AND t.ctid < $2::text::tid\n  AND %s",
				number, r.ident(), wrote("$3")),
			Lock: fmt.Sprintf("SELECT t.tableoid, t.ctid\nFROM %s AS t\nWHERE t.ctid = ANY($1::text[]::tid[])\n  AND %s\n"+
				"FOR NO KEY UPDATE OF t SKIP LOCKED", r.ident(), wrote("$2")),
			Rewrite: fmt.Sprintf("UPDATE %s AS t\nSET %s = t.%s\nWHERE t.tableoid = $1::oid AND t.ctid = $2::text::tid\nRETURNING t.ctid",
				r.ident(), ident(column), ident(column)),
			Times: timesOfErasure(r),
		})
	}
	return all
}

// rewrittenColumn is a column of the table that the workers may write; empty where
// nothing that a chunk wrote stays. locks says that a chunk may also leave rows
// that it locked and did not write.
func (em emitter) rewrittenColumn(r *Relation) (column string, locks bool) {
	for _, w := range em.writes() {
		if w.rel == r && (column == "" || w.rule == nil) {
			column = w.column.Name
		}
	}
	for _, e := range em.lockedParents(everyEntry) {
		if e.rel == r && !e.owned() && r != em.client {
			locks = true
			if column == "" {
				column = e.Reference
			}
		}
	}
	return column, locks
}

// timesOfErasure finds rows that say when they were written.
func timesOfErasure(r *Relation) string {
	var values []string
	for _, c := range r.Columns {
		if !c.Array && slices.Contains([]string{"timestamptz", "timestamp"}, c.Base) {
			values = append(values, fmt.Sprintf("(%s, t.%s::timestamptz)", literal(c.Name), ident(c.Name)))
		}
	}
	if len(values) == 0 {
		return ""
	}
	return fmt.Sprintf("SELECT DISTINCT k.n, v.name\n"+
		"FROM unnest($1::text[]::oid[], $2::text[]::tid[], $3::text[]::tstzrange[]) WITH ORDINALITY AS k(part, id, during, n),\n"+
		"  %s AS t, LATERAL (VALUES %s) AS v(name, at)\n"+
		"WHERE t.tableoid = k.part AND t.ctid = k.id AND k.during @> v.at", r.ident(), strings.Join(values, ", "))
}
