package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// fillStatement fills the target's blank columns with the source's values. If
// deletes is set, it erases the source's own row in the same statement. Otherwise
// it leaves out columns that a unique index covers, since both rows would have the
// same value.
func (em mergeEmitter) fillStatement(deletes bool) Statement {
	var columns []*Column
	for _, name := range em.m.Client.Fill {
		col := em.client.Column(name)
		shared := slices.ContainsFunc(em.client.Indexes, func(x Index) bool {
			return (x.Unique || x.Exclusion) && (x.has(name) || x.computes(name) || mentions(x.Predicate, name))
		})
		if deletes || !shared {
			columns = append(columns, col)
		}
	}
	if len(columns) == 0 {
		if deletes {
			return em.clientRowStatement()
		}
		return Statement{}
	}
	t, name := em.text(), em.name(em.client)
	var taken, set []string
	for i, col := range columns {
		given := fmt.Sprintf("s.oubli_f%d", i)
		taken = append(taken, fmt.Sprintf("%s AS oubli_f%d", ident("t", col.Name), i))
		missing := blank(col, ident("c", col.Name)) + " AND NOT " + blank(col, given)
		if em.client.foreignTo(col.Name, em.client) != nil { // the target must not refer to itself
			missing += " AND " + given + " <> " + ident("c", em.key.Name)
		}
		set = append(set, fmt.Sprintf("%s = CASE WHEN %s THEN %s ELSE %s END", ident(col.Name), missing, given, ident("c", col.Name)))
	}
	source, what := "", name+": fill"
	switch {
	case !deletes:
		source = fmt.Sprintf("SELECT %s FROM %s AS \"t\" WHERE %s", strings.Join(taken, ", "), em.client.ident(), t.theseClients("t"))
	case em.m.Client.Erase == erasuremap.Anonymize:
		// The source's values before the UPDATE: RETURNING gives those after it.
		what = name + ": fill, and anonymize the source"
		var was []string
		for i := range columns {
			was = append(was, fmt.Sprintf("was.oubli_f%d", i))
		}
		source = fmt.Sprintf("UPDATE %s AS \"t\" SET %s FROM (SELECT %s FROM %s AS \"t\" WHERE %s) AS was WHERE %s RETURNING %s",
			em.client.ident(), assignments(t.ruleChanges("t", em.clientRules)...), strings.Join(taken, ", "), em.client.ident(),
			t.theseClients("t"), t.theseClients("t"), strings.Join(was, ", "))
	default:
		what = name + ": fill, and delete the source"
		source = fmt.Sprintf("DELETE FROM %s AS \"t\" WHERE %s RETURNING %s", em.client.ident(), t.theseClients("t"), strings.Join(taken, ", "))
	}
	t.add("WITH s AS (\n  %s\n)\nUPDATE %s AS \"c\"\nSET %s\nFROM s\nWHERE %s",
		source, em.client.ident(), strings.Join(set, ",\n  "), t.isTarget("c"))
	s := t.statement(what, name)
	s.ClientRows, s.Place = true, em.place(em.client, "")
	return s
}

// blank is the condition under which a column is NULL or, as text, empty.
func blank(col *Column, expr string) string {
	if col.text() {
		return "(coalesce(btrim(" + expr + "::text), '') = '')"
	}
	return "(" + expr + " IS NULL)"
}
