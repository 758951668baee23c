package plan

import (
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// proofEmitter writes the statements by which a chunk proves what it did.
type proofEmitter struct {
	emitter
	captures     []capture
	keepsClients bool // the clients' own rows are still there when the proof runs
}

// after writes statements that run when everything is written.
func (pe *proofEmitter) after() emitter {
	if pe.keepsClients {
		return pe.emitter
	}
	return pe.afterwards()
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

// proof is how a chunk proves an erasure. keepsClients says that the clients' own
// rows stay, as when a merge leaves its source.
func (em emitter) proof(keepsClients bool) Proof {
	if !em.disturbed() {
		return Proof{}
	}
	full := em.fullProof(keepsClients)
	disturbed := func(e *entry) bool { return !e.owned() && len(e.rel.interferes()) > 0 }
	if slices.ContainsFunc(em.entries, func(e *entry) bool { return disturbed(e) && len(e.rel.keyColumns()) == 0 }) {
		return full // rows with triggers that nothing identifies
	}
	pe := &proofEmitter{emitter: em, keepsClients: keepsClients}
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
	pe := &proofEmitter{emitter: em, keepsClients: keepsClients}
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

// absorbStatements erase once more. Rows below a parent are also found by the
// parent's captured keys, because the parent no longer refers to the client.
func (pe *proofEmitter) absorbStatements(which func(*entry) bool) []Statement {
	pe = &proofEmitter{emitter: pe.after(), captures: pe.captures, keepsClients: pe.keepsClients}
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
