package repository_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// longOver is n days of issue in a year that was over long ago.
func longOver(n int) []string {
	days := make([]string, n)
	for i := range days {
		days[i] = fmt.Sprintf("2010-%02d-%02d", 1+i%12, 1+i%28)
	}
	return days
}

func retention(t *testing.T, s *repository.Store, tenant string) jobs.Retention {
	t.Helper()
	r, err := s.Retention(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestARowThatTheDatabaseRefusesToClearKeepsNoOther(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	tenant := former(t, db, "FR", "UTC", append(longOver(40), "2025-06-01")...)
	for name, c := range map[string]struct{ make, drop, code string }{
		"check": {"ALTER TABLE invoices ADD CONSTRAINT has_email CHECK (billing_email IS NOT NULL OR number NOT IN ('7', '8', '31')) NOT VALID",
			"ALTER TABLE invoices DROP CONSTRAINT has_email", "23514:has_email"},
		"at commit": {`
			CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$
			BEGIN
			  IF NEW.number IN ('7', '8', '31') THEN
			    RAISE EXCEPTION 'no, %', OLD.billing_name USING ERRCODE = '23000', CONSTRAINT = 'late';
			  END IF;
			  RETURN NULL;
			END $$;
			CREATE CONSTRAINT TRIGGER last_updated AFTER UPDATE ON invoices DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION keep()`,
			"DROP FUNCTION keep CASCADE", "23000"}, // a function can give any text as the name of a constraint
	} {
		db.Exec(t, `UPDATE invoices
			SET billing_name = 'Anna', billing_address = 'Somewhere', billing_email = 'anna@mail.example'
			WHERE studio_id = $1::text::bigint`, tenant)
		db.Exec(t, "TRUNCATE oubli.retention_sweeps, oubli.retained")
		db.Exec(t, c.make)
		s := open(t, db, atMoment(dayOf(t, "2030-01-01")))
		swept, err := s.SweepRetained(t.Context())
		if err != nil || len(swept) != 1 || swept[0].Rows != 37 || swept[0].Refused[c.code] != 3 {
			t.Errorf("%s: swept %+v, %v", name, swept, err)
		}
		if n := held(t, db, tenant); n != 4 {
			t.Errorf("%s: %d invoices are held, want the three refused and the one that is not over", name, n)
		}
		r := retention(t, s, tenant)
		k := r.Kept[0]
		if k.Rows != 4 || k.Due != 3 || k.Overdue != 3 || k.Refused != 3 || k.Cleared != 37 ||
			len(k.Years) != 1 || k.Years[0] != (jobs.KeptYear{Year: 2035, Rows: 1}) {
			t.Errorf("%s: kept %+v", name, k)
		}
		if w := r.Sweeps[0]; w.State != jobs.SweepFinished || w.Rows != 37 || w.Refused[c.code] != 3 || w.Day.String() != "2030-01-01" {
			t.Errorf("%s: sweep %+v", name, w)
		}
		stats, err := s.RetentionStats(t.Context())
		if err != nil || len(stats) != 1 || stats[0].Kept != 1 || stats[0].Overdue != 3 || stats[0].Refused != 3 ||
			stats[0].Cleared != 37 {
			t.Errorf("%s: statistics %+v, %v", name, stats, err)
		}
		if n := sweep(t, s); n != 0 {
			t.Errorf("%s: a second sweep of the day cleared %d", name, n)
		}
		// The next day tries again: first without success, then after the fix.
		sweep(t, open(t, db, atMoment(dayOf(t, "2030-01-02"))))
		if w := retention(t, s, tenant).Sweeps[0]; w.Day.String() != "2030-01-02" || w.Refused[c.code] != 3 {
			t.Errorf("%s: on the next day %+v", name, w)
		}
		db.Exec(t, c.drop)
		if n := sweep(t, open(t, db, atMoment(dayOf(t, "2030-01-03")))); n != 3 {
			t.Errorf("%s: after the fix, %d rows are cleared", name, n)
		}
		if k := retention(t, s, tenant).Kept[0]; k.Due != 0 || k.Refused != 0 || k.Cleared != 40 {
			t.Errorf("%s: after the fix, %+v", name, k)
		}
	}
}

func TestManyWorkersSweepEachTableOfATenantOnceADay(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	var tenants []string
	for range 6 {
		tenants = append(tenants, former(t, db, "FR", "Europe/Paris", longOver(9)...))
	}
	var cleared atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		s := open(t, db, atMoment(dayOf(t, "2030-01-01")))
		all.Go(func() {
			swept, err := s.SweepRetained(t.Context())
			if err != nil {
				t.Error(err)
			}
			for _, table := range swept {
				cleared.Add(table.Rows)
			}
		})
	}
	all.Wait()
	if n := cleared.Load(); n != 54 {
		t.Errorf("the workers say that they cleared %d rows, want 54", n)
	}
	if db.Int(t, "SELECT count(*) FROM oubli.stale_views") == 0 {
		t.Error("no view is to be refreshed")
	}
	for _, tenant := range tenants {
		if held(t, db, tenant) != 0 {
			t.Errorf("tenant %s is not swept", tenant)
		}
	}
	if n := db.Int(t, "SELECT count(*) FROM oubli.retention_sweeps WHERE finished_at IS NOT NULL AND rows = 9 AND attempt = 1"); n != 6 {
		t.Errorf("%d of 6 sweeps were done by one worker, once", n)
	}
}

func TestASweepSkipsLockedRowsAndClearsThemLater(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	tenant := former(t, db, "FR", "UTC", longOver(5)...)
	tx, err := db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	const lockTwo = "SELECT FROM invoices WHERE studio_id = $1::text::bigint AND number IN ('1', '3') FOR UPDATE"
	if _, err := tx.Exec(t.Context(), lockTwo, tenant); err != nil {
		t.Fatal(err)
	}
	s := open(t, db, atMoment(dayOf(t, "2030-01-01")))
	if n := sweep(t, s); n != 3 || held(t, db, tenant) != 2 {
		t.Errorf("%d rows are cleared, %d held", n, held(t, db, tenant))
	}
	r := retention(t, s, tenant)
	if w := r.Sweeps[0]; w.State != jobs.SweepWaiting || w.Trouble == "" || r.Kept[0].Due != 2 {
		t.Errorf("%+v", r)
	}
	if n := sweep(t, s); n != 0 {
		t.Errorf("the sweep does not rest: %d rows", n)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, "UPDATE oubli.retention_sweeps SET run_at = now()")
	if n := sweep(t, s); n != 2 || held(t, db, tenant) != 0 {
		t.Errorf("%d rows are cleared afterwards, %d held", n, held(t, db, tenant))
	}
	if r := retention(t, s, tenant); r.Sweeps[0].State != jobs.SweepFinished || r.Sweeps[0].Rows != 5 || r.Kept[0].Cleared != 5 {
		t.Errorf("%+v", r)
	}
}

func TestASweepThatLosesItsConnectionHasDoneNothingAndIsDoneAgain(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	tenant := former(t, db, "FR", "UTC", longOver(5)...)
	cut := sync.OnceFunc(func() {
		db.Exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND usename = $1 AND state LIKE 'idle in transaction%'`, db.WorkerRole)
	})
	s := open(t, db, atMoment(dayOf(t, "2030-01-01")), func(o *repository.Options) {
		o.Failpoint = func(name string) {
			if name == "sweep:cleared" {
				cut()
			}
		}
	})
	if swept, err := s.SweepRetained(t.Context()); jobs.KindOf(err) != jobs.Unavailable {
		t.Errorf("%+v, %v", swept, err)
	}
	if held(t, db, tenant) != 5 || db.Int(t, "SELECT sum(rows) FROM oubli.retention_sweeps") != 0 {
		t.Error("a transaction that was cut off left something")
	}
	db.Exec(t, "UPDATE oubli.retention_sweeps SET run_at = now()")
	if n := sweep(t, s); n != 5 || held(t, db, tenant) != 0 {
		t.Errorf("%d rows are cleared afterwards", n)
	}
}

// A worker that was stopped while another took its sweep over must neither
// clear nor finish when it comes back.
func TestASweepThatWasTakenOverChangesNothing(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	tenant := former(t, db, "FR", "UTC", longOver(700)...) // two transactions
	takeOver := sync.OnceFunc(func() { db.Exec(t, "UPDATE oubli.retention_sweeps SET attempt = attempt + 1") })
	s := open(t, db, atMoment(dayOf(t, "2030-01-01")), func(o *repository.Options) {
		o.Failpoint = func(name string) {
			if name == "sweep:committed" {
				takeOver()
			}
		}
	})
	if n := sweep(t, s); n != 500 {
		t.Errorf("%d rows are cleared, want those of the first transaction", n)
	}
	if n := held(t, db, tenant); n != 200 {
		t.Errorf("%d invoices are held, want 200", n)
	}
	if n := db.Int(t, "SELECT count(*) FROM oubli.retention_sweeps WHERE finished_at IS NOT NULL"); n != 0 {
		t.Error("the sweep was finished by one who had lost it")
	}
	db.Exec(t, "UPDATE oubli.retention_sweeps SET lease_until = now() - interval '1 second'")
	if n := sweep(t, s); n != 200 || held(t, db, tenant) != 0 {
		t.Errorf("the next worker clears %d", n)
	}
}

func TestTheCountsOfRetainedRowsMatchTheDatabaseAndFollowAJob(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	keys := db.Clients(t, 1, 30)
	db.Exec(t, "UPDATE clients SET legal_hold = false, balance_cents = 0 WHERE id = ANY($1::text[]::bigint[])", keys)
	db.Exec(t, "UPDATE appointments SET status = 'completed' WHERE status = 'booked' AND client_id = ANY($1::text[]::bigint[])", keys)
	db.Exec(t, "UPDATE invoices SET status = 'paid' WHERE client_id = ANY($1::text[]::bigint[])", keys)
	s := open(t, db, atMoment(dayOf(t, "2026-11-22")))
	if r := retention(t, s, "1"); r.TenantID != "1" || len(r.Kept)+len(r.Sweeps) != 0 {
		t.Errorf("before anything: %+v", r)
	}
	compare := func(when string) {
		t.Helper()
		k := retention(t, s, "1").Kept
		if len(k) != 1 || k[0].Due != 0 {
			t.Fatalf("%s: %+v", when, k)
		}
		var sum int64
		for _, y := range k[0].Years {
			n := db.Int(t, `SELECT count(*) FROM invoices
				WHERE client_id IN (SELECT client_key::bigint FROM oubli.anonymous_profiles WHERE tenant_id = '1')
				  AND extract(year FROM issued_on) + 10 = $1
				  AND (billing_email IS NOT NULL OR billing_name <> 'Client inconnu' OR billing_address IS NOT NULL)`, y.Year)
			if int64(n) != y.Rows {
				t.Errorf("%s: until %d, %d rows are counted and %d held", when, y.Year, y.Rows, n)
			}
			sum += y.Rows
		}
		held := db.Int(t, `SELECT count(*) FROM invoices
			WHERE client_id IN (SELECT client_key::bigint FROM oubli.anonymous_profiles WHERE tenant_id = '1')
			  AND billing_name <> 'Client inconnu'`)
		if sum != k[0].Rows || sum != int64(held) || sum == 0 {
			t.Errorf("%s: %d rows in all, %d by year, %d in the database", when, k[0].Rows, sum, held)
		}
	}
	accept(t, s, "1", keys[:10])
	work(t, s, 10)
	sweep(t, s)
	compare("after a sweep")
	accept(t, s, "1", keys[10:])
	work(t, s, 10)
	db.Exec(t, "UPDATE oubli.retained SET counted_at = counted_at - interval '2 minutes'")
	db.Exec(t, "UPDATE oubli.jobs SET finished_at = finished_at - interval '1 minute'")
	sweep(t, s)
	compare("after a job")
	if n := db.Int(t, "SELECT count(*) FROM oubli.retention_sweeps"); n != 1 {
		t.Errorf("%d sweeps in one day", n)
	}
	if r := retention(t, s, "2"); len(r.Kept)+len(r.Sweeps) != 0 {
		t.Errorf("another tenant sees %+v", r)
	}
}

func TestARuleWhoseValueNeverEqualsTheColumnIsAppliedOnceADay(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	tenant := former(t, db, "FR", "UTC", longOver(5)...)
	use := mapped(t, "        billing_email: null", `        billing_email: {sql: "gen_random_uuid()::text"}`)
	s := open(t, db, use, atMoment(dayOf(t, "2030-01-01")))
	if n := sweep(t, s); n != 5 {
		t.Errorf("%d rows are cleared", n)
	}
	if w := retention(t, s, tenant).Sweeps[0]; w.State != jobs.SweepFinished {
		t.Errorf("%+v", w)
	}
	db.Exec(t, "UPDATE oubli.retention_sweeps SET run_at = now()")
	if n := sweep(t, s); n != 0 {
		t.Errorf("%d rows are cleared again on the same day", n)
	}
}

func TestADeletedTenantDelaysNoOtherTenant(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	db.Exec(t, "INSERT INTO oubli.anonymous_profiles (tenant_id, slot, client_key) VALUES ('999999', 1, '0')")
	tenant := former(t, db, "FR", "UTC", longOver(5)...)
	s := open(t, db, atMoment(dayOf(t, "2030-01-01")))
	if n := sweep(t, s); n != 5 || held(t, db, tenant) != 0 {
		t.Errorf("%d rows are cleared", n)
	}
	if w := retention(t, s, "999999").Sweeps; len(w) != 1 || w[0].State != jobs.SweepFinished {
		t.Errorf("%+v", w)
	}
}

// A column that nobody has looked at stops the sweep as it stops an erasure.
func TestNothingIsSweptWhileTheMapDoesNotKnowAColumn(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	tenant := former(t, db, "FR", "UTC", longOver(5)...)
	s := open(t, db, atMoment(dayOf(t, "2030-01-01")))
	db.Exec(t, "ALTER TABLE invoices ADD COLUMN remark text")
	if swept, err := s.SweepRetained(t.Context()); jobs.KindOf(err) != jobs.Conflict || held(t, db, tenant) != 5 {
		t.Errorf("%+v, %v; %d held", swept, err, held(t, db, tenant))
	}
	db.Exec(t, "ALTER TABLE invoices DROP COLUMN remark")
	if n := sweep(t, s); n != 5 {
		t.Errorf("%d rows are cleared once it is gone", n)
	}
}
