package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Sweep finds and clears the rows of one entry whose retention has ended, for one
// tenant: GDPR Art. 17(3)(b) ends where the duty to keep ends. The rows are those
// that are recorded, and those that refer to anonymous profiles, so that ArgKeys are
// the keys of the tenant's profiles. The day of a record counts, and without a record
// the row's own.
type Sweep struct {
	// Name is unique among sweeps; the sweep's records in schema oubli carry it.
	Name       string
	Table      string // as the map writes it
	Rule       string // the retention
	RowColumns int    // how many columns Find returns

	Count Statement // → (day, rows): rows that are not cleared yet, by their date; without a date, by the year 1
	Find  Statement // → (columns that identify a row…, its recorded day or '') of expired rows, in order, after ArgAfter
	Clear Statement // applies the rules to those of ArgRows that have expired and are not locked
	// Tidy removes what is over from the records and adds what they lack; none for
	// rows that are not recorded, because erasing writes what identifies them.
	Tidy []Statement
	// Proof shows that rows which Clear changed are as ruled; nil where no trigger
	// and no rule can interfere.
	Proof *SweepProof
}

// Statements are the sweep's, to be printed.
func (s Sweep) Statements() []Statement {
	all := []Statement{s.Count, s.Find}
	if s.Proof != nil {
		all = append(all, s.Proof.Capture.Statement, s.Proof.Writes)
	}
	all = append(all, s.Clear)
	if s.Proof != nil {
		all = append(all, s.Proof.Probe)
	}
	return append(all, s.Tidy...)
}

// SweepProof is how a sweep proves, before it commits, that triggers have neither
// undone what Clear did nor moved it elsewhere.
type SweepProof struct {
	// Capture locks those of ArgRows that Clear is going to change → (what
	// identifies a row, as Find returned it…, hashes…).
	Capture Capture
	Probe   Statement // → (column) of the first captured row that is not as ruled
	Writes  Statement // as in Proof
	Tables  map[string]InsertedRows
}

func (em emitter) sweepProof(e *entry) *SweepProof {
	id := e.rel.rowID()
	if len(e.rel.interferes()) == 0 || len(id) == 0 {
		return nil
	}
	c := capture{entry: e, rel: e.rel, id: id, columns: slices.Clone(id), hashed: hashedColumns(e.allRules(), id)}
	t, name := em.text(), em.name(e.rel)
	var columns []string
	for _, column := range id {
		columns = append(columns, ident("t", column)+"::text")
	}
	if em.recordable(e) {
		c.columns = append(c.columns, "day")
		columns = append(columns, "coalesce(n.oubli_day::text, '')")
	}
	for _, column := range c.hashed {
		columns = append(columns, "md5("+ident("t", column)+"::text)")
	}
	t.add("SELECT %s\n%s\nFOR UPDATE OF \"t\" SKIP LOCKED", strings.Join(columns, ", "), t.dueRows(e))
	p := &SweepProof{
		Capture: Capture{Statement: t.statement(name+": lock and remember expired rows", name), Columns: len(columns)},
		Writes:  em.writesStatement(), Tables: em.insertMeanings(),
	}
	pe := &proofEmitter{emitter: em, captures: []capture{c}}
	rules := slices.DeleteFunc(slices.Clone(e.allRules()), func(r columnRule) bool {
		return !r.keepsText() && !hasRule(e.retained, r.Column) || slices.Contains(id, r.Column)
	})
	t = em.text()
	from, same := pe.fromCaptured(t, 0)
	which, any := pe.notAsRuled(t, nil, rules, c.hashed)
	t.add("SELECT %s\nFROM %s AS \"t\", %s\nWHERE %s\n  AND (%s)\nLIMIT 1", which, e.rel.ident(), from, same, any)
	p.Probe = pe.probe(t, name+": find what is not as ruled", e.rel)
	return p
}

func (em emitter) sweeps() []Sweep {
	var all []Sweep
	for i, e := range em.entries {
		if e.Retain == nil {
			continue
		}
		sw := Sweep{
			Name:  fmt.Sprintf("%s by %s (entry %d)", em.name(e.rel), e.Reference, i+1),
			Table: em.name(e.rel), Rule: e.Retain.Rule, RowColumns: len(rowID(e.rel)),
		}
		if em.recordable(e) {
			sw.RowColumns++
			sw.Count, sw.Find = em.countRecordedStatement(e), em.findRecordedStatement(e)
			sw.Tidy = []Statement{em.tidyStatement(e), em.recordRestStatement(e)}
		} else {
			sw.Count, sw.Find = em.countRetainedStatement(e), em.findExpiredStatement(e)
		}
		sw.Clear, sw.Proof = em.clearExpiredStatement(e), em.sweepProof(e)
		all = append(all, sw)
	}
	return all
}

// countRecordedStatement looks up in the table only those records whose rows do not
// refer to profiles: as a rule there are none.
func (em emitter) countRecordedStatement(e *entry) Statement {
	t := em.text()
	owed := differs("t", t.ruleChanges("t", e.retained))
	t.add("WITH %s,\nmine AS MATERIALIZED (\n  SELECT %s, %s AS oubli_day FROM %s AS \"t\"\n  WHERE %s\n    AND %s)\n",
		t.recorded(e), idOf(e.rel, "t"), t.day(e, "t"), e.rel.ident(), t.belongs(e, "t"), owed)
	t.add("SELECT coalesce(r.oubli_day, m.oubli_day), count(*) FROM mine AS m LEFT JOIN recorded AS r ON %s GROUP BY 1\nUNION ALL\n",
		sameID(e.rel, "r", "m"))
	t.add("SELECT r.oubli_day, count(*)\nFROM (SELECT * FROM recorded AS r WHERE NOT EXISTS (SELECT FROM mine AS m WHERE %s)) AS r\n"+
		"JOIN %s AS \"t\" ON %s\nWHERE %s\n  AND %s\nGROUP BY 1",
		sameID(e.rel, "r", "m"), e.rel.ident(), sameRow(e.rel, "t", "r"), t.isRecorded(e, "r.oubli_day"), owed)
	return t.statement(em.name(e.rel)+": count retained rows", em.name(e.rel))
}

func (em emitter) findRecordedStatement(e *entry) Statement {
	t, id := em.text(), rowID(e.rel)
	names, after, ids := make([]string, len(id)), make([]string, len(id)), make([]string, len(id))
	for i, column := range id {
		ids[i] = fmt.Sprintf("f.oubli_i%d", i)
		names[i] = ids[i] + "::text"
		after[i] = t.scalar(Arg{ArgAfter, strconv.Itoa(i)}, rowType(e.rel, column))
	}
	first := t.arg(Arg{ArgFirstKept, e.Retain.Rule}) + "::date"
	owed := differs("t", t.ruleChanges("t", e.retained))
	t.add("WITH %s\nSELECT %s, coalesce(f.oubli_day::text, '')\nFROM (\n"+
		"  SELECT %s, r.oubli_day FROM %s AS \"t\" LEFT JOIN recorded AS r ON %s\n"+
		"  WHERE %s\n    AND coalesce(r.oubli_day, %s) < %s\n    AND %s\n",
		t.recorded(e), strings.Join(names, ", "), idOf(e.rel, "t"), e.rel.ident(), sameRow(e.rel, "t", "r"),
		t.belongs(e, "t"), t.day(e, "t"), first, owed)
	t.add("  UNION\n  SELECT %s, r.oubli_day FROM recorded AS r JOIN %s AS \"t\" ON %s\n"+
		"  WHERE r.oubli_day < %s\n    AND %s\n    AND %s) AS f\n",
		idOf(e.rel, "t"), e.rel.ident(), sameRow(e.rel, "t", "r"), first, t.isRecorded(e, "r.oubli_day"), owed)
	t.add("WHERE %s::text IS NULL OR (%s) > (%s)\nORDER BY %s\nLIMIT %s::int", t.arg(Arg{ArgAfter, "0"}), strings.Join(ids, ", "),
		strings.Join(after, ", "), strings.Join(ids, ", "), t.arg(Arg{Kind: ArgLimit}))
	return t.statement(em.name(e.rel)+": find expired rows", em.name(e.rel))
}

// dueRows are FROM and WHERE of those of ArgRows whose period is over. The recorded
// day comes from the statement that found the row: reading all records for each
// transaction would take too long.
func (t *text) dueRows(e *entry) string {
	id := rowID(e.rel)
	set := t.ruleChanges("t", e.retained)
	if !t.recordable(e) {
		return fmt.Sprintf("FROM %s AS \"t\"\n  WHERE %s\n    AND %s\n    AND %s\n    AND %s",
			e.rel.ident(), t.isOneOf(e.rel), t.belongs(e, "t"), t.expired(e, "t"), differs("t", set))
	}
	var arrays, columns []string
	for i, column := range id {
		arrays = append(arrays, t.array(Arg{ArgRows, strconv.Itoa(i)}, rowType(e.rel, column)))
		columns = append(columns, fmt.Sprintf("oubli_i%d", i))
	}
	arrays = append(arrays, t.array(Arg{ArgRows, strconv.Itoa(len(id))}, "text"))
	names := strings.Join(columns, ", ")
	from := fmt.Sprintf("FROM (SELECT %s, nullif(u.day, '')::date AS oubli_day FROM unnest(%s) AS u(%s, day)) AS n\n"+
		"  JOIN %s AS \"t\" ON %s\n",
		names, strings.Join(arrays, ", "), names, e.rel.ident(), sameRow(e.rel, "t", "n"))
	return from + fmt.Sprintf("  WHERE CASE WHEN n.oubli_day IS NULL THEN %s\n      AND %s\n"+
		"    ELSE n.oubli_day < %s::date AND %s END\n    AND %s",
		t.belongs(e, "t"), t.expired(e, "t"), t.arg(Arg{ArgFirstKept, e.Retain.Rule}), t.isRecorded(e, "n.oubli_day"), differs("t", set))
}

// idOf are the columns oubli_i0, … of a row.
func idOf(r *Relation, alias string) string {
	id := r.rowID()
	columns := make([]string, len(id))
	for i, column := range id {
		columns[i] = fmt.Sprintf("%s AS oubli_i%d", ident(alias, column), i)
	}
	return strings.Join(columns, ", ")
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
	t.add("UPDATE %s AS \"t\"\nSET %s\nWHERE (%s) IN (\n  SELECT %s\n  %s\n  FOR UPDATE OF \"t\" SKIP LOCKED)",
		e.rel.ident(), assignments(set...), rowList(id), rowList(id), t.dueRows(e))
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
