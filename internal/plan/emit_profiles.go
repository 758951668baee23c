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
func (em emitter) liveProfilesStatement() Statement {
	t := em.text()
	t.add("SELECT p.slot, p.client_key\n"+
		"FROM oubli.anonymous_profiles AS p\n"+
		"JOIN %s AS \"c\" ON %s = p.client_key::%s\n"+
		"WHERE p.tenant_id = %s::text AND p.replaced_at IS NULL AND %s\n"+
		"  AND to_jsonb(\"c\") @> p.written\n"+
		"ORDER BY p.slot",
		em.client.ident(), ident("c", em.key.Name), keyType(em.key, em.key), t.arg(Arg{Kind: ArgTenant}), t.andTenant("c", "true"))
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
func (em emitter) profileCountStatements() []Statement {
	var all []Statement
	for _, e := range em.entries {
		if e.Erase != erasuremap.Reassign {
			continue
		}
		for _, x := range e.collisions {
			all = append(all, em.profileCountStatement(e, x))
		}
	}
	return all
}

func (em emitter) profileCountStatement(e *entry, x collision) Statement {
	t, name := em.text(), em.name(e.rel)
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
		e.rel.ident(), ident("x", e.Reference), t.array(Arg{Kind: ArgProfiles}, keyType(e.reference, em.key)),
		x.meets("mine", slices.Clone(x.others)))
	t.add("  FROM (SELECT %s FROM %s AS \"t\" WHERE %s OFFSET 0) AS mine\n  GROUP BY %s) AS counts",
		strings.Join(selected, ", "), e.rel.ident(), where(t.belongs(e, "t"), applies), strings.Join(groups, ", "))
	return t.statement(name+": count the profiles needed", name)
}
