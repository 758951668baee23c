package mapinit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/dictionary"
	"github.com/oubli/oubli/internal/plan"
)

// anonymousFlags are the names of booleans that mark an anonymous profile.
var anonymousFlags = setOf(`isanonymous anonymous isanonymized anonymized estanonyme anonyme anonymise istanonym
	anonym anonymisiert isplaceholder placeholder isdummy`)

// profile proposes the values of an anonymous profile: values for columns that must
// have one, and the name that the application will show.
func (p *proposal) profile() []rule {
	var list []rule
	names := p.nameColumns()
	for i := range p.client.Columns {
		c := &p.client.Columns[i]
		needed := c.NotNull && !c.Default
		switch {
		case c.Generated || c.Name == p.tenantColumn:
		case slices.Contains(names, c.Name):
			list = append(list, p.profileName(c, c.Name == names[0]))
		case isBool(c) && anonymousFlags[joined(c.Name)]:
			list = append(list, rule{c.Name, "{value: true}", ""})
		case c.Name == p.key.Name && needed:
			list = append(list, p.profileKey(c))
		case needed:
			list = append(list, p.needed(c))
		}
	}
	return list
}

func (p *proposal) profileName(c *plan.Column, first bool) rule {
	switch {
	case p.unique(p.client, c):
		return p.distinct(c, "")
	case first:
		return rule{c.Name, "{label: unknown_client}", "“Client inconnu”, in the tenant's language"}
	}
	return rule{c.Name, `{value: ""}`, ""}
}

func (p *proposal) profileKey(c *plan.Column) rule {
	switch {
	case c.Base == "uuid":
		return rule{c.Name, "{sql: gen_random_uuid()}", "the application makes its keys itself"}
	case c.Category == "S":
		return rule{c.Name, `{sql: "gen_random_uuid()::text"}`, "the application makes its keys itself"}
	}
	return rule{c.Name, todo, "no default: {sql: …} for a new key, such as nextval('…')"}
}

// distinct proposes a text that differs in every profile.
func (p *proposal) distinct(c *plan.Column, suffix string) rule {
	expr := "'anonymous-' || "
	if p.tenantColumn != "" {
		expr += ":tenant || '-' || "
	}
	expr += ":slot"
	if suffix != "" {
		expr += " || " + sqlText(suffix)
	}
	return rule{c.Name, "{sql: " + sqlValue(expr) + "}", "unique, and a tenant may need several profiles"}
}

// needed proposes an impersonal value for a column that must have one.
func (p *proposal) needed(c *plan.Column) rule {
	what := p.concept(p.client, c)
	switch {
	case isForeign(p.client, c.Name):
		for _, fk := range p.client.ForeignKeys {
			if slices.Contains(fk.Columns, c.Name) {
				return rule{c.Name, todo, fmt.Sprintf("refers to %s: {value: …}, or {sql: …} that finds a row", fk.Parent)}
			}
		}
	case c.Array:
		return rule{c.Name, `{value: "{}"}`, ""}
	case c.Category == "S" && p.unique(p.client, c):
		suffix := ""
		if what == dictionary.Email {
			suffix = "@invalid"
		}
		return p.distinct(c, suffix)
	case p.unique(p.client, c) && c.Base == "uuid":
		return rule{c.Name, "{sql: gen_random_uuid()}", ""}
	case p.unique(p.client, c):
		return rule{c.Name, todo, c.Type + ", unique: {sql: …} with :slot"}
	case c.Category == "S" && (what == dictionary.FirstName || what == dictionary.FullName):
		return rule{c.Name, "{label: unknown_client}", ""}
	case c.Category == "S" && what == dictionary.Harmless && !strings.Contains(joined(c.Name), "number"):
		return rule{c.Name, todo, c.Type + ": {value: …} that the application knows"}
	case c.Category == "S":
		return rule{c.Name, `{value: ""}`, ""}
	case c.Category == "N":
		return rule{c.Name, "{value: 0}", ""}
	case c.Category == "B":
		return rule{c.Name, "{value: false}", ""}
	case c.Base == "date":
		return rule{c.Name, "{sql: current_date}", ""}
	case c.Category == "D" && strings.HasPrefix(c.Base, "timestamp"):
		return rule{c.Name, "{sql: now()}", ""}
	case c.Category == "E":
		return rule{c.Name, todo, p.choice(c)}
	case c.Base == "json" || c.Base == "jsonb":
		return rule{c.Name, `{value: "{}"}`, ""}
	case c.Base == "uuid":
		return rule{c.Name, "{sql: gen_random_uuid()}", ""}
	}
	return rule{c.Name, todo, c.Type + ", NOT NULL: {value: …}"}
}

// choice lists an enum's labels, with the first as the example.
func (p *proposal) choice(c *plan.Column) string {
	labels := p.facts.Enums[c.Type]
	if len(labels) == 0 {
		return c.Type + ": {value: …}"
	}
	return fmt.Sprintf("{value: %s}, or one of %s", scalar(labels[0]), strings.Join(labels, ", "))
}

// fill lists the columns that a merge may copy: personal ones that may be empty,
// except secrets.
func (p *proposal) fill() []string {
	var list []string
	for i := range p.client.Columns {
		c := &p.client.Columns[i]
		owned := slices.ContainsFunc(p.rows, func(e *rows) bool { return e.ownedBy == c.Name })
		blank := !c.NotNull || isText(c) && c.Default
		if c.Generated || !blank || slices.Contains(p.nameColumns(), c.Name) {
			continue
		}
		personal := p.concept(p.client, c).Personal() && p.concept(p.client, c) != dictionary.Network && !isForeign(p.client, c.Name) &&
			(isText(c) || isTime(c) || c.Category == "E") && !looksLikeReference(c.Name)
		if owned || personal {
			list = append(list, c.Name)
		}
	}
	return list
}
