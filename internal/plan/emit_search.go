package plan

import (
	"fmt"
	"slices"
	"strings"
)

// Search are the statements that look for clients by their names. A search is a
// list of words. A client is found if each word is a part of its name, whatever its
// case. Three statements share the work:
//
//   - [Search.Scan] reads a bounded number of clients in the order of their keys. It
//     needs no index of names, and one call may not reach the end.
//   - [Search.Indexed] finds by an index of trigrams. It is empty if there is none.
//   - [Search.Among] finds among given keys, for a selection.
type Search struct {
	Scan, ScanAfter       Statement // → (key, whether the name matches), from the first key or after one
	Indexed, IndexedAfter Statement // → (key); empty without an index
	Among                 Statement // → (key) of those given that match
}

// search writes the statements of a search.
func (em emitter) search() Search {
	s := Search{Scan: em.scanStatement(false), ScanAfter: em.scanStatement(true), Among: em.amongStatement()}
	if len(em.m.Client.Name) > 0 && em.unsearchable() == nil {
		s.Indexed, s.IndexedAfter = em.indexedStatement(false), em.indexedStatement(true)
	}
	return s
}

// fullName is the name of the client aliased c as a reader sees it.
func (em emitter) fullName() string {
	if len(em.m.Client.Name) == 0 {
		return "''"
	}
	names := make([]string, len(em.m.Client.Name))
	for i, n := range em.m.Client.Name {
		names[i] = ident("c", n) + "::text"
	}
	return "concat_ws(' ', " + strings.Join(names, ", ") + ")"
}

// matches is the condition that each word is a part of the name. The words come as
// patterns of LIKE.
func (t *text) matches() string {
	return fmt.Sprintf("lower(%s) LIKE ALL (ARRAY(SELECT lower(p) FROM unnest(%s) AS p))", t.fullName(),
		t.array(Arg{Kind: ArgPatterns}, "text"))
}

// own is the condition for clients of the tenant who are no anonymous profiles, and
// whose keys come after one.
func (t *text) own(after bool) string {
	cond := t.andTenant("c", "NOT "+t.isProfile(ident("c", t.key.Name)))
	if after {
		cond += " AND " + ident("c", t.key.Name) + " > " + t.scalar(Arg{Kind: ArgAfterKey}, keyType(t.key, t.key))
	}
	return cond
}

func (em emitter) scanStatement(after bool) Statement {
	t := em.text()
	key := ident("c", em.key.Name)
	t.add("SELECT key::text, hit\nFROM (\n  SELECT %s AS key, %s AS hit\n  FROM %s AS \"c\"\n  WHERE %s\n"+
		"  ORDER BY %s\n  LIMIT %s) AS seen\nORDER BY seen.key",
		key, t.matches(), em.client.ident(), t.own(after), key, t.arg(Arg{Kind: ArgLimit}))
	return t.statement("clients: scan for a name", em.name(em.client))
}

// indexedStatement finds no more than a limit. The longest word alone is looked up in
// the index: it is a part of one of the columns, since it has no space.
func (em emitter) indexedStatement(after bool) Statement {
	t := em.text()
	key := ident("c", em.key.Name)
	var columns []string
	for _, name := range em.m.Client.Name {
		columns = append(columns, fmt.Sprintf("%s LIKE lower(%s::text)", lowered("c", em.client.Column(name)),
			t.arg(Arg{Kind: ArgPattern})))
	}
	t.add("SELECT key::text\nFROM (\n  SELECT %s AS key\n  FROM %s AS \"c\"\n  WHERE %s\n    AND (%s)\n    AND %s\n"+
		"  LIMIT %s) AS found\nORDER BY found.key",
		key, em.client.ident(), t.own(after), strings.Join(columns, " OR "), t.matches(), t.arg(Arg{Kind: ArgLimit}))
	return t.statement("clients: find by name", em.name(em.client))
}

func (em emitter) amongStatement() Statement {
	t := em.text()
	t.add("SELECT %s\nFROM %s AS \"c\"\nWHERE %s\n  AND %s", t.keyText(), em.client.ident(), t.theseClients("c"), t.matches())
	return t.statement("clients: find by name among some", em.name(em.client))
}

// lowered is the expression of a column of names that an index of trigrams is on.
func lowered(alias string, c *Column) string {
	own := ident(c.Name)
	if alias != "" {
		own = ident(alias, c.Name)
	}
	if c.Base != "text" {
		own += "::text"
	}
	return "lower(" + own + ")"
}

// unsearchable are the columns of names that no index of trigrams serves.
func (md *model) unsearchable() []*Column {
	var all []*Column
	for _, name := range md.m.Client.Name {
		if c := md.client.Column(name); c != nil && !md.client.hasTrigrams(c) {
			all = append(all, c)
		}
	}
	return all
}

// hasTrigrams reports whether the relation has an index of the column's trigrams, in
// small letters.
func (r *Relation) hasTrigrams(c *Column) bool {
	bare := func(s string) string {
		return strings.NewReplacer("(", "", ")", "", `"`, "", "::text", "", " ", "").Replace(s)
	}
	return slices.ContainsFunc(r.Indexes, func(x Index) bool {
		if x.Unusable || x.Predicate != "" || x.Method != "gin" && x.Method != "gist" {
			return false
		}
		for i, key := range x.Keys {
			if x.Expression[i] && bare(key) == "lower"+bare(c.Name) {
				return true
			}
		}
		return false
	})
}

// warnOfSearch recommends the index by which clients are found by their names.
func (w *warner) warnOfSearch() {
	missing := w.unsearchable()
	if len(missing) == 0 {
		return
	}
	names, keys := make([]string, len(missing)), make([]string, len(missing))
	for i, c := range missing {
		names[i], keys[i] = c.Name, lowered("", c)+" gin_trgm_ops"
	}
	w.add(w.client.qualified(),
		"no index serves a search by "+strings.Join(names, ", ")+
			": GET /v1/clients reads clients in the order of their keys, some thousands at a time",
		fmt.Sprintf("CREATE EXTENSION IF NOT EXISTS pg_trgm; CREATE INDEX CONCURRENTLY ON %s USING gin (%s)",
			w.client.ident(), strings.Join(keys, ", ")))
}

// orderStatement lists the tenant's clients with what a selection is sorted by.
func (em emitter) orderStatement(byActivity bool) Statement {
	t := em.text()
	at := em.createdAt()
	if byActivity {
		at = t.lastActivity()
	}
	t.add("SELECT %s::text AS key, %s AS at\nFROM %s AS \"c\"\nWHERE %s", ident("c", em.key.Name), at, em.client.ident(),
		t.andTenant("c", "true"))
	return t.statement("clients: order", em.name(em.client))
}

// holdingsStatement counts the rows of given clients, table by table → (table, rows).
// A row to which several entries lead is counted once.
func (em emitter) holdingsStatement() Statement {
	t := em.text()
	for i, r := range em.relations() {
		if i > 0 {
			t.add("\nUNION ALL\n")
		}
		var rows []string
		row := func(cond string) {
			rows = append(rows, fmt.Sprintf("SELECT \"t\".tableoid, \"t\".ctid FROM %s AS \"t\" WHERE %s", r.ident(), cond))
		}
		if r == em.client {
			row(t.theseClients("t"))
		}
		for _, e := range em.pathsTo(r) {
			if !e.owned() {
				row(t.belongs(e, "t"))
				continue
			}
			for _, p := range e.pairs {
				row(where(fmt.Sprintf("%s IN (SELECT %s FROM %s AS \"c\" WHERE %s)", ident("t", p.target),
					asKey(r.Column(p.target), em.client.Column(p.column), ident("c", p.column)), em.client.ident(),
					t.theseClients("c")), e.Where))
			}
		}
		t.add("SELECT %s, (SELECT count(*) FROM (\n  %s) AS rows)", literal(em.name(r)), strings.Join(rows, "\n  UNION\n  "))
	}
	return t.statement("clients: count rows", em.name(em.client))
}
