package erasuremap

import (
	"strings"
	"time"
)

// readRetention reads the retention rules. When the law of a country changes, the rule
// gets another period for it.
func (r *reader) readRetention(v value) []Retention {
	var rules []Retention
	for _, e := range r.named(v, "retention rules by name") {
		f := r.fields(e.value, "a retention rule")
		clock := r.clock(f.need("clock"))
		rule := Retention{Pos: e.at, Name: e.key, Countries: r.countries(f.take("years"), clock)}
		if v := f.take("otherwise"); v.set {
			rule.Otherwise = r.periods(v, clock)
		}
		if !f.broken && !f.has("years") && !f.has("otherwise") {
			r.problemf(f.pos, "a retention rule needs years, otherwise or both")
		}
		f.close()
		rules = append(rules, rule)
	}
	return rules
}

func (r *reader) clock(v value) Clock {
	return choice(r, v, IssueDate, EndOfYear, EndOfFiscalYear, EndOfYearOfFiscalYear)
}

func (r *reader) countries(v value, clock Clock) map[string][]Period {
	entries, _ := r.mapping(v, "years by country, as in {DE: 10}")
	countries := map[string][]Period{}
	for _, e := range entries {
		switch {
		case len(e.key) != 2 || strings.Trim(e.key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "":
			r.problemf(e.at, "%q is no country code: write two upper-case letters (ISO 3166)", e.key)
		case e.key == "UK":
			r.problemf(e.at, "the United Kingdom's code is GB (ISO 3166): write GB")
		case e.key == "EL":
			r.problemf(e.at, "Greece's code is GR (ISO 3166): write GR")
		case !isCountry(e.key):
			// No tenant has this country, so `otherwise` would apply without a warning.
			r.problemf(e.at, "%q is the code of no country (ISO 3166)", e.key)
		}
		countries[e.key] = r.periods(e.value, clock)
	}
	return countries
}

// periods reads the periods of one country: one, or a list in the order in which
// they came into force.
func (r *reader) periods(v value, clock Clock) []Period {
	if v.is() != "a list" {
		p, _ := r.period(v, clock, false)
		return []Period{p}
	}
	items := r.items(v, "a list of periods")
	if len(items) == 0 {
		r.problemf(v.pos, "an empty list says nothing: write years, as in 10")
	}
	var list []Period
	for i, item := range items {
		p, from := r.period(item, clock, i > 0)
		if i > 1 && !p.From.IsZero() && !p.From.After(list[i-1].From) {
			r.problemf(from, "periods stand in the order in which they came into force, each from a later day than the one before")
		}
		list = append(list, p)
	}
	return list
}

// period reads one period and returns the place of its from. Every period but the
// first must have from.
func (r *reader) period(v value, clock Clock, later bool) (Period, Pos) {
	p := Period{Clock: clock}
	if v.is() != "a mapping" {
		p.Years = r.years(v)
		if later {
			r.problemf(v.pos, "add the day from which it applies, as in {years: 8, from: 2025-01-01}")
		}
		return p, v.pos
	}
	f := r.fields(v, "a period")
	if y := f.need("years"); y.set {
		p.Years = r.years(y)
	}
	if c := f.take("clock"); c.set {
		p.Clock = r.clock(c)
	}
	from := f.take("from")
	switch {
	case later && !from.set:
		r.problemf(f.pos, "add the day from which it applies, as in {years: 8, from: 2025-01-01}")
	case from.set && !later:
		r.problemf(f.key("from"), "the period that applied before that day is missing: write a list, as in [10, {years: 8, from: 2025-01-01}]")
	case from.set:
		p.From = r.day(from)
	}
	f.close()
	return p, from.pos
}

// day reads a calendar day of the years 1900 to 2199.
func (r *reader) day(v value) time.Time {
	if r.todo(v) {
		return time.Time{}
	}
	text, _ := verbatim(v.node)
	day, err := time.Parse(time.DateOnly, text)
	if err != nil || day.Year() < 1900 || day.Year() > 2199 {
		r.problemf(v.pos, "want a day of the years 1900 to 2199, as in 2025-01-01")
		return time.Time{}
	}
	return day
}

// isCountry reports whether the code is assigned by ISO 3166-1, or is XK, which is in
// general use.
func isCountry(code string) bool {
	return strings.Contains(" "+countryCodes+" ", " "+code+" ")
}

// countryCodes are those of ISO 3166-1 alpha-2, with XK for Kosovo.
const countryCodes = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ " +
	"CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR " +
	"GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP " +
	"KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ " +
	"NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW " +
	"SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ " +
	"UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW"
