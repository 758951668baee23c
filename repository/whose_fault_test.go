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

// sweptInvoices is a shape with ten invoices whose retention is over in 2040. A
// trigger raises an SQLSTATE when those of a condition are cleared.
func sweptInvoices(t *testing.T, state, which string) (s *shape, in2040 func(*repository.Options)) {
	t.Helper()
	var now atomic.Pointer[time.Time]
	at, later := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC), time.Date(2040, 1, 5, 12, 0, 0, 0, time.UTC)
	now.Store(&at)
	in2040 = func(o *repository.Options) { o.Today = func() time.Time { return *now.Load() } }
	s = newShape(t, fmt.Sprintf(invoicesMap, "")+`
triggers:
  - {name: provoked, because: "a test"}
`, fmt.Sprintf(invoicesSQL, "NOT NULL REFERENCES clients")+`
INSERT INTO invoices (client_id, issued_on, billing) SELECT n, '2021-12-30', 'Client ' || n FROM generate_series(2, 10) AS n;
CREATE FUNCTION provoke() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (`+which+`) AND NEW.billing IS NULL THEN
    RAISE EXCEPTION 'no' USING ERRCODE = '`+state+`';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER provoked BEFORE UPDATE ON invoices FOR EACH ROW EXECUTE FUNCTION provoke();`, in2040)
	s.eraseAll(t, "1", keys(1, 10)...)
	now.Store(&later)
	return s, in2040
}

// A trigger that raises any SQLSTATE for one row keeps no other row of a sweep, and
// one that raises it for all keeps no sweep from its end.
func TestARowThatRaisesAnySQLSTATEIsTheOnlyOneThatASweepLeaves(t *testing.T) {
	t.Parallel()
	forEveryState(t, func(t *testing.T, state string, all bool) {
		which, left := "OLD.id = 4", int64(1)
		if all {
			which, left = "true", 10
		}
		s, _ := sweptInvoices(t, state, which)
		swept, err := s.store.SweepRetained(t.Context())
		if err != nil || len(swept) != 1 || swept[0].Refused[state] != left || swept[0].Rows != 10-left {
			t.Errorf("swept %+v, %v, want %d rows refused with %s", swept, err, left, state)
		}
		if n := s.Int(t, "SELECT count(*) FROM invoices WHERE billing IS NOT NULL"); int64(n) != left {
			t.Errorf("%d rows are not cleared, want %d", n, left)
		}
		s.is(t, "SELECT finished_at IS NOT NULL FROM oubli.retention_sweeps", "t")
	})
}

// A server that answers and takes no writes is in an outage: no row is blamed, and
// nothing is given up.
func TestInAnOutageNoRowOfASweepOrALookIsBlamed(t *testing.T) {
	t.Parallel()
	s, in2040 := sweptInvoices(t, "23514", "false")
	if swept, err := s.readOnly(t, in2040).SweepRetained(t.Context()); err == nil || len(swept) > 0 {
		t.Errorf("swept %+v, %v", swept, err)
	}
	s.is(t, "SELECT count(*) FROM oubli.retention_sweeps WHERE refused <> '{}'", "0")
	if swept, err := s.store.SweepRetained(t.Context()); err != nil || len(swept) != 1 || swept[0].Rows != 10 {
		t.Errorf("after the outage swept %+v, %v", swept, err)
	}

	s = refusingLetters(t, "23514", "OLD.client_id = 1")
	s.eraseAll(t, "1", keys(1, 4)...)
	s.Exec(t, "INSERT INTO letters SELECT n, n, 'dear client' FROM generate_series(1, 4) AS n")
	if late, err := s.readOnly(t, impatient).RunSecondLooks(t.Context()); err == nil || len(late.Erased)+len(late.Refused) > 0 {
		t.Errorf("looked %+v, %v", late, err)
	}
	s.is(t, "SELECT count(*) FROM oubli.late_rows", "0")
	s.is(t, "SELECT count(*) FROM letters", "4")
	looksUntilGivenUp(t, s)
	s.is(t, "SELECT client_id FROM letters", "1")
}

// How often clients were put behind the others is counted in the database, so that
// a client cannot outlive workers that restart.
func TestAnotherWorkerGoesOnCountingDeferrals(t *testing.T) {
	t.Parallel()
	s := refusingLetters(t, "23514", "false")
	accept(t, s.store, "1", keys(1, 3))
	c := claimFirst(t, s.store)
	for range 4 {
		if err := s.store.DeferClient(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	s.Exec(t, `
		UPDATE oubli.tasks SET lease_until = now() - interval '1 second', deferred_since = now() - interval '1 hour'
		WHERE kind = 'batch'`)
	other := open(t, s.DB, func(o *repository.Options) { o.Map = s.mapped })
	if n, err := other.Recover(t.Context()); n != 1 || err != nil {
		t.Fatalf("recovered %d tasks, %v", n, err)
	}
	c = claimFirst(t, other)
	if c.Deferrals != 4 || time.Since(c.DeferredSince) < time.Hour {
		t.Errorf("the next worker counts %d deferrals since %s ago", c.Deferrals, time.Since(c.DeferredSince))
	}
	if done, err := other.EraseChunk(t.Context(), c, 1); err != nil || done.Clients != 1 || c.Deferrals != 0 {
		t.Errorf("after a client that was erased there are %d deferrals; %v", c.Deferrals, err)
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
	erased := s.eraseAll(t, "1", "1")
	for range 2 { // the second time between two tries
		if err := s.store.RefreshViews(t.Context()); err == nil || !strings.Contains(err.Error(), "average: 22012") {
			t.Errorf("the error does not name the view: %v", err)
		}
	}
	if r := s.residue(t, erased); len(r.StaleViews) != 1 || r.StaleViews["average"] != "22012" {
		t.Errorf("the job says %+v", r)
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
	if r := s.residue(t, erased); r.StaleViews != nil {
		t.Errorf("the job says %+v", r)
	}
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
func (s *shape) readOnly(t *testing.T, change ...func(*repository.Options)) *repository.Store {
	t.Helper()
	return open(t, s.DB, append(change, func(o *repository.Options) {
		u, err := url.Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Set("default_transaction_read_only", "on")
		u.RawQuery = q.Encode()
		o.URL, o.Map = u.String(), s.mapped
	})...)
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
