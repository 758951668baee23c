package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// liveProfilesStatement finds the profiles that can be used: their rows exist and
// still hold what client.anonymous wrote. A row that the application has edited
// may have become a person.
//
// Of profiles that an earlier version made it is not recorded what they held. They
// are found once adoptProfilesStatement has compared them.
func (em emitter) liveProfilesStatement() Statement {
	t := em.text()
	recorded := ""
	if len(em.profileRules) > 0 {
		recorded = " AND p.written <> '{}'"
	}
	t.add("SELECT p.slot, p.client_key\n"+
		"FROM oubli.anonymous_profiles AS p\n"+
		"JOIN %s AS \"c\" ON %s = p.client_key::%s\n"+
		"WHERE p.tenant_id = %s::text AND p.replaced_at IS NULL AND %s\n"+
		"  AND to_jsonb(\"c\") @> p.written%s\n"+
		"ORDER BY p.slot",
		em.client.ident(), ident("c", em.key.Name), keyType(em.key, em.key), t.arg(Arg{Kind: ArgTenant}), t.andTenant("c", "true"), recorded)
	return t.statement("anonymous profiles: find", em.name(em.client))
}

func (em emitter) newProfileStatement() Statement {
	t := em.text()
	var columns, values []string
	if em.tenant != nil {
		columns = append(columns, ident(em.tenant.Name))
		values = append(values, t.scalar(Arg{Kind: ArgTenant}, t.tenantType()))
	}
	for _, rule := range em.profileRules {
		columns = append(columns, ident(rule.Column))
		values = append(values, t.value("c", rule))
	}
	t.add("INSERT INTO %s", em.client.ident())
	if len(columns) == 0 {
		t.add(" DEFAULT VALUES")
	} else {
		t.add(" (%s)\nVALUES (%s)", strings.Join(columns, ", "), strings.Join(values, ", "))
	}
	// What the row holds once BEFORE triggers have had it, as to_jsonb of the row shows it.
	written := "'{}'::jsonb"
	if len(em.profileRules) > 0 {
		columns = nil
		for _, rule := range em.profileRules {
			columns = append(columns, ident(rule.Column))
		}
		written = fmt.Sprintf("(SELECT to_jsonb(w) FROM (SELECT %s) AS w)", strings.Join(columns, ", "))
	}
	t.add("\nRETURNING %s::text, %s", ident(em.key.Name), written)
	return t.statement("anonymous profile: insert", em.name(em.client))
}

// profileCountStatements count, for each unique index under which reassigned rows
// may collide, how many profiles are needed: the largest number of rows with the
// same other keys, including those of the lane's profiles. A chunk that finds too
// few profiles is rolled back, so they are made for a whole batch beforehand.
//
// Of a whole job they count before its first chunk, so that one which needs more
// profiles than the map allows is blocked before it has changed anything.
func (em emitter) profileCountStatements(wholeJob bool) []Statement {
	var all []Statement
	for _, e := range em.entries {
		if e.Erase != erasuremap.Reassign {
			continue
		}
		for _, x := range e.collisions {
			all = append(all, em.profileCountStatement(e, x, wholeJob))
		}
	}
	return all
}

func (em emitter) profileCountStatement(e *entry, x collision, wholeJob bool) Statement {
	t, name := em.text(), em.name(e.rel)
	t.wholeJob = wholeJob
	var selected, groups []string
	for i, o := range x.others {
		selected = append(selected, fmt.Sprintf("%s AS oubli_o%d", o, i))
		groups = append(groups, fmt.Sprintf("mine.oubli_o%d", i))
	}
	applies := x.applies()
	if x.appliesAlways() {
		applies = ""
	}
	// OFFSET 0 keeps the two uses of the table separate.
	t.add("SELECT coalesce(max(needed), 0)\nFROM (\n"+
		"  SELECT count(*) + (SELECT count(*) FROM %s AS \"x\" WHERE %s = ANY(%s) AND %s) AS needed\n",
		e.rel.ident(), ident("x", e.Reference), t.newReferences(e.link),
		x.meets("mine", slices.Clone(x.others)))
	t.add("  FROM (SELECT %s FROM %s AS \"t\" WHERE %s OFFSET 0) AS mine\n  GROUP BY %s) AS counts",
		strings.Join(selected, ", "), e.rel.ident(), where(t.belongs(e, "t"), applies), strings.Join(groups, ", "))
	st := t.statement(name+": count the profiles needed", name)
	if wholeJob {
		st.Name += " by the job"
	}
	st.Index = x.index
	return st
}

// largestGroupStatements count, for each unique index under which reassigned rows
// may collide, the rows of the largest group that it keeps apart: so many profiles
// are needed when all of its clients are erased.
func (em emitter) largestGroupStatements() []Statement {
	var all []Statement
	for _, e := range em.entries {
		if e.Erase != erasuremap.Reassign {
			continue
		}
		for _, x := range e.collisions {
			t, name := em.text(), em.name(e.rel)
			cond := ident("t", e.Reference) + " IS NOT NULL"
			if !x.appliesAlways() {
				cond = where(cond, x.applies())
			}
			var others []string
			for i, o := range x.others {
				others = append(others, fmt.Sprintf("%s AS oubli_o%d", o, i))
			}
			t.add("SELECT coalesce(max(n), 0)\nFROM (\n"+
				"  SELECT count(*) AS n\n  FROM (SELECT %s FROM %s AS \"t\" WHERE %s) AS g\n  GROUP BY %s) AS counts",
				strings.Join(others, ", "), e.rel.ident(), cond, groupColumns(len(x.others)))
			st := t.statement(name+": largest group", name)
			st.Index = x.index
			all = append(all, st)
		}
	}
	return all
}

func groupColumns(n int) string {
	columns := make([]string, n)
	for i := range columns {
		columns[i] = fmt.Sprintf("g.oubli_o%d", i)
	}
	return strings.Join(columns, ", ")
}

// adoptProfilesStatement records what the rows of profiles hold that were made when
// this was not recorded yet, if they hold what client.anonymous says as far as that
// can be compared. The others are no profiles any more: newProfile replaces them.
func (em emitter) adoptProfilesStatement() Statement {
	if len(em.profileRules) == 0 {
		return Statement{}
	}
	t := em.text()
	columns, fixed := make([]string, len(em.profileRules)), []change(nil)
	for i, rule := range em.profileRules {
		columns[i] = ident("c", rule.Column)
		if rule.Kind != erasuremap.SQL {
			fixed = append(fixed, change{rule.column, t.value("c", rule)})
		}
	}
	holds := "true"
	if len(fixed) > 0 {
		holds = "NOT " + differs("c", fixed)
	}
	t.add("UPDATE oubli.anonymous_profiles AS p\nSET written = (SELECT to_jsonb(w) FROM (SELECT %s) AS w)\nFROM %s AS \"c\"\n"+
		"WHERE p.tenant_id = %s::text AND p.replaced_at IS NULL AND p.written = '{}'\n  AND %s = p.client_key::%s AND %s\n  AND %s",
		strings.Join(columns, ", "), em.client.ident(), t.arg(Arg{Kind: ArgTenant}),
		ident("c", em.key.Name), keyType(em.key, em.key), t.andTenant("c", "true"), holds)
	return t.statement("anonymous profiles: adopt those of earlier versions", em.name(em.client))
}

// removeProfilesStatement deletes the rows of profiles to which nothing refers, and
// which hold what they were made with. A row may refer to a profile by any entry's
// reference, whatever becomes of such a row in an erasure.
func (em emitter) removeProfilesStatement() Statement {
	if em.m.Client.Erase != erasuremap.DeleteClient {
		return Statement{}
	}
	t := em.text()
	t.add("DELETE FROM %s AS \"c\"\nUSING oubli.anonymous_profiles AS p\n"+
		"WHERE p.tenant_id = %s::text AND p.client_key = ANY(%s::text[]) AND p.replaced_at IS NULL\n"+
		"  AND %s = p.client_key::%s AND %s AND to_jsonb(\"c\") @> p.written",
		em.client.ident(), t.arg(Arg{Kind: ArgTenant}), t.arg(Arg{Kind: ArgProfiles}),
		ident("c", em.key.Name), keyType(em.key, em.key), t.andTenant("c", "true"))
	var seen []string
	for _, e := range em.entries {
		name := e.rel.ident() + "." + e.Reference
		if e.owned() || e.through() || slices.Contains(seen, name) {
			continue
		}
		seen = append(seen, name)
		t.add("\n  AND NOT EXISTS (SELECT FROM %s AS \"x\" WHERE %s)", e.rel.ident(),
			t.isKey(e.reference, ident("x", e.Reference), ident("c", em.key.Name)))
	}
	t.add("\nRETURNING p.client_key")
	return t.statement("anonymous profiles: remove unused ones", em.name(em.client))
}
