package erasuremap

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// published returns a map with the retention section of docs/retention.md, which
// users are advised to paste.
func published(t *testing.T) *Map {
	t.Helper()
	page, err := os.ReadFile("../../docs/retention.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "\n## The section to paste\n")
	_, rest, _ = strings.Cut(rest, "```yaml\n")
	section, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatal("docs/retention.md has no section to paste")
	}
	m, err := Parse("map.yaml", []byte(`version: 1
tenant: {table: studios, key: id, country: country, fiscal_year_end: fiscal_year_end}
client: {table: clients, key: id, tenant: studio_id, erase: delete, anonymous: {name: {label: unknown_client}}}
`+section))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The last days were computed by hand from the law of each country.
var countries = []struct{ country, end, since, until string }{
	{"AT", "", "2024-01-01", "2031-12-31"},
	{"AT", "", "2023-12-31", "2030-12-31"},
	{"AT", "", "2024-02-29", "2031-12-31"},
	{"BE", "", "2024-12-31", "2034-12-31"},
	{"BE", "", "2025-01-01", "2035-12-31"},
	{"CH", "", "2024-06-30", "2034-12-31"},
	{"CH", "06-30", "2024-06-30", "2034-06-30"},
	{"CH", "6", "2024-07-01", "2035-06-30"},
	{"DE", "", "2014-12-31", "2024-12-31"}, // ten years, ended on the day before the change of law
	{"DE", "", "2015-01-01", "2024-12-31"}, // not yet ended on that day: the new law ends it
	{"DE", "", "2016-12-31", "2024-12-31"},
	{"DE", "", "2017-01-01", "2025-12-31"},
	{"DE", "", "2024-02-29", "2032-12-31"},
	{"DE", "09-30", "2025-12-31", "2033-12-31"}, // the calendar year, although the fiscal year is another one
	{"DK", "", "2024-02-29", "2029-12-31"},
	{"DK", "04-30", "2024-04-30", "2029-04-30"},
	{"DK", "04-30", "2024-05-01", "2030-04-30"},
	{"ES", "", "2024-12-31", "2030-12-31"},
	{"ES", "8", "2024-09-01", "2031-08-31"},
	{"FR", "", "2024-01-01", "2034-12-31"},
	{"FR", "02-29", "2024-02-29", "2034-02-28"},
	{"FR", "02-29", "2024-03-01", "2035-02-28"},
	{"FR", "2", "2018-02-28", "2028-02-29"},
	{"GB", "", "2024-05-17", "2030-05-17"},
	{"GB", "", "2024-02-29", "2030-02-28"},
	{"GB", "03-31", "2022-02-28", "2028-02-28"},
	{"IT", "", "2024-12-31", "2034-12-31"},
	{"IT", "", "2025-01-01", "2035-12-31"},
	{"NL", "", "2024-12-31", "2031-12-31"},
	{"NL", "", "2025-01-01", "2032-12-31"},
	{"PL", "", "2024-12-31", "2030-12-31"}, // the tax was due in January 2025
	{"PL", "", "2025-01-01", "2031-12-31"},
	{"PT", "", "2024-12-31", "2034-12-31"},
	{"PT", "", "2025-01-01", "2035-12-31"},
	{"SE", "", "2024-12-31", "2031-12-31"},
	{"SE", "08-31", "2024-08-31", "2031-12-31"},
	{"SE", "08-31", "2024-09-01", "2032-12-31"},
	{"NO", "", "2024-12-31", "2034-12-31"}, // from the period for all other countries
}

func TestThePublishedPeriodsEndOnTheirDayAndNotBefore(t *testing.T) {
	t.Parallel()
	rule := published(t).Retention[0]
	var named []string
	for _, c := range countries {
		periods, end := rule.In(c.country), fiscal(t, c.end)
		since, until := day(t, c.since), day(t, c.until)
		if last := LastDay(periods, since, end); !last.Equal(until) {
			t.Errorf("%s, fiscal year ending %q: dated %s, until %s, want %s", c.country, c.end, c.since, last.Format(time.DateOnly), c.until)
			continue
		}
		if FirstKept(periods, until, end).After(since) {
			t.Errorf("%s, fiscal year ending %q: a record dated %s is not kept on its last day", c.country, c.end, c.since)
		}
		if !FirstKept(periods, until.AddDate(0, 0, 1), end).After(since) {
			t.Errorf("%s, fiscal year ending %q: a record dated %s is kept on the day after its last day", c.country, c.end, c.since)
		}
		named = append(named, c.country)
	}
	for country := range rule.Countries {
		if !slices.Contains(named, country) {
			t.Errorf("no case for %s", country)
		}
	}
	if len(rule.Countries) != 13 {
		t.Errorf("%d countries", len(rule.Countries))
	}
}
