package erasuremap

import (
	"errors"
	"sort"
	"strconv"
	"strings"
	"time"
)

// In this file, a day is its midnight in UTC. Callers convert a point in time to a day
// with the tenant's time zone.

// In returns the periods of a country: its own if the map has any, else those for all
// other countries.
func (r Retention) In(country string) []Period {
	country = strings.ToUpper(strings.TrimSpace(country))
	// Applications use these codes although they are not in ISO 3166. Without this,
	// the periods for all other countries would apply.
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

// LastDay returns the last day on which the law keeps a record dated since, if the
// periods came into force one after the other. A new period applies to all records that were
// still kept on the day it came into force (as in BEG IV, Art. 97 § 19a EGAO, for
// the German eight years). A record whose period had ended before stays expired,
// and a shorter period ends no earlier than the day before it came into force.
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

// FirstKept returns the earliest date of records that the law still keeps today. All
// records with later dates are kept too, because their periods end later.
func FirstKept(periods []Period, today time.Time, end FiscalYearEnd) time.Time {
	// A period has at most a hundred years and begins at most two years after the
	// record's date.
	oldest := today.AddDate(-103, 0, 0)
	days := int(today.Sub(oldest).Hours() / 24)
	return oldest.AddDate(0, 0, sort.Search(days, func(i int) bool {
		return !LastDay(periods, oldest.AddDate(0, 0, i), end).Before(today)
	}))
}

// lastDay returns the last day of one period. A period of years ends with the same day
// of the same month or, where there is no such day (29 February), with the last
// day of that month: Regulation (EEC, Euratom) No 1182/71, Art. 3(2)(c).
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

// FiscalYearEnd is the last day of a tenant's fiscal years.
// The zero value is 31 December: the calendar year.
type FiscalYearEnd struct {
	Month time.Month
	Day   int // if the month has fewer days, its last day counts
}

// ParseFiscalYearEnd reads the end of a fiscal year from a tenant's row: the number of
// a month, which means its last day, or MM-DD; 02-29 is the last day of February.
// Empty means the calendar year. The error does not quote the text.
func ParseFiscalYearEnd(text string) (FiscalYearEnd, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return FiscalYearEnd{}, nil
	}
	if month, err := strconv.Atoi(text); err == nil && month >= 1 && month <= 12 {
		return FiscalYearEnd{time.Month(month), 31}, nil
	}
	// Parse it in a leap year, so that 02-29 is valid.
	day, err := time.Parse(time.DateOnly, "2000-"+text)
	if err != nil {
		return FiscalYearEnd{}, errors.New("want the month's number, 1 to 12, or MM-DD")
	}
	return FiscalYearEnd{day.Month(), day.Day()}, nil
}

// in returns the last day of the fiscal year that ends in a calendar year.
func (e FiscalYearEnd) in(year int) time.Time {
	if e == (FiscalYearEnd{}) {
		return date(year, time.December, 31)
	}
	return date(year, e.Month, e.Day)
}

// after returns the last day of the fiscal year that includes a day.
func (e FiscalYearEnd) after(day time.Time) time.Time {
	if end := e.in(day.Year()); !end.Before(day) {
		return end
	}
	return e.in(day.Year() + 1)
}

// date returns a day, or the last day of the month if the month is shorter.
func date(year int, month time.Month, day int) time.Time {
	last := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC)
	if day >= last.Day() {
		return last
	}
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}
