package repository_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// mapped is the demo's map with other text in places: pairs of old and new.
func mapped(t *testing.T, pairs ...string) func(*repository.Options) {
	t.Helper()
	yaml := string(booking.Map())
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(yaml, pairs[i]) {
			t.Fatalf("the map has no %q", pairs[i])
		}
		yaml = strings.Replace(yaml, pairs[i], pairs[i+1], 1)
	}
	m, err := erasuremap.Parse("oubli.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return func(o *repository.Options) { o.Map = m }
}

// atMoment makes it this moment, always.
func atMoment(moment time.Time) func(*repository.Options) {
	return func(o *repository.Options) { o.Today = func() time.Time { return moment } }
}

func dayOf(t *testing.T, day string) time.Time {
	t.Helper()
	d, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// former makes a tenant whose anonymous profile has invoices of these days, each with
// the name to which it was made out. It returns the tenant's id.
func former(t *testing.T, db *bookingdb.DB, country, zone string, issued ...string) string {
	t.Helper()
	id := db.Strings(t, `INSERT INTO studios (name, country, locale, timezone)
		VALUES ('of ' || $1, $1, 'en', $2) RETURNING id::text`, country, zone)[0]
	db.Exec(t, `
		WITH p AS (
		  INSERT INTO clients (studio_id, first_name, is_anonymous)
		  VALUES ($1::text::bigint, 'Unknown client', true) RETURNING id)
		INSERT INTO oubli.anonymous_profiles (tenant_id, slot, client_key) SELECT $1, 1, id::text FROM p`, id)
	for i, day := range issued {
		db.Exec(t, `
			INSERT INTO invoices (studio_id, client_id, number, issued_on, status, total_cents,
			  billing_name, billing_address, billing_email)
			SELECT $1::text::bigint, client_key::bigint, $2, $3::text::timestamptz, 'paid', 100,
			  'Anna', 'Somewhere', 'anna@mail.example'
			FROM oubli.anonymous_profiles WHERE tenant_id = $1`,
			id, fmt.Sprint(i), day)
	}
	return id
}

// held counts a tenant's invoices that still say to whom they were made out.
func held(t *testing.T, db *bookingdb.DB, tenant string) int {
	t.Helper()
	return db.Int(t, `SELECT count(*) FROM invoices WHERE studio_id = $1::text::bigint
		AND (billing_name = 'Anna' OR billing_address IS NOT NULL OR billing_email IS NOT NULL)`, tenant)
}

// publishedRetention is the section that docs/retention.md offers to paste.
func publishedRetention(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../docs/retention.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "\n## The section to paste\n")
	_, rest, _ = strings.Cut(rest, "```yaml\n")
	section, _, _ := strings.Cut(rest, "```\n")
	return section
}

func TestTheSweepClearsEachCountrysInvoicesOnTheirDay(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	db.Exec(t, "ALTER TABLE studios ADD COLUMN fiscal_year_end text")
	demo := string(booking.Map())
	use := mapped(t, "locale: locale,", "locale: locale, fiscal_year_end: fiscal_year_end,",
		demo[strings.Index(demo, "\nretention:\n")+1:], publishedRetention(t))
	type tenant struct{ country, end, issued, until, id string }
	all := []*tenant{
		{country: "DE", issued: "2014-12-31", until: "2024-12-31"},
		{country: "DE", issued: "2016-12-31", until: "2024-12-31"},
		{country: "DE", issued: "2017-01-01", until: "2025-12-31"},
		{country: "DE", issued: "2022-12-31", until: "2030-12-31"},
		{country: "AT", issued: "2023-12-31", until: "2030-12-31"},
		{country: "AT", issued: "2024-01-01", until: "2031-12-31"},
		{country: "BE", issued: "2020-12-31", until: "2030-12-31"},
		{country: "CH", issued: "2020-02-29", until: "2030-12-31"},
		{country: "CH", end: "06-30", issued: "2020-06-30", until: "2030-06-30"},
		{country: "CH", end: "06-30", issued: "2020-07-01", until: "2031-06-30"},
		{country: "DK", issued: "2025-12-31", until: "2030-12-31"},
		{country: "ES", issued: "2024-12-31", until: "2030-12-31"},
		{country: "FR", issued: "2020-12-31", until: "2030-12-31"},
		{country: "FR", end: "2", issued: "2018-02-28", until: "2028-02-29"},
		{country: "GB", issued: "2024-02-29", until: "2030-02-28"},
		{country: "GB", issued: "2022-02-28", until: "2028-02-28"},
		{country: "IT", issued: "2020-12-31", until: "2030-12-31"},
		{country: "NL", issued: "2023-12-31", until: "2030-12-31"},
		{country: "PL", issued: "2024-12-31", until: "2030-12-31"},
		{country: "PT", issued: "2020-12-31", until: "2030-12-31"},
		{country: "SE", end: "08-31", issued: "2024-08-31", until: "2031-12-31"},
		{country: "SE", end: "08-31", issued: "2023-08-31", until: "2030-12-31"},
	}
	var days []string
	for _, c := range all {
		c.id = former(t, db, c.country, "UTC", c.issued)
		db.Exec(t, "UPDATE studios SET fiscal_year_end = nullif($2, '') WHERE id = $1::text::bigint", c.id, c.end)
		days = append(days, c.until, dayOf(t, c.until).AddDate(0, 0, 1).Format(time.DateOnly))
	}
	slices.Sort(days)
	for _, day := range slices.Compact(days) {
		sweep(t, open(t, db, use, atMoment(dayOf(t, day))))
		for _, c := range all {
			if n := held(t, db, c.id); (n == 1) != (day <= c.until) {
				t.Errorf("%s, fiscal year ending %q, issued %s, kept until %s: on %s %d of it is held", c.country, c.end, c.issued, c.until, day, n)
			}
		}
	}
	for _, country := range []string{"AT", "BE", "CH", "DE", "DK", "ES", "FR", "GB", "IT", "NL", "PL", "PT", "SE"} {
		if !slices.ContainsFunc(all, func(c *tenant) bool { return c.country == country }) {
			t.Errorf("no case for %s", country)
		}
	}
}

// The demo's map names the one line to change; it must mean what it says.
func TestTheLineThatTheDemosMapOffersForGermanyWorks(t *testing.T) {
	t.Parallel()
	const now = "    years: {DE: 10, AT: 7}\n"
	_, rest, found := bytes.Cut(booking.Map(), []byte("change this one line:\n#   "))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	if !found {
		t.Fatal("the map offers no line")
	}
	db := bookingdb.New(t, 600)
	german := db.Strings(t, "SELECT id::text FROM studios WHERE country = 'DE' ORDER BY id LIMIT 1")[0]
	for _, c := range []struct {
		name   string
		use    func(*repository.Options)
		issued string
		until  string // "": not kept
	}{
		{"as shipped", mapped(t), "2017-06-01", "2027-12-31"},
		{"as shipped", mapped(t), "2016-06-01", "2026-12-31"},
		{"with the line", mapped(t, now, "    "+string(line)+"\n"), "2017-06-01", ""},
		{"with the line", mapped(t, now, "    "+string(line)+"\n"), "2018-06-01", "2026-12-31"},
	} {
		key := db.Clients(t, tenantID(t, german), 1)
		db.Exec(t, "UPDATE clients SET legal_hold = false, balance_cents = 0 WHERE id = ANY($1::text[]::bigint[])", key)
		db.Exec(t, "UPDATE appointments SET status = 'completed' WHERE client_id = ANY($1::text[]::bigint[])", key)
		db.Exec(t, "DELETE FROM invoice_lines WHERE invoice_id IN (SELECT id FROM invoices WHERE client_id = ANY($1::text[]::bigint[]))", key)
		db.Exec(t, "DELETE FROM invoices WHERE client_id = ANY($1::text[]::bigint[])", key)
		db.Exec(t, `INSERT INTO invoices (studio_id, client_id, number, issued_on, status, total_cents, billing_name)
			SELECT studio_id, id, 'X' || id, $2::text::date, 'paid', 100, 'Anna' FROM clients WHERE id = ANY($1::text[]::bigint[])`, key, c.issued)
		s := open(t, db, c.use, atMoment(dayOf(t, "2026-11-22")))
		j := accept(t, s, german, key)
		work(t, s, 10)
		j = job(t, s, j.ID)
		until := ""
		if j.RetainedUntil != nil {
			until = j.RetainedUntil.String()
		}
		if until != c.until || (until == "") != (j.Counts.Erased == 1) {
			t.Errorf("%s: an invoice of %s is kept until %q, want %q (%+v)", c.name, c.issued, until, c.until, j.Counts)
		}
	}
}

func tenantID(t *testing.T, key string) int64 {
	t.Helper()
	return bookingdb.IDs(t, []string{key})[0]
}

func TestWhatIsRetainedSurvivesByteForByteAndNothingElseDoes(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	keys := db.Clients(t, 1, 25) // of France: ten years
	db.Exec(t, "UPDATE clients SET legal_hold = false, balance_cents = 0 WHERE id = ANY($1::text[]::bigint[])", keys)
	db.Exec(t, "UPDATE appointments SET status = 'completed' WHERE status = 'booked' AND client_id = ANY($1::text[]::bigint[])", keys)
	db.Exec(t, "UPDATE invoices SET status = 'paid' WHERE client_id = ANY($1::text[]::bigint[])", keys)
	db.Exec(t, `UPDATE invoices SET billing_address = E'  12 rue d\u2019Été\t\n' || billing_name
		WHERE client_id = ANY($1::text[]::bigint[]) AND id % 3 = 0`, keys)
	bookingdbTotals(t, db)
	invoices := db.Strings(t, "SELECT id::text FROM invoices WHERE client_id = ANY($1::text[]::bigint[]) AND issued_on >= '2016-01-01'", keys)
	billing := func() []string {
		return db.Strings(t, `
			SELECT concat_ws('|', id, encode(billing_name::bytea, 'hex'), encode(billing_address::bytea, 'hex'),
			  encode(billing_email::bytea, 'hex'), number, issued_on, total_cents)
			FROM invoices WHERE id = ANY($1::text[]::bigint[]) ORDER BY id`, invoices)
	}
	untouched, before := db.Untouched(t, keys), billing()
	s := open(t, db, atMoment(dayOf(t, "2026-11-22")))
	j := accept(t, s, "1", keys)
	work(t, s, 10)
	if j = job(t, s, j.ID); j.Counts.Erased+j.Counts.ErasedRetained != len(keys) || j.Counts.ErasedRetained == 0 {
		t.Fatalf("%+v", j.Counts)
	}
	for _, day := range []string{"2026-11-22", "2026-12-31"} {
		sweep(t, open(t, db, atMoment(dayOf(t, day))))
		if !slices.Equal(billing(), before) {
			t.Errorf("on %s the retained columns are not what they were", day)
		}
		db.NoTraces(t, keys)
	}
	if n := db.Int(t, `SELECT count(*) FROM invoice_lines
		WHERE invoice_id = ANY($1::text[]::bigint[]) AND participation_id IS NOT NULL`, invoices); n != 0 {
		t.Errorf("%d lines of kept invoices still name who took the class", n)
	}
	last := db.Strings(t, "SELECT max(retained_until)::text FROM oubli.exceptions WHERE job_id = $1", j.ID)[0]
	if last != j.RetainedUntil.String() {
		t.Errorf("the list says %s at the latest, the job %s", last, j.RetainedUntil)
	}
	sweep(t, open(t, db, atMoment(dayOf(t, last))))
	db.NoTraces(t, keys)
	if n := db.Int(t, "SELECT count(*) FROM invoices WHERE id = ANY($1::text[]::bigint[]) AND billing_email IS NOT NULL", invoices); n == 0 {
		t.Error("on the last day nothing is kept any more")
	}
	sweep(t, open(t, db, atMoment(dayOf(t, last).AddDate(0, 0, 1))))
	db.NoTracesAtAll(t, keys)
	db.SameTotals(t)
	if now := db.Untouched(t, keys); !slices.Equal(now, untouched) {
		t.Error("a sweep has changed rows of other clients")
	}
}

// bookingdbTotals takes what a test has changed into the sums that must stay.
func bookingdbTotals(t *testing.T, db *bookingdb.DB) {
	t.Helper()
	var err error
	if db.Totals, err = booking.Totals(t.Context(), db.Pool); err != nil {
		t.Fatal(err)
	}
}

func TestDaysAreCountedInTheTenantsTimeZone(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	db.Exec(t, "ALTER TABLE invoices ALTER issued_on TYPE timestamptz")
	moment := func(text string) time.Time {
		m, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for _, c := range []struct {
		zone, issued string
		kept, gone   string // the last moment at which it is kept, and the first at which it is not; ten years
	}{
		{"Europe/Paris", "2024-12-31T22:59:59Z", "2034-12-31T22:59:59Z", "2034-12-31T23:00:00Z"},
		{"Europe/Paris", "2024-12-31T23:00:00Z", "2035-12-31T22:59:59Z", "2035-12-31T23:00:00Z"}, // New Year, there
		{"Pacific/Auckland", "2024-12-31T10:59:59Z", "2034-12-31T10:59:59Z", "2034-12-31T11:00:00Z"},
		{"America/Los_Angeles", "2025-01-01T07:59:59Z", "2035-01-01T07:59:59Z", "2035-01-01T08:00:00Z"},
		// Nobody says where: the latest day on earth, and gone when the next has begun everywhere.
		{"", "2024-12-31T09:59:59Z", "2035-01-01T11:59:59Z", "2035-01-01T12:00:00Z"},
		{"", "2024-12-31T10:00:00Z", "2036-01-01T11:59:59Z", "2036-01-01T12:00:00Z"},
	} {
		tenant := former(t, db, "FR", c.zone, c.issued)
		sweep(t, open(t, db, atMoment(moment(c.kept))))
		if held(t, db, tenant) != 1 {
			t.Errorf("in %q, issued %s: gone at %s", c.zone, c.issued, c.kept)
		}
		sweep(t, open(t, db, atMoment(moment(c.gone))))
		if held(t, db, tenant) != 0 {
			t.Errorf("in %q, issued %s: kept at %s", c.zone, c.issued, c.gone)
		}
		db.Exec(t, "DELETE FROM oubli.anonymous_profiles WHERE tenant_id = $1", tenant)
	}
}

func TestAnErasureUsesTheTenantsDayForRetention(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	db.Exec(t, "ALTER TABLE invoices ALTER issued_on TYPE timestamptz")
	for issued, until := range map[string]string{
		"2016-12-31T22:59:59Z": "2026-12-31",
		"2016-12-31T23:00:00Z": "2027-12-31",
		"2015-12-31T22:59:59Z": "",
	} {
		tenant := former(t, db, "FR", "Europe/Paris")
		key := db.Strings(t, "INSERT INTO clients (studio_id, first_name) VALUES ($1::text::bigint, 'Anna') RETURNING id::text", tenant)
		db.Exec(t, `INSERT INTO invoices (studio_id, client_id, number, issued_on, status, total_cents, billing_name)
			VALUES ($1::text::bigint, $2::text::bigint, 'X', $3::text::timestamptz, 'paid', 100, 'Anna')`, tenant, key[0], issued)
		s := open(t, db, atMoment(dayOf(t, "2026-11-22")))
		j := accept(t, s, tenant, key)
		work(t, s, 10)
		j = job(t, s, j.ID)
		if got := j.RetainedUntil; (got == nil) != (until == "") || got != nil && got.String() != until {
			t.Errorf("issued %s: kept until %v, want %q", issued, got, until)
		}
		if n := held(t, db, tenant); (n == 1) != (until != "") {
			t.Errorf("issued %s: %d held", issued, n)
		}
	}
}

func TestATenantWhosePeriodIsUnknownWaitsAloneAndReportsTheReason(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	db.Exec(t, "ALTER TABLE studios ADD COLUMN fiscal_year_end text")
	use := mapped(t, "locale: locale,", "locale: locale, fiscal_year_end: fiscal_year_end,",
		"    years: {DE: 10, AT: 7}\n    otherwise: 10\n", "    years: {DE: 10, CH: {years: 10, clock: end_of_fiscal_year}}\n")
	s := open(t, db, use, atMoment(dayOf(t, "2040-01-01")))
	good := former(t, db, "DE", "UTC", "2020-05-05")
	for _, c := range []struct{ name, breaks, fixes, why string }{
		{"fiscal year", "country = 'CH', fiscal_year_end = '30.6.'", "fiscal_year_end = '06-30'",
			"the end of the tenant's fiscal year cannot be read"},
		{"time zone", "timezone = 'Nowhere/Land'", "timezone = 'UTC'", "the tenant's time zone is none that PostgreSQL knows"},
		{"country", "country = 'FR'", "country = 'DE'", `neither country "FR" nor an otherwise`},
	} {
		bad := former(t, db, "DE", "UTC", "2020-05-05")
		db.Exec(t, "UPDATE studios SET "+c.breaks+" WHERE id = $1::text::bigint", bad)
		client := db.Strings(t, "INSERT INTO clients (studio_id, first_name) VALUES ($1::text::bigint, 'Anna') RETURNING id::text", bad)
		swept, err := s.SweepRetained(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %+v, %v", c.name, swept, err)
		}
		if held(t, db, good) != 0 || held(t, db, bad) != 1 {
			t.Errorf("%s: %d of the good tenant and %d of the bad one is held", c.name, held(t, db, good), held(t, db, bad))
		}
		r, err := s.Retention(t.Context(), bad)
		if err != nil || len(r.Sweeps) != 1 || r.Sweeps[0].State != jobs.SweepWaiting || !strings.Contains(r.Sweeps[0].Trouble, c.why) {
			t.Errorf("%s: %+v, %v", c.name, r.Sweeps, err)
		}
		accept(t, s, bad, client)
		claim := claimOnly(t, s)
		if _, err := s.EraseChunk(t.Context(), claim, 10); jobs.KindOf(err) != jobs.Conflict || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: an erasure answers %v", c.name, err)
		}
		// After the fix, both continue: every claim reads the retention rules again.
		db.Exec(t, "UPDATE studios SET "+c.fixes+" WHERE id = $1::text::bigint", bad)
		db.Exec(t, "UPDATE oubli.retention_sweeps SET run_at = now() WHERE tenant_id = $1", bad)
		sweep(t, s)
		if held(t, db, bad) != 0 {
			t.Errorf("%s: the sweep does not come back", c.name)
		}
		if err := s.Release(t.Context(), claim, 0, false, "blocked"); err != nil {
			t.Fatal(err)
		}
		claim = claimOnly(t, s)
		if _, err := s.EraseChunk(t.Context(), claim, 10); err != nil {
			t.Errorf("%s: the erasure does not go on: %v", c.name, err)
		}
		if err := s.Finish(t.Context(), claim); err != nil {
			t.Error(err)
		}
		db.Exec(t, "UPDATE invoices SET billing_name = 'Anna' WHERE studio_id = $1::text::bigint", good)
		db.Exec(t, "DELETE FROM oubli.retention_sweeps WHERE tenant_id = $1", good)
	}
}

// claimOnly claims the one batch that is due.
func claimOnly(t *testing.T, s *repository.Store) *jobs.Claim {
	t.Helper()
	due, err := s.Dispatch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range due {
		if d.Kind == jobs.BatchTask {
			c, err := s.Claim(t.Context(), d.TaskID)
			if err != nil || c == nil {
				t.Fatalf("claim: %v, %v", c, err)
			}
			return c
		}
	}
	t.Fatal("nothing is due")
	return nil
}
