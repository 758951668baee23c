package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// proofEmitter writes the statements by which a chunk proves what it did.
type proofEmitter struct {
	emitter
	captures []capture
}

// capture is what a chunk remembers of the rows of one entry, or of the clients'
// own rows.
type capture struct {
	entry *entry // nil: the client's own row
	rel   *Relation
	id    []string // columns that identify a row; none: rows cannot be found again
	// columns are the position of each column in the capture: id and the columns
	// to which children refer.
	columns []string
	hashed  []string // columns of which the hash is kept: see hashedColumns
}

// disturbed reports whether code of the application runs when erasing changes a
// table. A trigger on INSERT alone runs too where an UPDATE can move a row to
// another partition.
func (md *model) disturbed() bool {
	return slices.ContainsFunc(md.relations(), func(r *Relation) bool { return len(r.interferes()) > 0 })
}

// interferes are the names of the triggers and rules that erasing rows of the
// relation runs.
func (r *Relation) interferes() []string {
	var names []string
	for _, h := range slices.Concat(r.Triggers, r.Rules) {
		if !h.Insert || r.Kind == "p" {
			names = append(names, h.Name)
		}
	}
	return names
}

func (md *model) place(r *Relation, column string) Place {
	return Place{Table: md.name(r), Column: column, Triggers: r.interferes()}
}

// remainderStatements look for rows that refer to the clients and that no entry
// covers, because each has a `where`. They run before the clients' own rows go: a
// foreign key would then set the reference to NULL and leave the row.
func (em emitter) remainderStatements() []Statement {
	var all []Statement
	for i, e := range em.entries {
		if e.owned() || e.through() || !em.firstWithReference(i) || em.m.Client.Erase == erasuremap.Anonymize {
			continue
		}
		if conds := em.uncovered(e); len(conds) > 0 {
			all = append(all, em.findStatement(e.rel, e.Reference, func(t *text) string {
				return where(t.ofChunk(e.link, "t"), strings.Join(conds, " OR "))
			}))
		}
	}
	return all
}

// childRemainder looks for rows that refer to a row which is about to be deleted
// and that no entry covers. It runs after the entries with this reference, and
// before those of the parent.
func (em emitter) childRemainder(e *entry) []Statement {
	goes := func(p *entry) bool { return p.Erase == erasuremap.Delete }
	if !e.through() || em.coversAll(e) || !slices.ContainsFunc(e.parents, goes) {
		return nil
	}
	conds := em.notFalse(e)
	if e.rel.foreignTo(e.Reference, e.parents[0].rel) != nil {
		conds = []string{"true"}
	}
	table, all := *e.Table, *e
	table.Where, all.Table = "", &table
	all.parents = slices.DeleteFunc(slices.Clone(e.parents), func(p *entry) bool { return !goes(p) })
	return []Statement{em.findStatement(e.rel, e.Reference, func(t *text) string {
		return where(t.belongs(&all, "t"), strings.Join(conds, " OR "))
	})}
}

// firstWithReference reports whether no earlier entry has the same column.
func (em emitter) firstWithReference(i int) bool {
	e := em.entries[i]
	return !slices.ContainsFunc(em.entries[:i], func(o *entry) bool { return em.sameReference(o, e) })
}

// uncovered are the conditions of which one holds for a row that refers to a
// client and may be the client's although no entry covers it; none if some entry
// covers all rows. With a foreign key every such row is the client's. Without
// one, a row for which every `where` is false is somebody else's: the discriminator
// names another table.
func (em emitter) uncovered(e *entry) []string {
	if em.coversAll(e) {
		return nil
	}
	if e.rel.foreignTo(e.Reference, em.client) != nil {
		return []string{"true"}
	}
	return em.notFalse(e)
}

// coversAll reports whether an entry with the same reference has no `where`.
func (em emitter) coversAll(e *entry) bool {
	return slices.ContainsFunc(em.entries, func(o *entry) bool { return em.sameReference(o, e) && o.Where == "" })
}

func (em emitter) notFalse(e *entry) []string {
	var conds []string
	for _, o := range em.entries {
		if em.sameReference(o, e) && o.Where != "" {
			conds = append(conds, "("+o.Where+") IS NOT FALSE")
		}
	}
	return conds
}

// findStatement looks for one row that must not exist.
func (em emitter) findStatement(r *Relation, column string, cond func(*text) string) Statement {
	t, name := em.text(), em.name(r)
	t.add("SELECT %s::text\nFROM %s AS \"t\"\nWHERE %s\nLIMIT 1", literal(column), r.ident(), cond(t))
	s := t.statement(name+": find what is left", name)
	s.FindsNone, s.Place = true, em.place(r, column)
	return s
}

// proof is how a chunk proves an erasure. keepsClients says that the clients' own
// rows stay, as when a merge leaves its source.
func (em emitter) proof(keepsClients bool) Proof {
	if !em.disturbed() {
		return Proof{}
	}
	full := em.fullProof(keepsClients)
	disturbed := func(e *entry) bool { return !e.owned() && len(e.rel.interferes()) > 0 }
	if slices.ContainsFunc(em.entries, func(e *entry) bool { return disturbed(e) && len(e.rel.rowID()) == 0 }) {
		return full // rows with triggers that nothing identifies
	}
	pe := &proofEmitter{emitter: em}
	pe.captureEntries(disturbed)
	brief := Proof{Writes: full.Writes, Tables: full.Tables, Full: &full}
	for i, e := range em.entries {
		if disturbed(e) && !e.through() && em.firstWithReference(i) && !pe.mayStay(e) {
			brief.Probes = append(brief.Probes, pe.referenceProbe(e))
		}
	}
	for i, c := range pe.captures {
		brief.Captures = append(brief.Captures, pe.captureStatement(i))
		brief.Probes = append(brief.Probes, pe.rowProbes(i, c.entry.Erase == erasuremap.Delete, c.entry.allRules())...)
	}
	if !keepsClients && len(em.client.interferes()) > 0 {
		pe.captureClients()
		brief.Captures = append(brief.Captures, pe.captureStatement(len(pe.captures)-1))
		brief.Probes = append(brief.Probes, pe.clientProbes()...)
	}
	return brief
}

func (em emitter) fullProof(keepsClients bool) Proof {
	pe := &proofEmitter{emitter: em}
	pe.captureEntries(everyEntry)
	if !keepsClients {
		pe.captureClients()
	}
	p := Proof{Writes: em.writesStatement(), Tables: em.insertMeanings(), Captures: pe.captureStatements()}
	p.Absorb = pe.absorbStatements(everyEntry)
	p.Probes = pe.probes(everyEntry)
	if !keepsClients {
		p.Probes = append(p.Probes, pe.clientProbes()...)
	}
	return p
}

// mergeProof is how a merge proves that nothing is left of its source: rows that
// it deletes, and rows that an erasure of what stays behind changes, as there;
// rows that move refer to the source no more.
func (em mergeEmitter) mergeProof() Proof {
	if !em.disturbed() {
		return Proof{}
	}
	pe := &proofEmitter{emitter: em.emitter}
	pe.captureEntries(erasedByMerge)
	pe.captureClients()
	p := Proof{Captures: pe.captureStatements(), Probes: pe.mergeProbes(everyEntry)}
	p.Probes = append(p.Probes, pe.clientProbes()...)
	return p
}

func everyEntry(*entry) bool { return true }

// erasedByMerge reports whether a merge that deletes its source erases rows of the
// entry.
func erasedByMerge(e *entry) bool { return e.Merge == erasuremap.Delete || e.staysBehind() }

// mergeProbes look at the rows of a merge's source.
func (pe *proofEmitter) mergeProbes(which func(*entry) bool) []Statement {
	var all []Statement
	for i, e := range pe.entries {
		switch {
		case !which(e):
			continue
		case e.owned():
			all = append(all, pe.ownedProbe(e))
			continue
		case !e.through() && pe.firstWithReference(i) && !pe.mayStay(e):
			all = append(all, pe.referenceProbe(e))
		}
		if erasedByMerge(e) {
			gone := e.Merge == erasuremap.Delete || e.Erase == erasuremap.Delete
			all = append(all, pe.rowProbes(pe.captureOf(e), gone, e.allRules())...)
		}
	}
	return all
}

func (pe *proofEmitter) captureStatements() []Capture {
	var all []Capture
	for i := range pe.captures {
		all = append(all, pe.captureStatement(i))
	}
	return all
}

func (pe *proofEmitter) captureEntries(which func(*entry) bool) {
	for _, e := range pe.entries {
		if e.owned() || !which(e) {
			continue
		}
		c := capture{entry: e, rel: e.rel, id: e.rel.rowID()}
		if c.columns = slices.Clone(c.id); len(c.id) == 0 {
			c.columns = []string{"ctid"} // to count the rows
		}
		for _, child := range pe.entries {
			if !child.through() || !slices.Contains(child.parents, e) {
				continue
			}
			for _, p := range child.pairs {
				if !slices.Contains(c.columns, p.target) {
					c.columns = append(c.columns, p.target)
				}
			}
		}
		c.hashed = hashedColumns(e.allRules(), c.id)
		pe.captures = append(pe.captures, c)
	}
}

func (pe *proofEmitter) captureClients() {
	id := []string{pe.key.Name}
	pe.captures = append(pe.captures, capture{rel: pe.client, id: id, columns: id, hashed: hashedColumns(pe.clientRules, id)})
}

// hashedColumns are those with a rule in SQL: what it gives may depend on what it
// overwrites, so that the row alone does not tell whether it was applied. And texts
// that stay: a trigger could move there what another rule erases.
func hashedColumns(rules []columnRule, id []string) []string {
	var all []string
	for _, r := range rules {
		if (r.Kind == erasuremap.SQL || r.keepsText()) && len(id) > 0 && !slices.Contains(id, r.Column) {
			all = append(all, r.Column)
		}
	}
	return all
}

func (r columnRule) keepsText() bool { return !r.writes() && holdsText(*r.column) }

// mayLock reports whether the workers' role has the right to lock the rows: that
// of changing them. Rows that are only ever deleted are not locked; one that
// another session moves to another client meanwhile looks as if it were left, and
// the chunk is tried again.
func (c capture) mayLock() bool {
	return c.entry == nil || c.entry.Erase != erasuremap.Delete || c.entry.Merge == erasuremap.Move
}

// captureStatement locks the rows where it may, so that what it saw is what will
// be changed.
func (pe *proofEmitter) captureStatement(i int) Capture {
	c := pe.captures[i]
	t, name := pe.text(), pe.name(c.rel)
	var columns []string
	for _, column := range c.columns {
		columns = append(columns, ident("t", column)+"::text")
	}
	for _, column := range c.hashed {
		columns = append(columns, "md5("+ident("t", column)+"::text)")
	}
	cond := ""
	if c.entry == nil {
		cond = t.theseClients("t")
	} else {
		cond = t.belongs(c.entry, "t")
	}
	t.add("SELECT %s\nFROM %s AS \"t\"\nWHERE %s", strings.Join(columns, ", "), c.rel.ident(), cond)
	if c.mayLock() {
		t.add("\nFOR UPDATE OF \"t\"")
	}
	return Capture{Statement: t.statement(name+": remember the rows", name), Columns: len(columns)}
}

// captureOf is the number of the entry's capture, or -1.
func (pe *proofEmitter) captureOf(e *entry) int {
	return slices.IndexFunc(pe.captures, func(c capture) bool { return c.entry == e })
}

// captured is the parameter that holds one column of a capture, cast to typ.
func (t *text) captured(capture, column int, typ string) string {
	return t.array(Arg{ArgCaptured, strconv.Itoa(capture) + "/" + strconv.Itoa(column)}, typ)
}

// fromCaptured is the FROM item k that lists the rows of a capture with their
// hashes, and the condition under which the row t is one of them.
func (pe *proofEmitter) fromCaptured(t *text, i int) (from, cond string) {
	c := pe.captures[i]
	var arrays, names, conds []string
	for n, column := range c.id {
		col := c.rel.Column(column)
		arrays = append(arrays, t.captured(i, n, keyType(col, col)))
		names = append(names, fmt.Sprintf("oubli_i%d", n))
		conds = append(conds, ident("t", column)+" = "+fmt.Sprintf("k.oubli_i%d", n))
	}
	for n := range c.hashed {
		arrays = append(arrays, t.captured(i, len(c.columns)+n, "text"))
		names = append(names, fmt.Sprintf("oubli_h%d", n))
	}
	from = fmt.Sprintf("unnest(%s) AS k(%s)", strings.Join(arrays, ", "), strings.Join(names, ", "))
	return from, strings.Join(conds, " AND ")
}

// ofCapturedParent is the condition under which the row t refers to a row that one
// of the entry's parents captured.
func (pe *proofEmitter) ofCapturedParent(t *text, e *entry) string {
	var parents []string
	for _, parent := range e.parents {
		i := pe.captureOf(parent)
		if i < 0 {
			continue
		}
		var columns, arrays []string
		for _, p := range e.pairs {
			at := slices.Index(pe.captures[i].columns, p.target)
			columns = append(columns, ident("t", p.column))
			arrays = append(arrays, t.captured(i, at, keyType(e.rel.Column(p.column), parent.rel.Column(p.target))))
		}
		if len(columns) == 1 {
			parents = append(parents, columns[0]+" = ANY("+arrays[0]+")")
		} else {
			parents = append(parents, "("+strings.Join(columns, ", ")+") IN (SELECT * FROM unnest("+strings.Join(arrays, ", ")+"))")
		}
	}
	if len(parents) == 0 {
		return "false"
	}
	return "(" + strings.Join(parents, " OR ") + ")"
}

// absorbStatements erase once more, rows that go through a parent also by what the
// parent captured: the parent itself belongs to nobody by now.
func (pe *proofEmitter) absorbStatements(which func(*entry) bool) []Statement {
	var all []Statement
	for _, e := range pe.eraseOrder {
		if !which(e) {
			continue
		}
		all = append(all, pe.entryStatements(e)...)
		if !e.through() {
			continue
		}
		t, name := pe.text(), pe.name(e.rel)
		cond := where(pe.ofCapturedParent(t, e), e.Where)
		switch e.Erase {
		case erasuremap.Delete:
			t.add("DELETE FROM %s AS \"t\"\nWHERE %s", e.rel.ident(), cond)
		default:
			set := t.changes(e, "t")
			if e.Erase == erasuremap.Unlink {
				set = append([]change{{e.reference, "NULL"}}, set...)
			}
			if len(set) == 0 {
				continue
			}
			t.add("UPDATE %s AS \"t\"\nSET %s\nWHERE %s\n  AND %s", e.rel.ident(), assignments(set...), cond, differs("t", set))
		}
		all = append(all, t.statement(name+": "+string(e.Erase)+" what was written meanwhile", name))
	}
	return all
}

// probes look at the rows that refer to clients.
func (pe *proofEmitter) probes(which func(*entry) bool) []Statement {
	var all []Statement
	for i, e := range pe.entries {
		if !which(e) {
			continue
		}
		if e.owned() {
			all = append(all, pe.ownedProbe(e))
			continue
		}
		if !e.through() && pe.firstWithReference(i) && !pe.mayStay(e) {
			all = append(all, pe.referenceProbe(e))
		}
		if e.through() {
			all = append(all, pe.childProbes(e)...)
		}
		all = append(all, pe.rowProbes(pe.captureOf(e), e.Erase == erasuremap.Delete, e.allRules())...)
	}
	return all
}

// clientProbes look at the clients' own rows, which were captured last.
func (pe *proofEmitter) clientProbes() []Statement {
	if pe.m.Client.Erase == erasuremap.DeleteClient {
		return []Statement{pe.findStatement(pe.client, "", func(t *text) string { return t.theseClients("t") })}
	}
	return pe.rowProbes(len(pe.captures)-1, false, pe.clientRules)
}

// mayStay reports whether rows keep their reference: to a client whose row stays.
func (pe *proofEmitter) mayStay(e *entry) bool {
	return slices.ContainsFunc(pe.entries, func(o *entry) bool {
		return pe.sameReference(o, e) && o.Erase == erasuremap.Keep && !nulled(o.rules, o.Reference)
	})
}

// referenceProbe looks for rows that still refer to one of the clients.
func (pe *proofEmitter) referenceProbe(e *entry) Statement {
	return pe.findStatement(e.rel, e.Reference, func(t *text) string {
		cond := t.ofChunk(e.link, "t")
		if pe.coversAll(e) || e.rel.foreignTo(e.Reference, pe.client) != nil {
			return cond
		}
		return where(cond, strings.Join(pe.notFalse(e), " OR "))
	})
}

// childProbes look at the rows below captured parents, whoever wrote them.
func (pe *proofEmitter) childProbes(e *entry) []Statement {
	cond := func(t *text) string {
		cond := pe.ofCapturedParent(t, e)
		if pe.coversAll(e) {
			return cond
		}
		return where(cond, strings.Join(pe.notFalse(e), " OR "))
	}
	if e.Erase == erasuremap.Delete {
		return []Statement{pe.findStatement(e.rel, e.Reference, cond)}
	}
	rules := slices.DeleteFunc(slices.Clone(e.allRules()), func(r columnRule) bool { return r.Kind == erasuremap.SQL || !r.writes() })
	if len(rules) == 0 {
		return nil
	}
	t, name := pe.text(), pe.name(e.rel)
	below := where(pe.ofCapturedParent(t, e), e.Where)
	which, any := pe.notAsRuled(t, e, rules, nil)
	t.add("SELECT %s\nFROM %s AS \"t\"\nWHERE %s\n  AND (%s)\nLIMIT 1", which, e.rel.ident(), below, any)
	return []Statement{pe.probe(t, name+": find what is not as ruled", e.rel)}
}

// rowProbes look at the rows of a capture: gone, or with every column as ruled.
func (pe *proofEmitter) rowProbes(i int, gone bool, rules []columnRule) []Statement {
	if i < 0 || len(pe.captures[i].id) == 0 {
		return nil // nothing identifies a row, so that only its reference can be looked for
	}
	c := pe.captures[i]
	t, name := pe.text(), pe.name(c.rel)
	from, same := pe.fromCaptured(t, i)
	if gone {
		t.add("SELECT NULL::text\nFROM %s AS \"t\", %s\nWHERE %s\nLIMIT 1", c.rel.ident(), from, same)
		return []Statement{pe.probe(t, name+": find rows that were to go", c.rel)}
	}
	rules = slices.DeleteFunc(slices.Clone(rules), func(r columnRule) bool {
		return !r.writes() && !r.keepsText() || slices.Contains(c.id, r.Column)
	})
	if len(rules) == 0 {
		return nil
	}
	which, any := pe.notAsRuled(t, c.entry, rules, c.hashed)
	t.add("SELECT %s\nFROM %s AS \"t\", %s\nWHERE %s\n  AND (%s)\nLIMIT 1", which, c.rel.ident(), from, same, any)
	return []Statement{pe.probe(t, name+": find what is not as ruled", c.rel)}
}

// ownedProbe looks for rows to which only the erased clients pointed.
func (pe *proofEmitter) ownedProbe(e *entry) Statement {
	return pe.findStatement(e.rel, "", func(t *text) string {
		cond := t.pointedTo(e)
		for _, x := range e.pointers {
			cond += fmt.Sprintf("\n  AND NOT EXISTS (SELECT FROM %s AS \"x\" WHERE %s)", x.from.ident(), pairsEqual(x.pairs))
		}
		return cond
	})
}

func (pe *proofEmitter) probe(t *text, name string, r *Relation) Statement {
	s := t.statement(name, pe.name(r))
	s.FindsNone, s.Place = true, pe.place(r, "")
	return s
}

// notAsRuled names the first column of the row t that does not hold what its rule
// says, and is the condition under which there is one. hashed are the columns of
// which k has the hash of what they held before.
func (pe *proofEmitter) notAsRuled(t *text, e *entry, rules []columnRule, hashed []string) (which, any string) {
	var cases, conds []string
	for _, r := range rules {
		if r.keepsText() {
			cond := fmt.Sprintf("md5(%[1]s::text) IS DISTINCT FROM k.oubli_h%[2]d AND coalesce(%[1]s::text, '') <> ''",
				ident("t", r.Column), slices.Index(hashed, r.Column))
			conds = append(conds, cond)
			cases = append(cases, fmt.Sprintf("WHEN %s THEN %s", cond, literal(r.Column)))
			continue
		}
		own, value := ident("t", r.Column), t.value("t", r)
		cond := own + " IS NOT NULL"
		if value != "NULL" {
			if !r.column.hasEquality() {
				value = "(" + value + ")::text"
				cond = own + "::text IS DISTINCT FROM " + value
			} else {
				cond = own + " IS DISTINCT FROM " + value
			}
		}
		if n := slices.Index(hashed, r.Column); n >= 0 {
			cond = fmt.Sprintf("(%s AND md5(%s::text) IS NOT DISTINCT FROM k.oubli_h%d)", cond, own, n)
		}
		if e != nil && slices.ContainsFunc(e.retained, func(o columnRule) bool { return o.Column == r.Column }) {
			cond = "(NOT " + t.stillRetained(e, "t") + " AND " + cond + ")"
		}
		conds = append(conds, cond)
		cases = append(cases, fmt.Sprintf("WHEN %s THEN %s", cond, literal(r.Column)))
	}
	return "CASE " + strings.Join(cases, " ") + " END", strings.Join(conds, " OR ")
}
