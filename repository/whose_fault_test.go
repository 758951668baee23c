package repository_test

import (
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oubli/oubli/repository"
)

// A trigger that raises any SQLSTATE for one row keeps no other row of a sweep.
func TestARowThatRaisesAnySQLSTATEIsTheOnlyOneThatASweepLeaves(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"P0001", "42501", "58P01", "40001", "53200", "57014", "25006", "08000", "55P03"} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			at := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
			var now atomic.Pointer[time.Time]
			now.Store(&at)
			s := newShape(t, fmt.Sprintf(invoicesMap, "")+`
triggers:
  - {name: provoked, because: "a test"}
`, fmt.Sprintf(invoicesSQL, "NOT NULL REFERENCES clients")+`
INSERT INTO invoices (client_id, issued_on, billing) SELECT n, '2021-12-30', 'Client ' || n FROM generate_series(2, 10) AS n;
CREATE FUNCTION provoke() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.id = 4 AND NEW.billing IS NULL THEN
    RAISE EXCEPTION 'no' USING ERRCODE = '`+state+`';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER provoked BEFORE UPDATE ON invoices FOR EACH ROW EXECUTE FUNCTION provoke();`,
				func(o *repository.Options) { o.Today = func() time.Time { return *now.Load() } })
			s.eraseAll(t, "1", keys(1, 10)...)
			later := time.Date(2040, 1, 5, 12, 0, 0, 0, time.UTC)
			now.Store(&later)
			swept, err := s.store.SweepRetained(t.Context())
			if err != nil || len(swept) != 1 || swept[0].Refused[state] != 1 {
				t.Errorf("swept %+v, %v, want one row refused with %s", swept, err, state)
			}
			if n := s.Int(t, "SELECT count(*) FROM invoices WHERE billing IS NOT NULL"); n != 1 {
				t.Errorf("%d rows are not cleared, want the one", n)
			}
		})
	}
}

func TestAViewThatFailsIsNamedAndKeepsNoOtherStale(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: notes, reference: client_id, erase: delete}
refresh: [average, regulars]
`, noTenantSQL+`
CREATE TABLE notes (id int PRIMARY KEY, client_id bigint REFERENCES clients);
CREATE MATERIALIZED VIEW average AS SELECT 100 / (count(*) - 39) AS x FROM clients WHERE id < 100;
CREATE MATERIALIZED VIEW regulars AS SELECT name FROM clients;`)
	s.eraseAll(t, "1", "1")
	for range 2 { // the second time between two tries
		if err := s.store.RefreshViews(t.Context()); err == nil || !strings.Contains(err.Error(), "average: 22012") {
			t.Errorf("the error does not name the view: %v", err)
		}
	}
	s.is(t, "SELECT count(*) FROM regulars WHERE name = 'client 1'", "0")
	s.is(t, "SELECT count(*) FROM oubli.stale_views", "0")
	s.is(t, "SELECT view, occasions, tries, code FROM oubli.refreshes", "average 1 1 22012")
	st, err := s.store.Stats(t.Context())
	if _, stale := st.StaleViews["average"]; err != nil || !stale || len(st.StaleViews) != 1 {
		t.Errorf("stale are %v, %v", st.StaleViews, err)
	}
	// The other view goes on by itself, and this one recovers.
	s.Exec(t, `
		UPDATE oubli.refreshes SET tried = now() - interval '1 hour';
		INSERT INTO clients (id, name) VALUES (41, 'client 41'), (42, 'client 42')`)
	s.eraseAll(t, "1", "42")
	if err := s.store.RefreshViews(t.Context()); err != nil {
		t.Error(err)
	}
	s.is(t, "SELECT count(*) FROM regulars WHERE name = 'client 42'", "0")
	s.is(t, "SELECT count(*) FROM oubli.refreshes", "0")
}

// An error of whatever class is the view's as long as the database takes a small
// write. In an outage nothing is recorded against the view, and none is forgotten.
func TestAViewThatRaisesAnyStateIsNamedAndAnOutageIsNobodys(t *testing.T) {
	t.Parallel()
	for _, state := range statesOfAnyClass {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			s := newShape(t, noTenant+`tables:
  - {table: notes, reference: client_id, erase: delete}
refresh: [fails, regulars]
`, noTenantSQL+`
CREATE TABLE notes (id int PRIMARY KEY, client_id bigint REFERENCES clients);
CREATE FUNCTION raise() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'vezno' USING ERRCODE = '`+state+`';
END $$;
CREATE MATERIALIZED VIEW fails AS SELECT raise() AS x WITH NO DATA;
CREATE MATERIALIZED VIEW regulars AS SELECT name FROM clients;`)
			s.eraseAll(t, "1", "1")
			if err := s.readOnly(t).RefreshViews(t.Context()); err == nil {
				t.Error("nobody noticed the outage")
			}
			s.is(t, "SELECT (SELECT count(*) FROM oubli.stale_views), (SELECT count(*) FROM oubli.refreshes)", "1 0")
			if err := s.store.RefreshViews(t.Context()); err == nil || !strings.Contains(err.Error(), "fails: "+state) {
				t.Errorf("%v", err)
			}
			s.is(t, "SELECT view, code FROM oubli.refreshes", "fails "+state)
			s.is(t, "SELECT count(*) FROM regulars WHERE name = 'client 1'", "0")
		})
	}
}

// readOnly is another store on the shape's database, which takes no writes from
// it, as if it had become a standby.
func (s *shape) readOnly(t *testing.T) *repository.Store {
	t.Helper()
	return open(t, s.DB, func(o *repository.Options) {
		u, err := url.Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Set("default_transaction_read_only", "on")
		u.RawQuery = q.Encode()
		o.URL, o.Map = u.String(), s.mapped
	})
}

func TestStaleViewsDoNotGrowWithoutViewsToRefresh(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: visits, reference: client_id, erase: reassign}
`, noTenantSQL+`CREATE TABLE visits (id int PRIMARY KEY, client_id bigint REFERENCES clients);`)
	s.eraseAll(t, "1", "1")
	if err := s.store.RefreshViews(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.Int(t, "SELECT count(*) FROM oubli.stale_views"); n > 0 {
		t.Errorf("%d rows are left that nobody would take away", n)
	}
}

const invoicesMap = `tenant: {table: studios, key: id, country: country}
client: {table: clients, key: id, tenant: studio_id, erase: delete, anonymous: {name: {value: anonymous}}}
tables:
  - table: invoices
    reference: client_id
    erase: reassign
    columns: {%s}
    retain: {rule: invoice, since: issued_on, columns: {billing: null}}
retention:
  invoice: {clock: issue_date, years: {GB: 6}, otherwise: 10}
`
const invoicesSQL = `
CREATE TABLE studios (id int PRIMARY KEY, country text);
INSERT INTO studios VALUES (1, 'GB');
CREATE TABLE clients (id bigint GENERATED BY DEFAULT AS IDENTITY (START 1001) PRIMARY KEY, studio_id int NOT NULL, name text NOT NULL);
INSERT INTO clients SELECT n, 1, 'client ' || n FROM generate_series(1, 40) AS n;
CREATE TABLE invoices (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, client_id bigint %s, issued_on date, billing text);
INSERT INTO invoices (client_id, issued_on, billing) VALUES (1, '2021-12-31', 'Marie, 1 Road');
`
