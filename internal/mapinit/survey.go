package mapinit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/dictionary"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/plan"
)

// Options are what the caller knows about the schema.
type Options struct {
	ClientTable  erasuremap.Name
	TenantColumn string // column of the client table; empty: guess it
}

// proposal is the map while it is built.
type proposal struct {
	cat   *plan.Catalog
	facts *Facts

	client *plan.Relation
	key    *plan.Column

	tenantColumn string         // of the client's row; empty: one tenant
	tenantTable  *plan.Relation // nil although there is a column: the table becomes a TODO
	tenantKey    string

	rows    []*rows
	unclear []string // findings that no line of the map covers
}

// begin finds the client table, its key and its tenant.
func begin(cat *plan.Catalog, o Options, facts *Facts) (*proposal, error) {
	p := &proposal{cat: cat, facts: facts, client: cat.Relation(o.ClientTable)}
	if p.client == nil {
		return nil, fmt.Errorf("no table %s in the database (search path %s)", o.ClientTable, strings.Join(cat.SearchPath, ", "))
	}
	if p.client.Kind == "f" {
		return nil, fmt.Errorf("%s is a foreign table: make the map where its rows are", o.ClientTable)
	}
	if p.client.Kind == "m" {
		return nil, fmt.Errorf("%s is a materialized view: name the table that it reads", o.ClientTable)
	}
	if o.TenantColumn != "" && p.client.Column(o.TenantColumn) == nil {
		return nil, fmt.Errorf("%s has no column %s", o.ClientTable, o.TenantColumn)
	}
	p.findTenant(o.TenantColumn)
	if err := p.findKey(); err != nil {
		return nil, err
	}
	return p, nil
}

// tenantWords are words for tables of tenants.
var tenantWords = setOf(`studio tenant account organization organisation company business salon gym shop store
	practice workspace site club center centre firm venue clinic box brand franchise franchisee merchant
	entreprise societe cabinet enseigne etablissement agence boutique locataire
	mandant betrieb unternehmen firma filiale praxis verein geschaeft laden kette`)

// findTenant finds the column that contains a client's tenant.
func (p *proposal) findTenant(given string) {
	best, rank := plan.ForeignKey{}, 0
	for _, fk := range p.client.ForeignKeys {
		parent := p.parent(fk)
		if parent == nil || parent == p.client {
			continue
		}
		score := 0
		switch {
		case given != "":
			if fk.Columns[0] == given {
				score = 10 - len(fk.Columns)
			}
		case len(fk.Columns) != 1:
		case slices.Contains(p.client.PrimaryKey, fk.Columns[0]) && len(p.client.PrimaryKey) > 1:
			score = 4 // a composite key that begins with the tenant
		case among(singular(words(parent.Name)), tenantWords):
			score = 2
			if p.client.Column(fk.Columns[0]).NotNull {
				score = 3
			}
		}
		if score > rank {
			best, rank = fk, score
		}
	}
	switch {
	case rank > 0:
		p.tenantColumn, p.tenantTable, p.tenantKey = best.Columns[0], p.parent(best), best.ParentColumns[0]
	case given != "":
		p.tenantColumn = given
	default:
		p.tenantColumn = p.sharedKeyColumn()
	}
	if p.tenantTable != nil || p.tenantColumn == "" {
		return
	}
	// Without a foreign key, a column such as studio_id refers to studios by its name.
	stem := strings.Join(referenceStem(p.tenantColumn), "")
	for i := range p.cat.Relations {
		r := &p.cat.Relations[i]
		if r.Kind != "m" && len(r.PrimaryKey) == 1 && stem != "" &&
			(strings.Join(singular(words(r.Name)), "") == stem || joined(r.Name) == stem) {
			p.tenantTable, p.tenantKey = r, r.PrimaryKey[0]
			return
		}
	}
}

// sharedKeyColumn returns the column of a composite primary key with which keys of
// other tables begin too, such as tenant_id in a sharded schema.
func (p *proposal) sharedKeyColumn() string {
	if len(p.client.PrimaryKey) < 2 {
		return ""
	}
	first, others := p.client.PrimaryKey[0], 0
	for i := range p.cat.Relations {
		r := &p.cat.Relations[i]
		if r != p.client && len(r.PrimaryKey) > 1 && r.PrimaryKey[0] == first {
			others++
		}
	}
	if others == 0 {
		return ""
	}
	return first
}

// findKey finds the column that identifies a client within its tenant.
func (p *proposal) findKey() error {
	var left []string
	for _, c := range p.client.PrimaryKey {
		if c != p.tenantColumn || len(p.client.PrimaryKey) == 1 {
			left = append(left, c)
		}
	}
	if len(left) == 1 {
		p.key = p.client.Column(left[0])
		return nil
	}
	for _, x := range p.client.Indexes {
		if x.Unique && x.Predicate == "" && len(x.Keys) == 1 && !x.Expression[0] && p.client.Column(x.Keys[0]).NotNull {
			p.key = p.client.Column(x.Keys[0])
			return nil
		}
	}
	if len(left) > 1 {
		return fmt.Errorf("the key of %s has %d columns, %s: name the one of the tenant with --tenant-column",
			p.name(p.client), len(p.client.PrimaryKey), strings.Join(p.client.PrimaryKey, ", "))
	}
	return errors.New(p.name(p.client) + " has no primary key: clients are identified by " +
		"one column of type int, bigint, uuid, text or citext")
}

func (p *proposal) parent(fk plan.ForeignKey) *plan.Relation {
	return p.cat.Relation(erasuremap.Name{Schema: fk.ParentSchema, Relation: fk.Parent})
}

// called returns the first column of the table whose name, written as one word, is in
// the set.
func called(r *plan.Relation, fits func(*plan.Column) bool, names wordSet) string {
	for i := range r.Columns {
		if c := &r.Columns[i]; names[joined(c.Name)] && fits(c) {
			return c.Name
		}
	}
	return ""
}

var (
	countryNames = setOf(`country countrycode land landcode laendercode pays codepays`)
	localeNames  = setOf(`locale localecode language languagecode lang langue codelangue sprache sprachcode defaultlocale defaultlanguage`)
	zoneNames    = setOf(`timezone timezonename tz tzname zeitzone fuseau fuseauhoraire`)
	createdNames = setOf(`createdat created createdon createdate creationdate datecreated insertedat datejoined joinedat
		registeredat signupat signedupat addedat
		creele datecreation datedecreation dateinscription inscritle
		erstelltam angelegtam erfasstam registriertam anlagedatum erstelldatum`)
	deletedNames = setOf(`deletedat deletedon deleted isdeleted datedeleted discardedat archivedat removedat supprimele
		datesuppression geloeschtam geloescht`)
)

func isText(c *plan.Column) bool  { return c.Category == "S" && !c.Array }
func isTime(c *plan.Column) bool  { return c.Category == "D" && !c.Array }
func isAny(*plan.Column) bool     { return true }
func isBool(c *plan.Column) bool  { return c.Category == "B" && !c.Array }
func isCount(c *plan.Column) bool { return c.Category == "N" && !c.Array }

// nameColumns are the columns that a preview shows, first name first.
func (p *proposal) nameColumns() []string {
	var first, last, full []string
	for i := range p.client.Columns {
		c := &p.client.Columns[i]
		if !isText(c) || c.Generated {
			continue
		}
		switch p.concept(p.client, c) {
		case dictionary.FirstName:
			first = append(first, c.Name)
		case dictionary.LastName:
			last = append(last, c.Name)
		case dictionary.FullName:
			full = append(full, c.Name)
		}
	}
	if len(first)+len(last) > 0 {
		return append(first[:min(1, len(first))], last[:min(1, len(last))]...)
	}
	return full[:min(1, len(full))]
}

// concept returns the concept of a column of this table: "name" in the client table is
// the name of a person, and "nom" beside "prenom" is the surname.
func (p *proposal) concept(r *plan.Relation, c *plan.Column) dictionary.Concept {
	table := r.Name
	if r == p.client {
		table = "client"
	}
	known := dictionary.RecogniseIn(table, c.Name)
	if known != dictionary.FullName || dictionary.Recognise(c.Name) != dictionary.SomeName {
		return known
	}
	for i := range r.Columns {
		if dictionary.Recognise(r.Columns[i].Name) == dictionary.FirstName {
			return dictionary.LastName
		}
	}
	return dictionary.FullName
}
