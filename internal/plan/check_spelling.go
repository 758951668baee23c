package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// SpellingSample looks for rows that may belong to a client although no `where`
// covers them: a discriminator such as subject_type holds Shop::Client, client or
// nothing, and the map asks for 'Client'. A `where` that is false says that a row is
// about something else, so that no proof at run time can find such a row.
type SpellingSample struct {
	Table string // schema.table
	Ident string // the same, quoted
	// SQL → (column) of the first such row. $1 is the percentage of pages to read, $2
	// are the spellings that a client's type may have, $3 those that the map names.
	SQL   string
	Names []string
	Known []string

	entry *entry
}

// SampledRows is how many rows of a table are read in the order of their pages, and
// how many of random pages.
const SampledRows = 10_000

// SpellingSamples are one for each reference of which all entries have a `where`.
func (p *Plan) SpellingSamples() []SpellingSample {
	if p.model == nil {
		return nil
	}
	return emitter{model: p.model}.spellingSamples()
}

func (em emitter) spellingSamples() []SpellingSample {
	var all []SpellingSample
	for i, e := range em.entries {
		if e.owned() || e.reference == nil || !em.firstWithReference(i) || em.coversAll(e) {
			continue
		}
		if !e.through() && e.rel.foreignTo(e.Reference, em.client) != nil {
			continue // the chunk looks at all rows that refer to the client
		}
		if s, ok := em.spellingSample(e); ok {
			all = append(all, s)
		}
	}
	return all
}

func (em emitter) spellingSample(e *entry) (SpellingSample, bool) {
	to := em.client
	if e.through() {
		to = em.catalog.Relation(e.Through)
	}
	s := SpellingSample{Table: e.rel.qualified(), Ident: e.rel.ident(), entry: e, Known: []string{}}
	var covered []string
	for _, o := range em.entries {
		if em.sameReference(o, e) {
			covered = append(covered, "("+o.Where+") IS TRUE")
			s.Known = append(s.Known, erasuremap.Strings(o.Where)...)
		}
	}
	s.Names = spellings(append([]string{to.Name}, s.Known...))
	var columns, cases []string
	for i := range e.rel.Columns {
		col := &e.rel.Columns[i]
		if col.Array || !slices.Contains([]string{"S", "E"}, col.Category) || col.Name == e.Reference || !em.discriminates(e, col.Name) {
			continue
		}
		columns = append(columns, ident(col.Name))
		cases = append(cases, fmt.Sprintf("WHEN %s = ANY($2::text[]) AND %s <> ALL($3::text[]) THEN %s",
			spelled(ident("s", col.Name)), plainText(ident("s", col.Name)), literal(col.Name)))
	}
	if len(columns) == 0 {
		return s, false
	}
	rows := fmt.Sprintf("SELECT %s, %s AS oubli_covered FROM %s AS \"t\"", strings.Join(columns, ", "), strings.Join(covered, " OR "),
		e.rel.ident())
	s.SQL = fmt.Sprintf("SELECT f.name FROM (\n  (%[1]s LIMIT %[2]d)\n  UNION ALL\n"+
		"  (%[1]s TABLESAMPLE SYSTEM ($1::real) REPEATABLE (1) LIMIT %[2]d)) AS s,\n"+
		"  LATERAL (SELECT CASE %[3]s END AS name) AS f\nWHERE NOT s.oubli_covered AND f.name IS NOT NULL\nLIMIT 1",
		rows, SampledRows, strings.Join(cases, " "))
	return s, true
}

// discriminates reports whether the `where` of an entry with this reference names
// the column.
func (em emitter) discriminates(e *entry, column string) bool {
	return slices.ContainsFunc(em.entries, func(o *entry) bool { return em.sameReference(o, e) && mentions(o.Where, column) })
}

// Found is the gap of a sample that has found a row.
func (s SpellingSample) Found(column string) Gap {
	var gaps Gaps
	e := s.entry
	gaps.add(e.WherePos, e.rel, column, "add the spelling to where; or, if it means something else, exclude it there by name: … AND "+
		ident(column)+" <> '…'", "a row is covered by no where, and its %s looks like another spelling of what they ask for", column)
	return gaps[0]
}

// plainText is a value as text, compared by its characters.
func plainText(value string) string { return value + `::text COLLATE pg_catalog."C"` }

// spelled is a value without its namespace (Shop::Order, App\Models\Order,
// public.orders), in lower case, without what separates words.
func spelled(value string) string {
	last := fmt.Sprintf(`regexp_replace(%s::text COLLATE pg_catalog."default", '^.*[.:/\\]', '')`, value)
	return "regexp_replace(lower(" + last + "), '[[:space:]_-]', '', 'g')"
}

// spellings are the forms, as spelled writes them, of some names: in singular and
// plural, and the last word alone, since tables often have a prefix. An empty
// discriminator may mean anything.
func spellings(names []string) []string {
	all := []string{""}
	for _, name := range names {
		name = name[strings.LastIndexAny(name, `.:/\`)+1:]
		words := strings.FieldsFunc(snake(name), func(r rune) bool { return r == '_' })
		if len(words) == 0 {
			continue
		}
		for _, form := range []string{strings.Join(words, ""), words[len(words)-1]} {
			one := singular(form)
			all = append(all, form, one, one+"s", one+"es", strings.TrimSuffix(one, "y")+"ies")
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
