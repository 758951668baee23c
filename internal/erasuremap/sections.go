package erasuremap

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/oubli/oubli/jobs"
)

// defaultMinPeriod applies if the map has no min_period: a shorter period of
// inactivity is probably a mistake.
const defaultMinPeriod = "P30D"

var period = regexp.MustCompile(`^P(?:\d{1,4}Y)?(?:\d{1,4}M)?(?:\d{1,4}W)?(?:\d{1,5}D)?$`)

func (r *reader) readMinPeriod(v value) string {
	if !v.set {
		return defaultMinPeriod
	}
	text := r.text(v, "a period such as P30D")
	if text != "" && (!period.MatchString(text) || !strings.ContainsAny(text, "123456789")) {
		r.problemf(v.pos, "%q is no period of days or longer (ISO 8601): write one such as P30D, P6M or P1Y", text)
	}
	return text
}

// defaultProfiles stands for as long as the map names no other limit. Hundreds of
// rows of clients nobody knows are rarely what somebody wants.
const (
	defaultProfiles = 200
	maxProfiles     = 20_000
)

func (r *reader) readProfiles(v value) int {
	if !v.set || r.todo(v) {
		return defaultProfiles
	}
	text, _ := verbatim(v.node)
	n, err := strconv.Atoi(text)
	if _, number := v.node.(*ast.IntegerNode); !number || err != nil || n < 1 || n > maxProfiles {
		r.problemf(v.pos, "want the number of anonymous profiles that a tenant may have, from 1 to %d", maxProfiles)
		return defaultProfiles
	}
	return n
}

func (d *draft) readTenant(r *reader, v value) {
	if !v.set {
		return
	}
	f := r.fields(v, "tenant")
	d.tenant = f
	d.Tenant = &Tenant{
		Pos:     f.pos,
		Table:   r.name(f.need("table")),
		Key:     r.column(f.need("key")),
		Country: r.column(f.take("country")),
		Locale:  r.column(f.take("locale")),

		TimeZone:      r.column(f.take("timezone")),
		FiscalYearEnd: r.column(f.take("fiscal_year_end")),
	}
	f.close()
}

func (d *draft) readClient(r *reader, v value) {
	f := r.fields(v, "client")
	if !v.set {
		f.broken = true
	}
	d.client = f
	d.Client = Client{
		Pos:   f.pos,
		Table: r.name(f.need("table")),
		Key:   r.column(f.need("key")),

		KeyIsPersonal: r.flag(f.take("key_is_personal")),

		Tenant:    r.column(f.take("tenant")),
		CreatedAt: r.column(f.take("created_at")),
		Name:      r.columns(f.take("name")),
		Erase:     choice(r, f.need("erase"), DeleteClient, Anonymize),
		Columns:   r.rules(f.take("columns")),
		Anonymous: r.rules(f.take("anonymous")),
		Fill:      r.columns(f.take("fill")),
	}
	f.close()
}

// named returns the entries of a section whose keys are names that the map's author
// chooses.
func (r *reader) named(v value, want string) []entry {
	entries, _ := r.mapping(v, want)
	return slices.DeleteFunc(entries, func(e entry) bool { return !r.word(e.key, e.at) })
}

func (r *reader) readGuards(v value) []Guard {
	taken := []string{jobs.CodeRecentActivity, jobs.CodeAnonymousProfile, jobs.CodeKeyReused, jobs.CodeNotFound, jobs.CodeRetained}
	var guards []Guard
	for _, e := range r.named(v, "guards by name") {
		if slices.Contains(taken, e.key) {
			r.problemf(e.at, "%q is a code of oubli's own: name this guard otherwise", e.key)
		}
		f := r.fields(e.value, "a guard")
		guards = append(guards, Guard{
			Pos:         e.at,
			Name:        e.key,
			Table:       r.name(f.take("table")),
			Reference:   r.column(f.take("reference")),
			References:  r.readReferences(f.take("references")),
			Where:       r.condition(f.need("where")),
			WherePos:    f.at("where"),
			Overridable: r.flag(f.take("overridable")),
		})
		if f.has("references") && !f.has("reference") {
			r.problemf(f.key("references"), "references says what reference holds: write reference too, or leave it out")
		}
		if f.has("table") != f.has("reference") {
			r.problemf(f.pos, "a guard has both table and reference, or neither and looks at the client's own row")
		}
		f.close()
	}
	return guards
}

func (r *reader) readActivity(v value) []Activity {
	var kinds []Activity
	for _, e := range r.named(v, "kinds of activity by name") {
		f := r.fields(e.value, "an activity")
		kinds = append(kinds, Activity{
			Pos:        e.at,
			Name:       e.key,
			Table:      r.name(f.need("table")),
			Reference:  r.column(f.need("reference")),
			References: r.readReferences(f.take("references")),
			At:         r.column(f.need("at")),
			Where:      r.condition(f.take("where")),
			WherePos:   f.at("where"),
		})
		f.close()
	}
	return kinds
}

func (r *reader) readIgnore(v value) []Ignored {
	var list []Ignored
	seen := map[Name]bool{}
	for _, item := range r.items(v, "a list of tables") {
		f := r.fields(item, "an ignored table")
		i := Ignored{
			Pos:     f.pos,
			Table:   r.name(f.need("table")),
			Because: r.text(f.need("because"), "a reason"),
		}
		if seen[i.Table] && i.Table != (Name{}) {
			r.problemf(f.at("table"), "%s is ignored twice", i.Table)
		}
		seen[i.Table] = true
		f.close()
		list = append(list, i)
	}
	return list
}

func (r *reader) readTriggers(v value) []Acknowledged {
	type trigger struct {
		name  string
		table Name
	}
	var list []Acknowledged
	seen := map[trigger]bool{}
	for _, item := range r.items(v, "a list of triggers") {
		f := r.fields(item, "a trigger")
		a := Acknowledged{
			Pos:     f.pos,
			Name:    r.identifier(f.need("name"), "a trigger's name"),
			Table:   r.name(f.take("table")),
			Because: r.text(f.need("because"), "a reason"),
		}
		t := trigger{a.Name, a.Table}
		if seen[t] && a.Name != "" {
			r.problemf(f.at("name"), "%q is acknowledged twice", a.Name)
		}
		seen[t] = true
		f.close()
		list = append(list, a)
	}
	return list
}

func (r *reader) readRefresh(v value) []Refresh {
	var list []Refresh
	seen := map[Name]bool{}
	for _, item := range r.listOrOne(v, "a list of materialized views") {
		n := r.name(item)
		if seen[n] && n != (Name{}) {
			r.problemf(item.pos, "%s is refreshed twice", n)
		}
		seen[n] = true
		list = append(list, Refresh{Pos: item.pos, View: n})
	}
	return list
}
