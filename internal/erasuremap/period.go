package erasuremap

import (
	"errors"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Days are midnights in UTC; what day it is, and on which day a moment fell,
// is for whoever knows the tenant's time zone.

// In gives what holds in a country: its own periods, else those for all others,
// else none.
func (r Retention) In(country string) []Period {
	country = strings.ToUpper(strings.TrimSpace(country))
	// Codes that applications write and ISO 3166 does not: by themselves they
	// would mean every other country, which keeps longer or shorter.
	switch country {
	case "UK":
		country = "GB"
	case "EL":
		country = "GR"
	}
	if own, ok := r.Countries[country]; ok {
		return own
	}
	return r.Otherwise
}

// NeedsFiscalYear reports whether any of the periods depends on when the
// tenant's fiscal year ends.
func NeedsFiscalYear(periods []Period) bool {
	for _, p := range periods {
		if p.Clock == EndOfFiscalYear || p.Clock == EndOfYearOfFiscalYear {
			return true
		}
	}
	return false
}

// LastDay is the last day on which the law keeps what is dated since, under
// periods that followed one another. A new period applies to whatever was still
// kept on the day it came into force, however old (so BEG IV, Art. 97 § 19a
// EGAO, for the German eight years); what was over by then stays over, and a
// shorter period ends nothing before that day.
func LastDay(periods []Period, since time.Time, end FiscalYearEnd) time.Time {
	last := periods[0].lastDay(since, end)
	for _, p := range periods[1:] {
		if last.Before(p.From) {
			break
		}
		last = p.lastDay(since, end)
		if eve := p.From.AddDate(0, 0, -1); last.Before(eve) {
			last = eve
		}
	}
	return last
}

// FirstKept is the earliest date of something that the law still keeps today.
// The later something is dated, the longer it is kept, so that one comparison
// tells the two apart.
func FirstKept(periods []Period, today time.Time, end FiscalYearEnd) time.Time {
	// At most a hundred years, begun at most two years after the date.
	oldest := today.AddDate(-103, 0, 0)
	days := int(today.Sub(oldest).Hours() / 24)
	return oldest.AddDate(0, 0, sort.Search(days, func(i int) bool {
		return !LastDay(periods, oldest.AddDate(0, 0, i), end).Before(today)
	}))
}

// lastDay is when a period ends by itself. One of years ends with the day of
// the same name or, where the year does not have it (29 February), with the
// last of that month: Regulation (EEC, Euratom) No 1182/71, Art. 3(2)(c).
func (p Period) lastDay(since time.Time, end FiscalYearEnd) time.Time {
	switch p.Clock {
	case EndOfYear:
		return date(since.Year()+p.Years, time.December, 31)
	case EndOfFiscalYear:
		return end.in(end.after(since).Year() + p.Years)
	case EndOfYearOfFiscalYear:
		return date(end.after(since).Year()+p.Years, time.December, 31)
	}
	return date(since.Year()+p.Years, since.Month(), since.Day())
}

// FiscalYearEnd is the day of the year with which a tenant's fiscal years end.
// The zero value is 31 December: the calendar year.
type FiscalYearEnd struct {
	Month time.Month
	Day   int // beyond the end of the month: its last day
}

// ParseFiscalYearEnd reads a fiscal year's end as a tenant's row has it: the
// number of the month whose last day it is, or MM-DD; 02-29 is the last day of
// February. Empty means the calendar year. The error does not quote.
func ParseFiscalYearEnd(text string) (FiscalYearEnd, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return FiscalYearEnd{}, nil
	}
	if month, err := strconv.Atoi(text); err == nil && month >= 1 && month <= 12 {
		return FiscalYearEnd{time.Month(month), 31}, nil
	}
	// In a leap year, so that 02-29 is a day.
	day, err := time.Parse(time.DateOnly, "2000-"+text)
	if err != nil {
		return FiscalYearEnd{}, errors.New("want the month's number, 1 to 12, or MM-DD")
	}
	return FiscalYearEnd{day.Month(), day.Day()}, nil
}

// in is the day with which the fiscal year ends that ends in a year.
func (e FiscalYearEnd) in(year int) time.Time {
	if e == (FiscalYearEnd{}) {
		return date(year, time.December, 31)
	}
	return date(year, e.Month, e.Day)
}

// after is the end of the fiscal year in which a day lies.
func (e FiscalYearEnd) after(day time.Time) time.Time {
	if end := e.in(day.Year()); !end.Before(day) {
		return end
	}
	return e.in(day.Year() + 1)
}

// date is a day, or the last one of its month.
func date(year int, month time.Month, day int) time.Time {
	last := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC)
	if day >= last.Day() {
		return last
	}
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}
