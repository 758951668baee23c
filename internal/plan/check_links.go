package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// checkLink refuses columns that do not refer to what the map says: the client's key,
// or another column of the client.
func (c *checker) checkLink(pos erasuremap.Pos, l link) {
	if l.key == nil {
		return
	}
	r, reference, target := l.rel, l.key, c.key
	if l.byValue() {
		target = l.target
	}
	switch {
	case l.byValue() && target.Array:
		c.gaps.add(pos, r, reference.Name, "name a column with one value", "%s of the client is an array", target.Name)
	case l.fold && !(reference.text() && target.text()):
		c.gaps.add(pos, r, reference.Name, "leave out ignore_case", "only texts can be compared without regard to case")
	case !canHold(reference, target):
		c.gaps.add(pos, r, reference.Name, "name the column that holds the client's "+c.whatKey(l),
			"its type %s cannot hold a key of type %s", reference.Type, target.Type)
	}
	c.checkLinkKeys(pos, l, target)
	if c.keyPerTenant && l.tenant == nil && !l.byValue() {
		c.gaps.add(pos, r, reference.Name, fmt.Sprintf("add a column %s", c.tenant.Name),
			"a client's key is unique within its tenant only, and no column here holds the tenant")
	}
}

func (c *checker) whatKey(l link) string {
	if l.byValue() {
		return l.target.Name
	}
	return "key"
}

// checkLinkKeys refuses a reference whose foreign keys refer to another column than
// the map says. Without a foreign key the name of the column may say so.
func (c *checker) checkLinkKeys(pos erasuremap.Pos, l link, target *Column) {
	var keys []*ForeignKey
	for i := range l.rel.ForeignKeys {
		if fk := &l.rel.ForeignKeys[i]; fk.to(c.client) && slices.Contains(fk.Columns, l.key.Name) {
			keys = append(keys, fk)
		}
	}
	if len(keys) > 0 && !slices.ContainsFunc(keys, func(fk *ForeignKey) bool { return fk.target(l.key.Name) == target.Name }) {
		refers := keys[0].target(l.key.Name)
		fix := fmt.Sprintf("references: {column: %s}", refers)
		if refers == c.key.Name {
			fix = "leave out references"
		}
		c.gaps.add(pos, l.rel, l.key.Name, fix, "foreign key %s refers to %s of the client, not to %s", keys[0].Name, refers, target.Name)
	}
}

// checkMeaning refuses references to the key whose name says that they hold another
// column of the client, until the map says which it is.
func (c *checker) checkMeaning(e *entry) {
	if e.References != nil || e.link.key == nil || e.rel.isForeign(e.Reference) {
		return
	}
	if other := c.namedAfter(e.link.key); other != nil {
		c.gaps.add(e.Pos, e.rel, e.Reference,
			fmt.Sprintf("references: {column: %s}, or references: {column: %s}", other.Name, c.key.Name),
			"by its name it may hold %s of the client instead of %s: say which", other.Name, c.key.Name)
	}
}

// namedAfter is [NamedAfter] for the map's client.
func (c *checker) namedAfter(col *Column) *Column {
	return NamedAfter(c.client, c.key.Name, c.m.Client.Tenant, col)
}

// checkByValue refuses what cannot be done with rows that hold a value of the client.
func (c *checker) checkByValue(e *entry) {
	if !e.byValue() {
		return
	}
	switch {
	case e.Erase == erasuremap.Keep && !nulled(e.rules, e.Reference):
		c.gaps.add(e.Pos, e.rel, e.Reference, "use erase: delete, erase: unlink, or "+e.Reference+": null",
			"kept rows would still hold %s of the erased client", e.target.Name)
	case e.Erase == erasuremap.Reassign && !c.profileHas(e.target):
		fix := fmt.Sprintf(`under client.anonymous: %s: {sql: "'anonymous-' || :tenant || '-' || :slot"}`, e.target.Name)
		c.gaps.add(e.Pos, e.rel, e.Reference, fix,
			"reassigned rows hold %s of the anonymous profile, and client.anonymous gives it none", e.target.Name)
	}
}

// profileHas reports whether anonymous profiles have a value in the column.
func (c *checker) profileHas(col *Column) bool {
	for _, rule := range c.profileRules {
		if rule.Column == col.Name {
			return rule.Kind == erasuremap.SQL || rule.Kind == erasuremap.Label ||
				rule.Kind == erasuremap.Value && strings.TrimSpace(rule.Text) != ""
		}
	}
	return col.Default
}

// checkParentColumn refuses rules that write the parent's column to which kept rows
// refer: these would hold the former value.
func (c *checker) checkParentColumn(e *entry) {
	if e.References == nil || !e.through() || !e.stays() || e.Erase == erasuremap.Unlink || nulled(e.rules, e.Reference) {
		return
	}
	for _, w := range c.writes() {
		if len(e.parents) > 0 && w.rel == e.parents[0].rel && w.column.Name == e.References.Column {
			fix := fmt.Sprintf("%s: keep, or for %s %s: null or erase: delete", w.column.Name, c.name(e.rel), e.Reference)
			c.gaps.add(w.pos, w.rel, w.column.Name, fix,
				"kept rows of %s would still hold the former value", c.name(e.rel))
			return
		}
	}
}

// warnOfShared says of references by value that several clients may share a value,
// and which index finds those who do.
func (w *warner) warnOfShared() {
	for _, e := range w.entries {
		if !e.byValue() {
			continue
		}
		if e.shared {
			w.add(e.rel.qualified(), fmt.Sprintf(
				"several clients may have one %s: rows of %s with a value that another client has too stay until the last of them is erased",
				e.target.Name, w.name(e.rel)), "a unique index over "+e.target.Name+" of the client, if no two clients may share it")
		}
		index := func(r *Relation, column string) string {
			if e.fold {
				return fmt.Sprintf("CREATE INDEX CONCURRENTLY ON %s (lower(%s::text))", r.ident(), ident(column))
			}
			return r.createIndex(column)
		}
		served := func(r *Relation, column string) bool {
			return !e.fold && r.served("", column) || e.fold && r.servesLower(column)
		}
		if !served(w.client, e.target.Name) {
			w.add(w.client.qualified(), "no index finds the clients with the same "+e.target.Name, index(w.client, e.target.Name))
		}
		if e.fold && !served(e.rel, e.Reference) {
			w.add(e.rel.qualified(), "no index serves "+e.Reference+" without regard to case", index(e.rel, e.Reference))
		}
	}
}

// servesLower reports whether an index finds rows by the column in lower case.
func (r *Relation) servesLower(column string) bool {
	name := regexp.QuoteMeta(ident(column)) + "|" + regexp.QuoteMeta(column)
	lower := regexp.MustCompile(`^\(*lower\(\(*(` + name + `)\)*(::text)?\)+$`)
	return slices.ContainsFunc(r.Indexes, func(x Index) bool {
		return !x.Unusable && x.Predicate == "" && x.Method == "btree" && len(x.Keys) > 0 && x.Expression[0] && lower.MatchString(x.Keys[0])
	})
}
