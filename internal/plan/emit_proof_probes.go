package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

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
	return pe.after().findStatement(e.rel, e.Reference, func(t *text) string {
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
			cond = "((" + t.stillRetained(e, "t") + ") IS NOT TRUE AND " + cond + ")"
		}
		conds = append(conds, cond)
		cases = append(cases, fmt.Sprintf("WHEN %s THEN %s", cond, literal(r.Column)))
	}
	return "CASE " + strings.Join(cases, " ") + " END", strings.Join(conds, " OR ")
}
