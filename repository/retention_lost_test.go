package repository_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/oubli/oubli/jobs"
)

// Whatever becomes of the profile on which rows stand, and of the tenant, the rows
// are cleared on the day that was promised, and not before.
func TestRetainedColumnsAreClearedWhateverHappensToTheirProfile(t *testing.T) {
	t.Parallel()
	const profiles = "(SELECT client_key::bigint FROM oubli.anonymous_profiles)"
	for name, test := range map[string]struct{ foreign, spoil string }{
		"deleted, and the reference is NULL": {"REFERENCES clients ON DELETE SET NULL", "DELETE FROM clients WHERE id IN " + profiles},
		"deleted, with a soft reference":     {"NOT NULL", "DELETE FROM clients WHERE id IN " + profiles},
		"its rows were given to a client":    {"NOT NULL REFERENCES clients", "UPDATE invoices SET client_id = 7 WHERE client_id IN " + profiles},
		"its record is gone":                 {"NOT NULL REFERENCES clients", "DELETE FROM oubli.anonymous_profiles"},
		"its tenant is gone":                 {"NOT NULL REFERENCES clients", "DELETE FROM studios"},
		"all are gone": {"REFERENCES clients ON DELETE SET NULL",
			"DELETE FROM studios; DELETE FROM clients; DELETE FROM oubli.anonymous_profiles; DELETE FROM oubli.jobs"},
		"a version without records erased them": {"NOT NULL REFERENCES clients", "DELETE FROM oubli.retained_rows"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c clock
			c.set(t, "2026-12-01")
			s := newShape(t, fmt.Sprintf(invoicesMap, ""), fmt.Sprintf(invoicesSQL, test.foreign)+`
INSERT INTO invoices (client_id, issued_on, billing) VALUES (2, '2024-06-01', 'Paul'), (7, '2021-12-31', 'Living');`, c.use)
			s.eraseAll(t, "1", "1", "2")
			for sql := range strings.SplitSeq(test.spoil, "; ") {
				s.Exec(t, sql)
			}
			look := "SELECT issued_on, billing FROM invoices ORDER BY id"
			s.sweepOn(t, &c, "2027-12-31") // of Great Britain: six years
			s.is(t, look, "2021-12-31 Marie, 1 Road", "2024-06-01 Paul", "2021-12-31 Living")
			years := []jobs.KeptYear{{Year: 2027, Rows: 1}, {Year: 2030, Rows: 1}}
			if k := retention(t, s.store, "1").Kept[0]; k.Rows != 2 || k.Due != 0 || !slices.Equal(k.Years, years) {
				t.Errorf("counted %+v", k)
			}
			s.sweepOn(t, &c, "2028-01-02")
			s.is(t, look, "2021-12-31 -", "2024-06-01 Paul", "2021-12-31 Living")
			if k := retention(t, s.store, "1").Kept[0]; k.Rows != 1 || k.Cleared != 1 {
				t.Errorf("counted %+v", k)
			}
			if n := s.Int(t, "SELECT sum(cardinality(rows)) FROM oubli.retained_rows"); n != 1 {
				t.Errorf("%d rows are recorded, want the one that is left", n)
			}
			s.sweepOn(t, &c, "2030-06-03")
			s.is(t, look, "2021-12-31 -", "2024-06-01 -", "2021-12-31 Living")
			if n := s.Int(t, "SELECT count(*) FROM oubli.retained_rows"); n != 0 {
				t.Errorf("%d records are left of nothing", n)
			}
		})
	}
}

// What identifies a row may have several columns, and may be somebody else's later.
func TestARecordNamesItsRowAndNoOther(t *testing.T) {
	t.Parallel()
	var c clock
	c.set(t, "2026-12-01")
	s := newShape(t, noTenant+`tables:
  - table: bills
    reference: client_id
    where: "kind = 'a'"
    erase: reassign
    columns: {series: keep, kind: keep}
    retain: {rule: short, since: issued, columns: {payer: null}}
  - table: bills
    reference: client_id
    where: "kind <> 'a'"
    erase: reassign
    columns: {series: keep, kind: keep}
    retain: {rule: long, since: issued, columns: {payer: {value: ""}}}
retention:
  short: {clock: issue_date, otherwise: 2}
  long: {clock: issue_date, otherwise: 4}
`, noTenantSQL+`
CREATE TABLE bills (series text, no numeric, client_id bigint REFERENCES clients ON DELETE SET NULL,
  kind text NOT NULL, issued date, payer text, PRIMARY KEY (series, no));
INSERT INTO bills VALUES ('a,"{} x', 1.5, 1, 'a', '2026-01-01', 'A'), ('b', 2, 1, 'b', '2026-01-01', 'B'),
  ('c', 3, 2, 'a', '2026-01-01', 'C'), ('d', 4, 3, 'b', '2020-01-01', 'not kept');
`, c.use)
	for _, key := range []string{"1", "2", "3"} {
		s.eraseAll(t, "1", key)
	}
	s.Exec(t, "DELETE FROM clients WHERE id > 1000")
	s.Exec(t, "DELETE FROM bills WHERE series = 'c'")
	s.Exec(t, "INSERT INTO bills VALUES ('c', 3, 5, 'a', '2027-05-05', 'Living')")
	s.is(t, "SELECT count(*), sum(cardinality(rows)) FROM oubli.retained_rows", "3 3")
	s.sweepOn(t, &c, "2027-01-01")
	s.is(t, "SELECT count(*), sum(cardinality(rows)) FROM oubli.retained_rows", "1 3") // one record of several small ones
	s.sweepOn(t, &c, "2029-01-01")
	s.is(t, "SELECT no, payer FROM bills ORDER BY no", "1.5 -", "2 B", "3 Living", "4 ")
	s.sweepOn(t, &c, "2033-01-01")
	s.is(t, "SELECT no, payer FROM bills ORDER BY no", "1.5 -", "2 ", "3 Living", "4 ")
	s.is(t, "SELECT count(*) FROM oubli.retained_rows", "0")
}
