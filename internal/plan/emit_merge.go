package plan

import (
	"fmt"
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/jobs"
)

// Merge is what merging a client into another one of its tenant runs, one
// source at a time: ArgKeys holds the source alone, ArgTarget the client that
// takes over. A merge into the anonymous profile is an erasure and has no
// statements of its own.
type Merge struct {
	// Refused are the reasons why clients cannot be merged under this map. They do
	// not prevent erasing. With them there are no statements.
	Refused Gaps

	LockTarget     Statement   // → (key) of the target, locked, if it is a client of the tenant
	Guards         Statement   // → (key, code or NULL, NULL) of the source
	LockConflicts  []Statement // locks what DropDuplicates decides about
	Conflicts      []Conflict  // count rows that would collide with rows of the target
	DeleteRows     []Statement // rows that the map says a merge deletes; before DropDuplicates could make them the target's
	DropDuplicates []Statement // deletes rows of the source that would collide with the target's
	MoveRows       []Statement
	FillTarget     Statement   // fills the target's blanks and leaves the source alone; SQL "" when there is nothing to fill
	EraseSource    []Statement // the source's row and what still refers to it, as an erasure does
	// FillAndEraseSource is EraseSource, but the statement that erases the source's
	// row also fills the target's blanks: before that, a unique index may refuse
	// the same value in both rows.
	FillAndEraseSource []Statement
	// UsesSharedProfile says that EraseSource may reassign rows to the anonymous
	// profile.
	UsesSharedProfile bool
	// LeavesRows says that EraseSource may leave rows that are nobody's any more. They
	// have their transaction in common with rows of the target, who is known.
	LeavesRows bool
	Proof      Proof // of a merge that deletes its source

	// For rows of a source that are written after it is gone, in this order.
	// DropLateRows runs only where the target wins conflicts.
	DeleteLateRows, DropLateRows, MoveLateRows []Statement
	ProofLateRows                              Proof
}

// Conflict counts rows of the source that cannot be moved as they are.
type Conflict struct {
	Statement    Statement // → (count, how many of them meet a row that is not the target's)
	CarriesValue bool      // they carry value, so that a merge never drops them
	NeverDropped bool      // they are not dropped in favour of the target's, whatever the request says
	OnDelete     bool      // a conflict only for a merge that deletes the source
}

// mergeEmitter writes the statements of merges.
type mergeEmitter struct{ emitter }

func (em mergeEmitter) merge(refused Gaps) *Merge {
	m := &Merge{Refused: refused}
	if len(refused) > 0 {
		return m
	}
	m.LockTarget = em.lockTargetStatement()
	m.Guards = em.sourceGuardsStatement()
	for _, e := range em.mergeOrder {
		m.LockConflicts = append(m.LockConflicts, em.lockConflictStatements(e)...)
		m.Conflicts = append(m.Conflicts, em.conflicts(e)...)
		m.DropDuplicates = append(m.DropDuplicates, em.dropStatements(e)...)
		if e.Merge == erasuremap.Delete {
			m.DeleteRows = append(m.DeleteRows, em.moveStatement(e))
		} else {
			m.MoveRows = append(m.MoveRows, em.moveStatement(e))
		}
	}
	m.Conflicts = append(m.Conflicts, em.valueConflicts()...)
	m.FillTarget = em.fillStatement(false)
	m.EraseSource = em.eraseSourceStatements(em.clientRowStatement())
	m.FillAndEraseSource = em.eraseSourceStatements(em.fillStatement(true))
	m.UsesSharedProfile = UsesSharedProfile(m.EraseSource)
	m.LeavesRows = em.m.Client.Erase == erasuremap.Anonymize ||
		slices.ContainsFunc(em.entries, func(e *entry) bool { return e.staysBehind() && e.stays() })
	m.Proof = em.mergeProof()
	em.addLateRows(m)
	return m
}

// All lists the statements, for PostgreSQL to parse and for people to read.
func (m *Merge) All() []Statement {
	if len(m.Refused) > 0 {
		return nil
	}
	all := append(m.Statements(), m.EraseSource...)
	if m.FillTarget.SQL != "" {
		all = append(all, m.FillTarget)
	}
	return slices.Concat(all, m.DeleteLateRows, m.DropLateRows, m.ProofLateRows.before(), m.MoveLateRows, m.ProofLateRows.after())
}

// LateRowsOfMerges lists what runs for rows that were written about a merge's source
// after it was merged, in order.
func (p *Plan) LateRowsOfMerges() []Statement {
	m := p.Merge
	rows := slices.Concat(m.DeleteLateRows, m.DropLateRows, m.MoveLateRows)
	if len(rows) == 0 {
		return nil
	}
	return slices.Concat(p.LateRows.Find, p.LateRows.Lock, m.ProofLateRows.before(), rows, m.ProofLateRows.after())
}

// Refuse refuses merges under this map, because PostgreSQL refuses one of their
// statements. Erasing still works.
func (m *Merge) Refuse(all Gaps) { m.Refused = append(m.Refused, all...) }

// Warnings say why merges are refused. For erasing, these reasons are no gaps.
func (m *Merge) Warnings() []Warning {
	var all []Warning
	for _, g := range m.Refused {
		all = append(all, Warning{Table: g.Table, Why: "merges are refused: " + g.Why, Fix: g.Fix})
	}
	return all
}

// Statements is what a merge runs that deletes its source, fills blanks and
// lets the target win conflicts, in order.
func (m *Merge) Statements() []Statement {
	if len(m.Refused) > 0 {
		return nil
	}
	all := append([]Statement{m.LockTarget, m.Guards}, m.LockConflicts...)
	for _, x := range m.Conflicts {
		all = append(all, x.Statement)
	}
	return slices.Concat(all, m.DeleteRows, m.DropDuplicates, m.Proof.before(), m.MoveRows, m.FillAndEraseSource, m.Proof.after())
}

// lockTargetStatement locks the target, so that nobody erases it meanwhile. New
// references to it are still possible. A target that another transaction has
// locked is not returned; the merge is tried again later. The statement says
// whether somebody else has got the target's key since the merge was asked for.
func (em mergeEmitter) lockTargetStatement() Statement {
	t := em.text()
	newer := t.createdSince("c", true)
	if newer == "" {
		newer = "false"
	}
	t.add("SELECT coalesce(%s, false)\nFROM %s AS \"c\"\nWHERE %s\nFOR NO KEY UPDATE SKIP LOCKED",
		newer, em.client.ident(), t.isTarget("c"))
	return t.statement("target: lock", em.name(em.client))
}

// isTarget is the condition that selects the target's own row.
func (t *text) isTarget(alias string) string {
	return t.isClient(alias, Arg{Kind: ArgTarget})
}

// sourceGuardsStatement says which guard prevents the merge of the source. Guards
// on the client's own row apply, because that row is deleted. Guards whose rows
// all move to the target do not, because nothing is lost.
func (em mergeEmitter) sourceGuardsStatement() Statement {
	t := em.text()
	key := ident("c", em.key.Name)
	t.add("SELECT %s,\n  CASE\n    WHEN %s THEN %s\n", t.keyText(), t.isProfile(key), literal(jobs.CodeAnonymousProfile))
	if newer := t.createdSince("c", true); newer != "" {
		t.add("    WHEN %s THEN %s\n", newer, literal(jobs.CodeKeyReused))
	}
	for _, g := range em.guards {
		if em.movesAway(g) {
			continue
		}
		t.add("    WHEN %s THEN %s\n", t.guardHolds(g), literal(g.Name))
	}
	t.add("  END,\n  NULL::date[]\nFROM %s AS \"c\"\nWHERE %s", em.client.ident(), t.theseClients("c"))
	return t.statement("source: guards", em.name(em.client))
}

// movesAway reports whether all rows that a guard looks at go to the target.
func (em mergeEmitter) movesAway(g guard) bool {
	return !g.onClientRow() && slices.ContainsFunc(em.entries, func(e *entry) bool {
		return e.rel == g.rel && !e.owned() && !e.through() && e.Reference == g.Reference &&
			e.Where == "" && e.Merge == erasuremap.Move && !em.mayCollide(e)
	})
}

// moveStatement moves or deletes the rows of one entry.
func (em mergeEmitter) moveStatement(e *entry) Statement {
	t, name := em.text(), em.name(e.rel)
	if e.Merge == erasuremap.Delete {
		t.add("DELETE FROM %s AS \"t\"\nWHERE %s", e.rel.ident(), t.belongs(e, "t"))
		return t.statement(name+": delete", name)
	}
	target := t.newReference(e.link, Arg{Kind: ArgTarget})
	if e.rel == em.client && !e.reference.NotNull {
		// If the target refers to the source, it must not refer to itself afterwards.
		target = fmt.Sprintf("CASE WHEN %s THEN NULL ELSE %s END", t.isTarget("t"), target)
	}
	t.add("UPDATE %s AS \"t\"\nSET %s = %s\nWHERE %s", e.rel.ident(), ident(e.Reference), target, t.belongs(e, "t"))
	return t.statement(name+": move", name)
}

// eraseSourceStatements erase what a merge leaves with the source: rows of entries
// that it keeps there, the rows to which the source's row pointed, and that row.
func (em mergeEmitter) eraseSourceStatements(clientRow Statement) []Statement {
	all := slices.Concat(em.recordValues(), em.findLeftStatements(), em.recordStatements((*entry).staysBehind))
	for _, e := range em.eraseOrder {
		if e.staysBehind() {
			all = append(all, em.entryStatements(e)...)
		}
	}
	all = append(all, clientRow)
	for _, e := range em.entries {
		if e.owned() {
			all = append(all, em.ownedRowStatements(e)...)
		}
	}
	return all
}

// findLeftStatements find rows without a foreign key that still refer to the
// source: without it PostgreSQL would not refuse to delete the source's row.
func (em mergeEmitter) findLeftStatements() []Statement {
	var all []Statement
	for _, e := range em.entries {
		if e.owned() || e.through() || e.Merge == erasuremap.Keep || e.rel.foreignTo(e.Reference, em.client) != nil {
			continue
		}
		all = append(all, em.findStatement(e.rel, e.Reference, func(t *text) string { return t.belongs(e, "t") }))
	}
	return all
}
