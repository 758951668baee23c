package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/jobs"
)

// Candidates lists a tenant's clients who were not active in any of the named
// ways at or after the cutoff, hence not in the future either → (key, code of
// the guard that holds or the empty text), by key. Clients created since the cutoff are
// left out unless includeNew. No kinds means all of them; an unknown kind is
// the caller's mistake and is ignored.
func (p *Plan) Candidates(kinds []string, includeNew bool) Statement {
	return emitter{model: p.model}.candidatesStatement(kinds, includeNew)
}

func (em emitter) candidatesStatement(kinds []string, includeNew bool) Statement {
	t := em.text()
	key := ident("c", em.key.Name)
	cutoff := func() string { return t.arg(Arg{Kind: ArgCutoff}) + "::timestamptz" } // a parameter only if used
	t.add("SELECT %s::text AS key,\n  CASE\n    WHEN %s THEN %s\n", key, t.isProfile(key), literal(jobs.CodeAnonymousProfile))
	t.guardCases()
	t.add("    ELSE ''\n  END AS code,\n  row_number() OVER (ORDER BY %s) - 1 AS n\nFROM %s AS \"c\"\nWHERE %s\n  AND NOT %s",
		key, em.client.ident(), t.andTenant("c", "true"), t.isProfile(key))
	if created := em.m.Client.CreatedAt; created != "" && !includeNew {
		t.add("\n  AND %s < %s", ident("c", created), t.localTime(em.client.Column(created), cutoff()))
	}
	for _, a := range em.activity {
		if len(kinds) == 0 || slices.Contains(kinds, a.Name) {
			t.add("\n  AND NOT %s", t.activeSince(a, cutoff()))
		}
	}
	return t.statement("clients: candidates", em.name(em.client))
}

// previewStatement reads what an administrator sees of candidates. Names are read
// each time and never stored.
func (em emitter) previewStatement() Statement {
	t := em.text()
	t.add("SELECT %s, %s, %s, %s\nFROM %s AS \"c\"\nWHERE %s",
		t.keyText(), em.fullName(), em.createdAt(), t.lastActivity(), em.client.ident(), t.theseClients("c"))
	return t.statement("clients: preview", em.name(em.client))
}

// createdAt is when the client aliased c was created.
func (em emitter) createdAt() string {
	if em.m.Client.CreatedAt == "" {
		return "NULL::timestamptz"
	}
	return writable(ident("c", em.m.Client.CreatedAt)) + "::timestamptz"
}

// lastActivity is when the client aliased c was active last, or will be.
func (t *text) lastActivity() string {
	var subs []string
	for _, a := range t.activity {
		subs = append(subs, fmt.Sprintf("(SELECT %s FROM %s AS \"t\" WHERE %s)",
			writable("max("+ident("t", a.At)+")"), a.rel.ident(), where(t.ofClient(a.link, "t"), a.Where)))
	}
	if len(subs) == 0 {
		return "NULL::timestamptz"
	}
	return "greatest(" + strings.Join(subs, ", ") + ")::timestamptz"
}

// writable limits a date or time to the years that RFC 3339, and so JSON, can write.
// PostgreSQL also has infinity, years before Christ and years of five digits, and
// its largest dates do not fit into its timestamps.
func writable(at string) string {
	const first, last = "'0001-01-01'", "'9999-12-31'"
	return fmt.Sprintf("CASE WHEN %[1]s > %[3]s THEN %[3]s WHEN %[1]s < %[2]s THEN %[2]s ELSE %[1]s END", at, first, last)
}
