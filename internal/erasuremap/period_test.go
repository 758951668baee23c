package erasuremap

import (
	"math/rand/v2"
	"testing"
	"time"
)

func day(t *testing.T, text string) time.Time {
	t.Helper()
	d, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func fiscal(t *testing.T, text string) FiscalYearEnd {
	t.Helper()
	end, err := ParseFiscalYearEnd(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return end
}

func TestEachClockEndsOnItsDay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		clock             Clock
		years             int
		since, end, until string
	}{
		{IssueDate, 6, "2024-05-17", "", "2030-05-17"},
		{IssueDate, 6, "2024-02-29", "", "2030-02-28"},
		{IssueDate, 8, "2024-02-29", "", "2032-02-29"},
		{IssueDate, 1, "2023-02-28", "", "2024-02-28"},
		{IssueDate, 0, "2024-05-17", "", "2024-05-17"},
		{EndOfYear, 10, "2024-01-01", "", "2034-12-31"},
		{EndOfYear, 10, "2024-12-31", "", "2034-12-31"},
		{EndOfYear, 7, "2024-02-29", "06-30", "2031-12-31"}, // the fiscal year does not matter
		{EndOfFiscalYear, 10, "2024-06-30", "", "2034-12-31"},
		{EndOfFiscalYear, 10, "2024-06-30", "6", "2034-06-30"},
		{EndOfFiscalYear, 10, "2024-07-01", "06-30", "2035-06-30"},
		{EndOfFiscalYear, 6, "2024-04-05", "04-05", "2030-04-05"},
		{EndOfFiscalYear, 6, "2024-04-06", "04-05", "2031-04-05"},
		{EndOfFiscalYear, 5, "2024-02-29", "2", "2029-02-28"},
		{EndOfFiscalYear, 4, "2024-02-29", "02-29", "2028-02-29"},
		{EndOfFiscalYear, 4, "2024-02-29", "02-28", "2029-02-28"}, // by the letter, it lies in the next
		{EndOfFiscalYear, 5, "2023-03-01", "02", "2029-02-28"},
		{EndOfYearOfFiscalYear, 7, "2024-08-31", "08-31", "2031-12-31"},
		{EndOfYearOfFiscalYear, 7, "2024-09-01", "08-31", "2032-12-31"},
		{EndOfYearOfFiscalYear, 7, "2024-09-01", "", "2031-12-31"},
	} {
		got := LastDay([]Period{{Clock: c.clock, Years: c.years}}, day(t, c.since), fiscal(t, c.end))
		if !got.Equal(day(t, c.until)) {
			t.Errorf(
				"%d years from the %s of %s, fiscal year ending %q: until %s, want %s",
				c.years,
				c.clock,
				c.since,
				c.end,
				got.Format(time.DateOnly),
				c.until,
			)
		}
	}
}

func TestANewPeriodAppliesToWhatWasStillKept(t *testing.T) {
	t.Parallel()
	shorter := []Period{{Clock: EndOfYear, Years: 10}, {From: day(t, "2025-01-01"), Clock: EndOfYear, Years: 8}}
	longer := []Period{{Clock: EndOfYear, Years: 7}, {From: day(t, "2023-01-01"), Clock: EndOfYear, Years: 10}}
	twice := append(shorter[:2:2], Period{From: day(t, "2028-07-01"), Clock: IssueDate, Years: 5})
	for _, c := range []struct {
		name         string
		periods      []Period
		since, until string
	}{
		{"ended under the old law", shorter, "2013-06-01", "2023-12-31"},
		{"ended on the day before the change", shorter, "2014-12-31", "2024-12-31"},
		{"kept on the day of the change, ended by the new law", shorter, "2015-01-01", "2024-12-31"},
		{"kept on the day of the change, ended by the new law later", shorter, "2016-12-31", "2024-12-31"},
		{"shortened", shorter, "2017-01-01", "2025-12-31"},
		{"new", shorter, "2025-03-01", "2033-12-31"},
		{"ended before it became longer", longer, "2014-12-31", "2021-12-31"},
		{"ended on the day before it became longer", longer, "2015-12-31", "2022-12-31"},
		{"prolonged", longer, "2016-01-01", "2026-12-31"},
		{"two changes, ended after the first", twice, "2019-12-31", "2027-12-31"},
		{"two changes, extended by the second", twice, "2020-05-01", "2028-06-30"},
		{"two changes, new", twice, "2024-05-01", "2029-05-01"},
	} {
		if got := LastDay(c.periods, day(t, c.since), FiscalYearEnd{}); !got.Equal(day(t, c.until)) {
			t.Errorf("%s: dated %s, until %s, want %s", c.name, c.since, got.Format(time.DateOnly), c.until)
		}
	}
}

// A record is kept exactly if it is dated FirstKept or later. LastDay must give the
// same result for every rule. Otherwise a sweep would clear rows that a report counts
// as kept.
func TestTheFirstDayThatIsKeptIsWhereTheLastDayTurns(t *testing.T) {
	t.Parallel()
	const seed = 20260101
	r := rand.New(rand.NewPCG(seed, 0))
	clocks := []Clock{IssueDate, EndOfYear, EndOfFiscalYear, EndOfYearOfFiscalYear}
	start := day(t, "1990-01-01")
	for i := range 3000 {
		var periods []Period
		from := day(t, "1995-01-01")
		for n := range 1 + r.IntN(3) {
			p := Period{Clock: clocks[r.IntN(len(clocks))], Years: r.IntN(13)}
			if r.IntN(20) == 0 {
				p.Years = 100
			}
			if n > 0 {
				from = from.AddDate(0, 0, 1+r.IntN(5000))
				p.From = from
			}
			periods = append(periods, p)
		}
		end := FiscalYearEnd{}
		if r.IntN(2) == 0 {
			end = FiscalYearEnd{time.Month(1 + r.IntN(12)), 1 + r.IntN(31)}
		}
		today := start.AddDate(0, 0, r.IntN(40*365))
		first := FirstKept(periods, today, end)
		if eve := first.AddDate(0, 0, -1); LastDay(periods, first, end).Before(today) || !LastDay(periods, eve, end).Before(today) {
			t.Fatalf("seed %d, case %d: %+v, fiscal year %v, today %s: %s is not the first day that is kept", seed, i, periods, end, today, first)
		}
		d := today.AddDate(0, 0, -r.IntN(15*365))
		if a, b := LastDay(periods, d, end), LastDay(periods, d.AddDate(0, 0, 1), end); b.Before(a) || a.Before(d) && len(periods) == 1 {
			t.Fatalf("seed %d, case %d: %+v: dated %s until %s, dated a day later until %s", seed, i, periods, d, a, b)
		}
	}
}

func TestAFiscalYearsEndIsAMonthOrADay(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]FiscalYearEnd{
		"": {}, " ": {}, "6": {time.June, 31}, "06": {time.June, 31}, "12": {time.December, 31}, "12-31": {time.December, 31},
		"04-05": {time.April, 5}, "02-29": {time.February, 29},
	} {
		if got := fiscal(t, text); got != want {
			t.Errorf("%q is read as %v", text, got)
		}
	}
	for _, text := range []string{"0", "13", "-6", "06/30", "30-06", "02-30", "June", "6-30", "2025-06-30", "6.5", "∞"} {
		if end, err := ParseFiscalYearEnd(text); err == nil {
			t.Errorf("%q is read as %v", text, end)
		}
	}
}

func TestATenantsCountryIsFoundHoweverItIsSpelled(t *testing.T) {
	t.Parallel()
	one := []Period{{Years: 1}}
	r := Retention{Countries: map[string][]Period{"GB": one, "GR": one, "DE": one}, Otherwise: []Period{{Years: 9}}}
	for country, years := range map[string]int{"DE": 1, "de": 1, " DE ": 1, "UK": 1, "EL": 1, "gb": 1, "FR": 9, "": 9} {
		if got := r.In(country); got[0].Years != years {
			t.Errorf("%q: %d years", country, got[0].Years)
		}
	}
	r.Otherwise = nil
	if r.In("FR") != nil {
		t.Error("a country that the map does not name has periods")
	}
}
