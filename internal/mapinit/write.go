package mapinit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/plan"
)

// Draft is a first map.
type Draft struct {
	YAML  string
	Todos int // number of TODOs
}

// Write proposes a map for the schema.
func Write(cat *plan.Catalog, facts *Facts, o Options) (Draft, error) {
	p, err := begin(cat, o, facts)
	if err != nil {
		return Draft{}, err
	}
	p.reach()
	body := &yamlWriter{}
	for _, section := range []func(*yamlWriter){
		p.writeTenant, p.writeClient, p.writeGuards, p.writeActivity, p.writeTables,
		p.writeIgnore, p.writeTriggers, p.writeRefresh, p.writeRetention,
	} {
		body.blank()
		section(body)
	}
	body.trim()
	n := body.todos()
	s := &yamlWriter{}
	s.say(0, "This map says where a client's personal data is in this database and what erasing does with it. `oubli map init` "+
		"proposed it from the names, types and keys of tables and columns, and from counts in sampled rows. Read every line.")
	s.lines = append(s.lines, line{text: "#", own: true})
	switch n {
	case 0:
		s.say(0, "No question is open. `oubli check` compares the map with the schema and reports what is missing.")
	case 1:
		s.say(0, "One line says TODO. `oubli check` refuses the map until it is answered. "+
			"Then it compares the map with the schema and reports what is missing.")
	default:
		s.say(0, "%d lines say TODO. `oubli check` refuses the map until they are answered. "+
			"Then it compares the map with the schema and reports what is missing.", n)
	}
	s.putf(0, "version: 1")
	s.blank()
	s.append(body)
	return Draft{YAML: s.String(), Todos: n}, nil
}

func (p *proposal) writeTenant(s *yamlWriter) {
	if p.tenantColumn == "" {
		s.say(0, "No tenant was found: every row of %s is a client of the same controller. "+
			"If that is wrong, write for instance:", p.name(p.client))
		s.quote(0, "tenant: {table: studios, key: id, country: country, locale: locale}")
		s.quote(0, "client: {…, tenant: studio_id}")
		return
	}
	s.say(0, "One row of this table is one tenant (controller). The data of two tenants is never mixed. "+
		"The country decides how long invoices are kept; the locale is the language of mails and labels.")
	s.putf(0, "tenant:")
	if p.tenantTable == nil {
		s.put(1, "table: "+todo, "the table that "+p.tenantColumn+" refers to")
		s.put(1, "key: "+todo, "the column that "+p.tenantColumn+" refers to")
		return
	}
	s.putf(1, "table: %s", scalar(p.name(p.tenantTable)))
	s.putf(1, "key: %s", scalar(p.tenantKey))
	if c := p.country(); c != "" {
		s.put(1, "country: "+scalar(c), "ISO 3166")
	} else {
		s.lines = append(s.lines, line{text: "  # country: …", own: true})
	}
	if c := called(p.tenantTable, func(c *plan.Column) bool { return isText(c) || c.Category == "E" }, localeNames); c != "" {
		s.put(1, "locale: "+scalar(c), "BCP 47, such as fr or de-AT")
	} else {
		s.lines = append(s.lines, line{text: "  # locale: …", own: true})
	}
	if c := called(p.tenantTable, isText, zoneNames); c != "" {
		s.put(1, "timezone: "+scalar(c), "such as Europe/Vienna; decides on which day a retention ends")
	}
}

// country returns the tenant's column with its country; empty: none.
func (p *proposal) country() string {
	if p.tenantTable == nil {
		return ""
	}
	return called(p.tenantTable, func(c *plan.Column) bool { return isText(c) || c.Category == "E" }, countryNames)
}

func (p *proposal) writeClient(s *yamlWriter) {
	s.putf(0, "client:")
	s.putf(1, "table: %s", scalar(p.name(p.client)))
	if p.keyed() {
		s.putf(1, "key: %s", scalar(p.key.Name))
	} else {
		s.put(1, "key: "+todo, p.key.Name+" is "+p.key.Type+"; a key is int, bigint, uuid, text or citext")
	}
	if p.tenantColumn != "" {
		s.putf(1, "tenant: %s", scalar(p.tenantColumn))
	}
	if c := called(p.client, isTime, createdNames); c != "" {
		s.putf(1, "created_at: %s", scalar(c))
	}
	if names := p.nameColumns(); len(names) > 0 {
		s.put(1, "name: "+scalars(names), "shown in a preview; never logged, never mailed")
	}
	s.put(1, "erase: delete", "the row is deleted; rows that must stay move to the anonymous profile")
	s.blank()
	p.sayClientColumns(s)
	s.blank()
	s.say(1, "Rows that are kept must refer to a client. They refer to an anonymous profile of the tenant, which all erased "+
		"clients share, so that nobody can tell which rows were one person's. These are the values that it is inserted with.")
	if profile := p.profile(); len(profile) > 0 {
		s.putf(1, "anonymous:")
		writeRules(s, 2, profile)
	} else {
		s.putf(1, "anonymous: {}")
	}
	if fill := p.fill(); len(fill) > 0 {
		s.blank()
		s.say(1, "Columns that a merge may copy from the duplicate when the target's value is empty.")
		s.putf(1, "fill: %s", scalars(fill))
	}
}

func (p *proposal) keyed() bool {
	return !p.key.Array && (p.key.Category == "S" || slices.Contains([]string{"int2", "int4", "int8", "uuid"}, p.key.Base))
}

// sayClientColumns lists the columns that are deleted with the client's row: the
// map has no line for them.
func (p *proposal) sayClientColumns(s *yamlWriter) {
	var names []string
	for _, c := range p.client.Columns {
		if c.Name != p.key.Name && c.Name != p.tenantColumn {
			names = append(names, c.Name)
		}
	}
	s.say(1, "These columns are deleted with the row: %s.", strings.Join(names, ", "))
	if c := called(p.client, isAny, deletedNames); c != "" {
		s.say(1, "Deleting in the application only marks the row (%s). Erasing removes the row, marked or not.", c)
	}
	for i := range p.client.Columns {
		c := &p.client.Columns[i]
		if a := p.answer(AskKeys, p.client, c.Name); a != nil && len(a.Spelled) > 0 {
			s.say(1, "%s contains %s.", c.Name, strings.Join(paths(a), ", "))
		}
	}
}

func paths(a *Answer) []string {
	var list []string
	for _, s := range a.Spelled {
		list = append(list, s.Text)
	}
	return list
}

func (p *proposal) writeGuards(s *yamlWriter) {
	s.say(0, "While one of these conditions is true, a client is not erased but reported as skipped, with the guard's name as the "+
		"reason. Guards are checked again once the client's row is locked.")
	list := p.guards()
	if len(list) == 0 {
		s.say(0, "None was found; for instance:")
		s.quote(0, `guards:`)
		s.quote(0, `  legal_hold: {where: "legal_hold"}`)
		s.quote(0, `  future_visit: {table: visits, reference: client_id, where: "starts_at > now()", overridable: true}`)
		return
	}
	s.putf(0, "guards:")
	for _, g := range list {
		s.putf(1, "%s:", g.name)
		if g.table != nil {
			s.putf(2, "table: %s", scalar(p.name(g.table.rel)))
			s.putf(2, "reference: %s", scalar(g.table.reference))
		}
		where := g.where
		if where != todo {
			where = sqlValue(where)
		}
		s.put(2, "where: "+where, g.note)
		if g.overridable {
			s.putf(2, "overridable: true")
		}
	}
}

func (p *proposal) writeActivity(s *yamlWriter) {
	s.say(0, "Rows that make a client active. A selection of inactive clients leaves out every client with such a row since the "+
		"cutoff. A cancelled visit counts too: somebody booked it.")
	visits := p.visits()
	if len(visits) == 0 {
		s.say(0, "None was found. Without one, clients cannot be selected by inactivity. For instance:")
		s.quote(0, "activity:")
		s.quote(0, "  visits: {table: visits, reference: client_id, at: starts_at}")
		return
	}
	s.putf(0, "activity:")
	seen := map[string]bool{}
	for _, e := range visits {
		name := word(e.rel.Name)
		if seen[name] {
			name = word(e.rel.Name + "_" + e.reference)
		}
		seen[name] = true
		s.putf(1, "%s: {table: %s, reference: %s, at: %s}", name, scalar(p.name(e.rel)), scalar(e.reference), scalar(start(e.rel)))
	}
}

func writeRules(s *yamlWriter, indent int, rules []rule) {
	for _, r := range rules {
		s.put(indent, scalar(r.column)+": "+r.value, r.note)
	}
}

func (p *proposal) writeIgnore(s *yamlWriter) {
	list := p.outside()
	if len(list) == 0 {
		return
	}
	s.say(0, "Tables that look personal but have no link to a client. For each, write why it stays as it is, or add it under tables.")
	s.putf(0, "ignore:")
	for _, e := range list {
		s.put(1, fmt.Sprintf("- {table: %s, because: %s}", scalar(e.table), todo), e.note)
	}
}

func (p *proposal) writeTriggers(s *yamlWriter) {
	list := p.triggers()
	if len(list) == 0 {
		return
	}
	s.say(0, "Triggers also fire during an erasure. One that writes a history would copy the data that is being erased. "+
		"Listing a trigger here confirms that you know what it does.")
	s.putf(0, "triggers:")
	for _, e := range list {
		s.put(1, fmt.Sprintf("- {name: %s, table: %s, because: %s}", scalar(e.name), scalar(e.table), todo), e.note)
	}
}

func (p *proposal) writeRefresh(s *yamlWriter) {
	materialized, plain := p.views()
	if len(materialized) > 0 {
		s.say(0, "Materialized views store copies of what they read. These are refreshed at the end of a job.")
		s.putf(0, "refresh:")
		for _, e := range materialized {
			s.put(1, "- "+scalar(e.name), e.note)
		}
	}
	if len(plain) > 0 {
		if len(materialized) > 0 {
			s.blank()
		}
		names := make([]string, len(plain))
		for i, e := range plain {
			names[i] = e.name
		}
		s.say(0, "Plain views store no data and need no entry: %s.", strings.Join(names, ", "))
	}
}

func (p *proposal) writeRetention(s *yamlWriter) {
	if !slices.ContainsFunc(p.rows, func(e *rows) bool { return e.retain != nil }) {
		return
	}
	s.say(0, "How long the columns under `retain` are kept. After that, a daily sweep applies their rules. "+
		"The law of the tenant's country sets the years: look them up, or ask an accountant.")
	s.putf(0, "retention:")
	s.putf(1, "invoice:")
	s.put(2, "clock: end_of_year", "or issue_date, or end_of_fiscal_year")
	if p.country() != "" {
		s.put(2, "years: {DE: 8, AT: 7}", "§ 14b UStG (10 before 2025), § 132 BAO")
	}
	s.put(2, "otherwise: "+todo, "years in every other country, such as 10")
}
