package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Sweep finds and clears the rows of one entry whose retention has ended, for one
// tenant: GDPR Art. 17(3)(b) ends where the duty to keep ends. The rows refer to
// anonymous profiles by now, so ArgKeys are the keys of the tenant's profiles.
type Sweep struct {
	// Name is unique among sweeps; the sweep's records in schema oubli carry it.
	Name       string
	Table      string // as the map writes it
	Rule       string // the retention
	RowColumns int    // how many columns identify a row

	Count Statement // → (day, rows): rows that are not cleared yet, by their date; without a date, by the year 1
	Find  Statement // → (columns that identify a row…) of expired rows, in order, after ArgAfter
	Clear Statement // applies the rules to those of ArgRows that have expired and are not locked
}

// Statements are the sweep's, to be printed.
func (s Sweep) Statements() []Statement { return []Statement{s.Count, s.Find, s.Clear} }

func (em emitter) sweeps() []Sweep {
	var all []Sweep
	for i, e := range em.entries {
		if e.Retain == nil {
			continue
		}
		all = append(all, Sweep{
			Name:  fmt.Sprintf("%s by %s (entry %d)", em.name(e.rel), e.Reference, i+1),
			Table: em.name(e.rel), Rule: e.Retain.Rule, RowColumns: len(rowID(e.rel)),
			Count: em.countRetainedStatement(e), Find: em.findExpiredStatement(e), Clear: em.clearExpiredStatement(e),
		})
	}
	return all
}

func (em emitter) countRetainedStatement(e *entry) Statement {
	t := em.text()
	t.add("SELECT %s, count(*)\nFROM %s AS \"t\"\nWHERE %s\n  AND %s\nGROUP BY 1",
		t.day(e, "t"), e.rel.ident(), t.belongs(e, "t"), differs("t", t.ruleChanges("t", e.retained)))
	return t.statement(em.name(e.rel)+": count retained rows", em.name(e.rel))
}

func (em emitter) findExpiredStatement(e *entry) Statement {
	t, id := em.text(), rowID(e.rel)
	names, after := make([]string, len(id)), make([]string, len(id))
	for i, column := range id {
		names[i] = ident("t", column) + "::text"
		after[i] = t.scalar(Arg{ArgAfter, strconv.Itoa(i)}, rowType(e.rel, column))
	}
	t.add("SELECT %s\nFROM %s AS \"t\"\nWHERE %s\n  AND %s\n  AND %s\n  AND (%s::text IS NULL OR (%s) > (%s))\nORDER BY %s\nLIMIT %s::int",
		strings.Join(names, ", "), e.rel.ident(), t.belongs(e, "t"), t.expired(e, "t"), differs("t", t.ruleChanges("t", e.retained)),
		t.arg(Arg{ArgAfter, "0"}), rowList(id), strings.Join(after, ", "), rowList(id), t.arg(Arg{Kind: ArgLimit}))
	return t.statement(em.name(e.rel)+": find expired rows", em.name(e.rel))
}

// clearExpiredStatement skips rows that other transactions have locked: the next
// day's sweep clears them.
func (em emitter) clearExpiredStatement(e *entry) Statement {
	t, id := em.text(), rowID(e.rel)
	set := t.ruleChanges("t", e.retained)
	t.add("UPDATE %s AS \"t\"\nSET %s\nWHERE (%s) IN (\n  SELECT %s FROM %s AS \"t\"\n"+
		"  WHERE %s\n    AND %s\n    AND %s\n    AND %s\n  FOR UPDATE SKIP LOCKED)",
		e.rel.ident(), assignments(set...), rowList(id), rowList(id), e.rel.ident(),
		t.isOneOf(e.rel), t.belongs(e, "t"), t.expired(e, "t"), differs("t", set))
	return t.statement(em.name(e.rel)+": clear expired rows", em.name(e.rel))
}

// isOneOf is the condition that selects the rows of ArgRows.
func (t *text) isOneOf(r *Relation) string {
	id := rowID(r)
	if len(id) == 1 {
		return ident("t", id[0]) + " = ANY(" + t.array(Arg{ArgRows, "0"}, rowType(r, id[0])) + ")"
	}
	var arrays, columns, casts []string
	for i, column := range id {
		name := fmt.Sprintf("r%d", i)
		arrays = append(arrays, t.arg(Arg{ArgRows, strconv.Itoa(i)})+"::text[]")
		columns = append(columns, name)
		casts = append(casts, name+"::"+rowType(r, column))
	}
	cond := fmt.Sprintf("(%s) IN (SELECT %s FROM unnest(%s) AS \"n\"(%s))",
		rowList(id), strings.Join(casts, ", "), strings.Join(arrays, ", "), strings.Join(columns, ", "))
	if i := slices.Index(id, "ctid"); i >= 0 { // a lookup by place; a join would read the whole table
		cond = ident("t", "ctid") + " = ANY(" + t.array(Arg{ArgRows, strconv.Itoa(i)}, "tid") + ") AND " + cond
	}
	return cond
}

func rowList(id []string) string {
	columns := make([]string, len(id))
	for i, column := range id {
		columns[i] = ident("t", column)
	}
	return strings.Join(columns, ", ")
}

// rowType is the type of a column that identifies a row.
func rowType(r *Relation, column string) string {
	switch col := r.Column(column); {
	case col != nil:
		return keyType(col, col)
	case column == "tableoid":
		return "oid"
	}
	return "tid"
}
