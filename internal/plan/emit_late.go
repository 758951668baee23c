package plan

import (
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// LateRows is what runs for rows that were written about clients after these were
// erased: soft references, and rows that belong to them. A session that writes
// a soft reference does not lock the client's row. All of it is empty without soft
// references, and where a client's row stays: then it cannot be seen whether the
// client is in use again.
type LateRows struct {
	Find  []Statement // → (key) of the given clients about whom there are rows; each has its Place
	Lock  []Statement // locks the rows through which others are reached, as LockParents does
	Erase []Statement // in order
	Proof Proof       // of Erase
}

// All lists the statements, for PostgreSQL to parse.
func (l LateRows) All() []Statement {
	return slices.Concat(l.Find, l.Lock, l.Proof.before(), l.Erase, l.Proof.after())
}

func comesLate(e *entry) bool { return e.mayComeLate }

func (em emitter) lateRows() LateRows {
	if em.m.Client.Erase != erasuremap.DeleteClient {
		return LateRows{}
	}
	l := LateRows{}
	for i, e := range em.entries {
		if e.mayComeLate && !e.through() && em.firstWithReference(i) {
			l.Find = append(l.Find, em.afterwards().findLateStatement(e))
		}
	}
	em = em.afterwards()
	l.Lock = em.lockParentsStatements(comesLate)
	l.Erase = em.relatedRowStatements(comesLate)
	if len(l.Erase) == 0 || !em.disturbed() {
		return l
	}
	pe := &proofEmitter{emitter: em}
	pe.captureEntries(comesLate)
	l.Proof = Proof{Writes: em.writesStatement(), Tables: em.insertMeanings(), Captures: pe.captureStatements(),
		Absorb: pe.absorbStatements(comesLate), Probes: pe.probes(comesLate)}
	return l
}

// findLateStatement finds clients about whom there are rows. A row for which no
// `where` is false counts, as in the proof: see notFalse.
func (em emitter) findLateStatement(e *entry) Statement {
	if e.byValue() {
		return em.findLateValuesStatement(e)
	}
	t, name := em.text(), em.name(e.rel)
	keys := t.array(Arg{Kind: ArgKeys}, "text")
	cond := ident("t", e.link.key.Name) + ` = "k"."key"::` + keyType(e.link.key, t.key)
	if e.link.tenant != nil {
		cond += " AND " + ident("t", e.link.tenant.Name) + " = " + t.scalar(Arg{Kind: ArgTenant}, keyType(e.link.tenant, t.tenant))
	}
	cond = em.perhaps(cond, e)
	t.add("SELECT \"k\".\"key\"\nFROM unnest(%s) AS \"k\" (\"key\")\nWHERE EXISTS (SELECT FROM %s AS \"t\" WHERE %s)",
		keys, e.rel.ident(), cond)
	s := t.statement(name+": find rows of erased clients", name)
	s.Place = em.place(e.rel, e.Reference)
	return s
}

// perhaps adds to a condition that the row may be one of the entry's, or of another
// entry with the same reference.
func (em emitter) perhaps(cond string, e *entry) string {
	if em.coversAll(e) {
		return cond
	}
	return where(cond, strings.Join(em.notFalse(e), " OR "))
}

// addLateRows adds what runs for late rows of a merge's source: they move to the
// target or are erased, as the map says of a merge.
func (em mergeEmitter) addLateRows(m *Merge) {
	if em.m.Client.Erase != erasuremap.DeleteClient {
		return
	}
	em.emitter = em.afterwards()
	for _, e := range em.mergeOrder {
		if !e.mayComeLate {
			continue
		}
		m.DropLateRows = append(m.DropLateRows, em.dropStatements(e)...)
		if e.Merge == erasuremap.Delete {
			m.DeleteLateRows = append(m.DeleteLateRows, em.moveStatement(e))
		} else {
			m.MoveLateRows = append(m.MoveLateRows, em.moveStatement(e))
		}
	}
	m.MoveLateRows = append(m.MoveLateRows, em.recordStatements(func(e *entry) bool { return e.mayComeLate && e.staysBehind() })...)
	for _, e := range em.eraseOrder {
		if e.mayComeLate && e.staysBehind() {
			m.MoveLateRows = append(m.MoveLateRows, em.entryStatements(e)...)
		}
	}
	if len(m.DeleteLateRows)+len(m.MoveLateRows) == 0 || !em.disturbed() {
		return
	}
	pe := &proofEmitter{emitter: em.emitter}
	pe.captureEntries(func(e *entry) bool { return e.mayComeLate && erasedByMerge(e) })
	m.ProofLateRows = Proof{Captures: pe.captureStatements(), Probes: pe.mergeProbes(comesLate)}
}
