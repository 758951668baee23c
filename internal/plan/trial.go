package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// trialRows is to how many rows of a table a trial applies the rules.
const trialRows = 100

// Trial writes what the map says, in a transaction that is rolled back, so that
// PostgreSQL shows which CHECK, NOT NULL, domain, unique index or trigger refuses it.
type Trial struct {
	Statement
	// Profile says that the trial inserts an anonymous profile. It needs a tenant
	// that exists.
	Profile bool

	pos   erasuremap.Pos
	rel   *Relation
	rules []columnRule
}

// Trials are the trials of a plan: the insert of an anonymous profile, and the column
// rules of each entry, those at once and those at the end of a retention period.
func (p *Plan) Trials() []Trial {
	if len(p.Erase) == 0 {
		return nil
	}
	em := emitter{model: p.model}
	var all []Trial
	add := func(pos erasuremap.Pos, r *Relation, where string, rules []columnRule) {
		rules = slices.DeleteFunc(slices.Clone(rules), func(rule columnRule) bool { return !rule.writes() })
		if len(rules) > 0 {
			all = append(all, Trial{Statement: em.trialStatement(r, where, rules), pos: pos, rel: r, rules: rules})
		}
	}
	if p.UsesSharedProfile {
		all = append(all, Trial{Statement: p.NewProfile, Profile: true, pos: p.Map.Client.Pos, rel: em.client, rules: em.profileRules})
	}
	for _, e := range em.entries {
		if e.stays() {
			add(e.Pos, e.rel, e.Where, e.rules)
			add(e.Pos, e.rel, e.Where, e.retained)
		}
	}
	if p.Map.Client.Erase == erasuremap.Anonymize {
		add(p.Map.Client.Pos, em.client, "", em.clientRules)
	}
	return all
}

// trialStatement applies rules to a few rows of a table.
func (em emitter) trialStatement(r *Relation, condition string, rules []columnRule) Statement {
	t := em.text()
	sets := make([]string, len(rules))
	for i, rule := range rules {
		sets[i] = ident(rule.Column) + " = " + t.value("t", rule)
	}
	if condition == "" {
		condition = "true"
	}
	t.add("UPDATE %s AS \"t\"\nSET %s\nWHERE \"t\".ctid = ANY(ARRAY(\n"+
		"  SELECT \"t\".ctid FROM %s AS \"t\" WHERE (%s) LIMIT %d FOR UPDATE SKIP LOCKED))",
		r.ident(), strings.Join(sets, ", "), r.ident(), condition, trialRows)
	return t.statement(em.name(r)+": try the rules", em.name(r))
}

// Refused is the gap of a trial that PostgreSQL refused. columns are those that the
// constraint is about, as far as they are known.
func (t Trial) Refused(sqlstate, constraint string, columns []string) Gap {
	g := Gap{Pos: t.pos, Table: t.rel.qualified(), Found: "trial"}
	for _, rule := range t.rules {
		if slices.Contains(columns, rule.Column) || len(t.rules) == 1 {
			g.Pos, g.Column = rule.Pos, rule.Column
			break
		}
	}
	what, fix := "the rules of its columns", "give a rule whose value it takes, or change it"
	if t.Profile {
		what, fix = "the insert of an anonymous profile", "under client.anonymous: … with a value that it takes"
		if g.Column == "" && len(columns) > 0 {
			g.Column = columns[0]
		}
	}
	if g.Column != "" {
		what = "what the map writes into it"
		fix = g.Column + ": {value: …} that it takes, or change it"
		switch {
		case t.Profile && sqlstate == "23505":
			fix = "under client.anonymous: " + g.Column + `: {sql: "… :tenant … :slot …"}`
		case t.Profile:
			fix = "under client.anonymous: " + fix
		}
	}
	by := map[string]string{
		"23514": "CHECK or domain", "23502": "NOT NULL", "23505": "unique index", "23P01": "exclusion constraint", "23503": "foreign key",
	}[sqlstate]
	if by == "" {
		by = "PostgreSQL or a trigger"
	}
	if constraint != "" {
		by += " " + constraint
	}
	g.Why = fmt.Sprintf("%s refuses %s (tried, and rolled back; SQLSTATE %s)", by, what, sqlstate)
	g.Fix, g.Place = fix, g.Pos.String()
	return g
}
