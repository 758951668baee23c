package repository_test

import (
	"testing"
	"time"

	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// logins is a schema whose keys are given again: whoever leaves frees a login.
const (
	loginsMap = `client:
  table: members
  key: login
  key_is_personal: true
  erase: delete
  created_at: created_at
  anonymous: {login: {sql: "'anon-' || :slot"}, name: {value: x}}
activity:
  visits: {table: visits, reference: member, at: at}
tables:
  - {table: visits, reference: member, erase: reassign, columns: {remark: null}}
  - {table: messages, reference: member, erase: delete}
`
	loginsSQL = `
CREATE TABLE members (login text PRIMARY KEY, name text NOT NULL, created_at timestamptz);
CREATE TABLE visits (id int PRIMARY KEY, member text REFERENCES members ON UPDATE CASCADE ON DELETE CASCADE, at timestamptz, remark text);
CREATE TABLE messages (id int PRIMARY KEY, member text, body text);
INSERT INTO members VALUES ('bob', 'Bob the first', '2020-01-01'), ('eve', 'Eve', '2020-01-01'), ('ann', 'Ann', '2020-01-01');
INSERT INTO messages VALUES (1, 'bob', 'of the first');
`
	// newBob gives the login to somebody else, whom the clock of the application
	// says to have come one second later.
	newBob = `
DELETE FROM members WHERE login = 'bob';
INSERT INTO members VALUES ('bob', 'Bob the second', now() + interval '1 second');
INSERT INTO visits VALUES (1, 'bob', NULL, 'of the second');
INSERT INTO messages VALUES (2, 'bob', 'of the second')`
)

func later(r *jobs.ErasureRequest) { r.NotBefore = time.Now().Add(time.Hour) }

func (s *shape) runNow(t *testing.T) {
	t.Helper()
	s.Exec(t, "UPDATE oubli.tasks SET run_at = now()")
	work(t, s.store, 1)
}

func (s *shape) untouchedBob(t *testing.T) {
	t.Helper()
	s.is(t, "SELECT name FROM members WHERE login = 'bob'", "Bob the second")
	s.is(t, "SELECT member, remark FROM visits", "bob of the second")
	s.is(t, "SELECT body FROM messages WHERE id = 2", "of the second")
}

func TestAClientCreatedAfterTheJobWasAcceptedIsSkipped(t *testing.T) {
	t.Parallel()
	s := newShape(t, loginsMap, loginsSQL)
	j := accept(t, s.store, "1", []string{"bob", "eve"}, later)
	s.Exec(t, newBob)
	s.runNow(t)
	if j = job(t, s.store, j.ID); j.Exceptions[jobs.CodeKeyReused] != 1 || j.Counts.Skipped != 1 || j.Counts.Erased != 1 {
		t.Errorf("%+v %v", j.Counts, j.Exceptions)
	}
	s.untouchedBob(t)
	s.Exec(t, "UPDATE oubli.second_looks SET since = now() - interval '2 hours'")
	if _, err := s.store.RunSecondLooks(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.untouchedBob(t)

	again, err := s.store.Retry(t.Context(), "1", j.ID, jobs.Caller{Subject: "test"})
	if err != nil {
		t.Fatal(err)
	}
	s.runNow(t)
	if again = job(t, s.store, again.ID); again.Exceptions[jobs.CodeKeyReused] != 1 {
		t.Errorf("a retry lists no clients anew, but: %+v", again.Counts)
	}
	s.untouchedBob(t)

	s.Exec(t, "UPDATE members SET created_at = now() WHERE login = 'bob'")
	s.eraseAll(t, "1", "bob") // a new request means the new Bob
}

func TestAClientCreatedBetweenSelectionAndRequestIsSkipped(t *testing.T) {
	t.Parallel()
	s := newShape(t, loginsMap, loginsSQL)
	sel, err := s.store.Select(t.Context(), jobs.SelectionRequest{TenantID: "1", Period: "P1Y", CreatedBy: "test"})
	if err != nil || sel.Total != 3 {
		t.Fatalf("%+v, %v", sel, err)
	}
	s.Exec(t, newBob)
	s.Exec(t, "UPDATE members SET created_at = now() WHERE login = 'bob'")
	j := accept(t, s.store, "1", nil, func(r *jobs.ErasureRequest) { r.SelectionID, r.ExpectedCount, r.Reason = sel.ID, 3, jobs.Inactivity })
	work(t, s.store, 3)
	if j = job(t, s.store, j.ID); j.Exceptions[jobs.CodeKeyReused] != 1 || j.Counts.Erased != 2 {
		t.Errorf("%+v %v", j.Counts, j.Exceptions)
	}
	s.untouchedBob(t)
}

func TestAMergeChangesNoNewClientWithTheKeyOfItsSourceOrTarget(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		source, target, code string
		outcome              jobs.Counts
	}{
		"source":    {"bob", "eve", jobs.CodeKeyReused, jobs.Counts{Skipped: 1}},
		"target":    {"eve", "bob", jobs.CodeTargetNotFound, jobs.Counts{Failed: 1}},
		"anonymous": {"bob", "", jobs.CodeKeyReused, jobs.Counts{Skipped: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShape(t, loginsMap, loginsSQL)
			j := acceptMerge(t, s.store, mergeRequest("1", c.target, []string{c.source}))
			s.Exec(t, newBob)
			if j = workMerge(t, s.store, s.DB, j.ID); j.Counts != c.outcome || j.Exceptions[c.code] != 1 {
				t.Errorf("%+v %v", j.Counts, j.Exceptions)
			}
			s.untouchedBob(t)
			s.is(t, "SELECT count(*) FROM members WHERE login = 'eve'", "1")
		})
	}
}

// Whoever was created at an hour that may be before or after the request is left
// alone by an erasure. Merges of a duplicate made a minute ago must work.
func TestCreationDatesAreComparedInTheTenantsTimeZone(t *testing.T) {
	t.Parallel()
	const zone = "America/Los_Angeles" // 8 hours behind UTC, 7 in summer
	for name, c := range map[string]struct {
		column, created string
		erased, merged  bool
	}{
		"an hour before, by UTC":        {"timestamp", "now() AT TIME ZONE 'UTC' - interval '1 hour'", false, true},
		"an hour before, by local time": {"timestamp", "now() AT TIME ZONE '" + zone + "' - interval '1 hour'", true, true},
		"a day before":                  {"timestamp", "now() AT TIME ZONE 'UTC' - interval '1 day'", true, true},
		"an hour after, by local time":  {"timestamp", "now() AT TIME ZONE '" + zone + "' + interval '1 hour'", false, true},
		"a day after":                   {"timestamp", "now() AT TIME ZONE 'UTC' + interval '1 day'", false, false},
		"the day":                       {"date", "(now() AT TIME ZONE '" + zone + "')::date", false, true},
		"the day before":                {"date", "(now() AT TIME ZONE '" + zone + "')::date - 1", true, true},
		"two days after":                {"date", "(now() AT TIME ZONE 'UTC')::date + 2", false, false},
		"nobody knows":                  {"timestamp", "NULL::timestamp", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShape(t, `tenant: {table: studios, key: id, timezone: zone}
client:
  table: clients
  key: id
  tenant: studio_id
  erase: delete
  created_at: created
  anonymous: {name: {value: x}}
tables:
  - {table: visits, reference: client_id, erase: reassign}
`, `
CREATE TABLE studios (id int PRIMARY KEY, zone text NOT NULL);
INSERT INTO studios VALUES (1, '`+zone+`');
CREATE TABLE clients (
  id bigint GENERATED BY DEFAULT AS IDENTITY (START 1001) PRIMARY KEY,
  studio_id int NOT NULL,
  name text NOT NULL,
  created `+c.column+`
);
CREATE TABLE visits (id int PRIMARY KEY, client_id bigint NOT NULL REFERENCES clients);
INSERT INTO clients SELECT n, 1, 'client', CASE WHEN n < 3 THEN `+c.created+` END FROM generate_series(1, 3) AS n`)
			j := s.erase(t, "1", "1")
			if erased := j.Counts.Erased == 1; erased != c.erased || !erased && j.Exceptions[jobs.CodeKeyReused] != 1 {
				t.Errorf("erasure: %+v %v", j.Counts, j.Exceptions)
			}
			j = merge(t, s.store, s.DB, mergeRequest("1", "3", []string{"2"}))
			if merged := j.Counts.Erased == 1; merged != c.merged || !merged && j.Exceptions[jobs.CodeKeyReused] != 1 {
				t.Errorf("merge: %+v %v", j.Counts, j.Exceptions)
			}
		})
	}
}

func TestAKeyThatIsReusedDuringAChunkIsSeenUnderTheLock(t *testing.T) {
	t.Parallel()
	s := newShape(t, loginsMap, loginsSQL, func(o *repository.Options) { o.LockTimeout = 20 * time.Second })
	j := accept(t, s.store, "1", []string{"bob"})
	c := claimFirst(t, s.store)
	s.Exec(t, newBob)
	if err := drain(t.Context(), s.store, c, 1); err != nil {
		t.Fatal(err)
	}
	if j = job(t, s.store, j.ID); j.Exceptions[jobs.CodeKeyReused] != 1 {
		t.Errorf("%+v %v", j.Counts, j.Exceptions)
	}
	s.untouchedBob(t)
}
