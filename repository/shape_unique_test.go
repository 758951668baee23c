package repository_test

import (
	"strconv"
	"testing"

	"github.com/oubli/oubli/repository"
)

func itoa(n int) string { return strconv.Itoa(n) }

const classMap = noTenant + `tables:
  - {table: participations, reference: client_id, erase: reassign, columns: {comment: null}}
`

const classSQL = noTenantSQL + `
CREATE TABLE participations (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  session_id bigint NOT NULL, client_id bigint NOT NULL REFERENCES clients, comment text, UNIQUE (session_id, client_id));
CREATE INDEX ON participations (client_id);
`

const byStatus = "SELECT client_id <= 40 AS client, count(*) FROM participations GROUP BY 1 ORDER BY 1"

func TestThreeErasedClientsKeepTheClassAtThree(t *testing.T) {
	t.Parallel()
	s := newShape(t, classMap, classSQL+`
INSERT INTO participations (session_id, client_id, comment) SELECT 7, n, 'knee' FROM generate_series(1, 5) AS n`)
	s.eraseAll(t, "1", "1", "2", "3")
	s.is(t, byStatus, "f 3", "t 2")
	s.is(t, "SELECT count(*) FROM participations WHERE comment IS NOT NULL", "2")
	if n := s.profiles(t); n != 3 {
		t.Errorf("%d profiles for three seats", n)
	}
}

func TestAProfileThatAlreadyAttendsAClassKeepsItsPlace(t *testing.T) {
	t.Parallel()
	s := newShape(t, classMap, classSQL+`
INSERT INTO participations (session_id, client_id)
SELECT session, n FROM generate_series(1, 6) AS n, (VALUES (7), (8)) AS v(session)
WHERE session = 7 OR n > 3`)
	s.eraseAll(t, "1", "1", "2")
	before := s.lines(t, "SELECT id, client_id FROM participations WHERE client_id > 40 ORDER BY id")
	s.eraseAll(t, "1", "4", "5")
	after := s.lines(t, "SELECT id, client_id FROM participations WHERE client_id > 40 ORDER BY id")
	for i, line := range before {
		if after[i] != line {
			t.Errorf("row of the first erasure: %s, was %s", after[i], line)
		}
	}
	s.is(t, "SELECT session_id, count(*), count(DISTINCT client_id) FROM participations GROUP BY 1 ORDER BY 1", "7 6 6", "8 3 3")
}

func TestAProfileThatTheApplicationDeletedIsMadeAgain(t *testing.T) {
	t.Parallel()
	s := newShape(t, classMap, classSQL+
		"INSERT INTO participations (session_id, client_id) SELECT n % 2, n FROM generate_series(1, 8) AS n")
	s.eraseAll(t, "1", "1", "3", "5")
	s.Exec(t, "DELETE FROM participations WHERE client_id = (SELECT client_key::bigint FROM oubli.anonymous_profiles WHERE slot = 1)")
	s.Exec(t, "DELETE FROM clients WHERE id = (SELECT client_key::bigint FROM oubli.anonymous_profiles WHERE slot = 1)")
	s.eraseAll(t, "1", "2", "4", "6", "7")
	s.is(t, "SELECT session_id, count(*) FROM participations GROUP BY 1 ORDER BY 1", "0 4", "1 3")
	s.is(t, "SELECT count(*) FROM participations WHERE client_id <= 40", "1")
	s.is(t, `
		SELECT count(*) FROM oubli.anonymous_profiles AS p
		WHERE replaced_at IS NULL AND NOT EXISTS (SELECT FROM clients WHERE id = client_key::bigint)`, "0")
}

func TestHundredsOfClientsOfOneSessionGetDifferentProfiles(t *testing.T) {
	t.Parallel()
	s := newShape(t, classMap+"profiles: 300\n", classSQL+`
INSERT INTO clients SELECT n, 'client' FROM generate_series(41, 300) AS n;
INSERT INTO participations (session_id, client_id) SELECT 7, n FROM generate_series(1, 300) AS n`,
		func(o *repository.Options) { o.BatchClients = 1000 })
	j := accept(t, s.store, "1", keys(1, 300))
	work(t, s.store, 250)
	if j = job(t, s.store, j.ID); j.Counts.Erased != 300 {
		t.Fatalf("job: %+v", j)
	}
	s.is(t, "SELECT count(*), count(DISTINCT client_id), min(client_id) > 1000 FROM participations", "300 300 t")
	if n := s.profiles(t); n > 300 {
		t.Errorf("%d profiles for 300 seats", n)
	}
}

func TestTwoUniqueIndexesAtOnceTakeFewProfiles(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: seats, reference: client_id, erase: reassign}
`, noTenantSQL+`
CREATE TABLE seats (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, client_id bigint REFERENCES clients,
  session_id integer NOT NULL, seat integer, UNIQUE (session_id, client_id), UNIQUE (client_id, seat));
-- Ten sessions for each client and a seat in most of them; a session of 16, a seat that 15 have taken.
INSERT INTO seats (client_id, session_id, seat)
SELECT n, (n + 3 * k) % 25, CASE WHEN k % 4 <> 0 THEN (n * 7 + k) % 60 END FROM generate_series(1, 40) AS n, generate_series(0, 9) AS k`)
	before := s.lines(t, "SELECT session_id, count(*), sum(seat) FROM seats GROUP BY 1 ORDER BY 1")
	s.eraseAll(t, "1", keys(1, 36)...)
	s.is(t, "SELECT session_id, count(*), sum(seat) FROM seats GROUP BY 1 ORDER BY 1", before...)
	s.is(t, "SELECT client_id <= 40 AS client, count(*) FROM seats GROUP BY 1 ORDER BY 1", "f 360", "t 40")
	most := s.Int(t, `SELECT greatest((SELECT max(n) FROM (SELECT count(*) AS n FROM seats WHERE client_id > 40 GROUP BY session_id) AS a),
		(SELECT max(n) FROM (SELECT count(*) AS n FROM seats WHERE client_id > 40 AND seat IS NOT NULL GROUP BY seat) AS b))`)
	if n := s.profiles(t); n > 2*most {
		t.Errorf("%d profiles, although no more than %d rows meet under any index", n, most)
	}
}

func TestOnlyTheRowsOfAPartialIndexGetDifferentProfiles(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: bookings, reference: client_id, erase: reassign, columns: {place: keep, state: keep}}
`, noTenantSQL+`
CREATE TABLE bookings (session_id integer, client_id bigint REFERENCES clients, state text NOT NULL, place text);
CREATE UNIQUE INDEX ON bookings (session_id, client_id) WHERE state <> 'cancelled' AND client_id IS NOT NULL;
CREATE UNIQUE INDEX ON bookings (client_id, lower(place));
INSERT INTO bookings SELECT 7, n, CASE WHEN n % 2 = 0 THEN 'cancelled' ELSE 'booked' END FROM generate_series(1, 8) AS n;
INSERT INTO bookings SELECT n + 100, n, 'booked', CASE WHEN n < 3 THEN 'Left' ELSE 'LEFT' END FROM generate_series(1, 4) AS n;
INSERT INTO bookings SELECT NULL, n, 'booked' FROM generate_series(1, 4) AS n`)
	s.eraseAll(t, "1", keys(1, 8)...)
	s.is(t, `
		SELECT session_id, count(*), count(DISTINCT client_id)
		FROM bookings WHERE session_id = 7 AND state = 'booked' GROUP BY 1`, "7 4 4")
	s.is(t, "SELECT lower(place), count(*), count(DISTINCT client_id) FROM bookings WHERE place IS NOT NULL GROUP BY 1", "left 4 4")
	s.is(t, "SELECT count(*), count(DISTINCT client_id) FROM bookings WHERE state = 'cancelled' OR session_id IS NULL", "8 1")
	s.is(t, "SELECT count(*) FROM bookings WHERE client_id <= 40", "0")
}

func TestRowsWithNullGetDifferentProfilesWhereAnIndexTakesNullsAsEqual(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: passes, reference: client_id, erase: reassign}
`, noTenantSQL+"CREATE TABLE passes (client_id bigint REFERENCES clients, place integer)")
	if s.Int(t, "SELECT current_setting('server_version_num')::int") < 150000 {
		t.Skip("PostgreSQL 15 brought NULLS NOT DISTINCT")
	}
	s.Exec(t, "CREATE UNIQUE INDEX ON passes (client_id, place) NULLS NOT DISTINCT")
	s.Exec(t, "INSERT INTO passes SELECT n, p FROM generate_series(1, 5) AS n, (VALUES (NULL), (1)) AS v(p)")
	s.eraseAll(t, "1", keys(1, 2)...)
	s.eraseAll(t, "1", keys(3, 4)...)
	s.is(t, "SELECT place, count(*), count(DISTINCT client_id) FROM passes GROUP BY 1 ORDER BY 1", "1 5 5", "- 5 5")
	s.is(t, "SELECT count(*) FROM passes WHERE client_id <= 40", "2")
}

func TestRowsWithoutAPrimaryKeyGetDifferentProfiles(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: entries, reference: client_id, erase: reassign}
  - {table: stamps, reference: client_id, erase: reassign, columns: {card: keep}}
`, noTenantSQL+`
CREATE TABLE entries (day date, client_id bigint REFERENCES clients, n integer, UNIQUE (day, client_id)) PARTITION BY RANGE (day);
CREATE TABLE entries_a PARTITION OF entries FOR VALUES FROM ('2025-01-01') TO ('2025-07-01');
CREATE TABLE entries_b PARTITION OF entries FOR VALUES FROM ('2025-07-01') TO ('2026-01-01');
CREATE TABLE stamps (card integer, client_id bigint REFERENCES clients);
INSERT INTO entries SELECT d, n, n FROM generate_series(1, 6) AS n, (VALUES ('2025-03-03'::date), ('2025-09-09')) AS v(d);
INSERT INTO stamps SELECT n % 2, n FROM generate_series(1, 6) AS n, generate_series(1, 3)`)
	s.eraseAll(t, "1", keys(1, 5)...)
	s.is(t, "SELECT day, count(*), count(DISTINCT client_id), sum(n) FROM entries GROUP BY 1 ORDER BY 1",
		"2025-03-03 6 6 21", "2025-09-09 6 6 21")
	s.is(t, "SELECT client_id <= 40 AS client, count(*) FROM stamps GROUP BY 1 ORDER BY 1", "f 15", "t 3")
}

func TestUniqueConstraintsThatAreCheckedAtCommitAreKept(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: turns, reference: client_id, erase: reassign}
  - {table: hens, reference: client_id, erase: delete}
  - {table: eggs, reference: client_id, erase: delete}
`, noTenantSQL+`
CREATE TABLE turns (
  day date NOT NULL,
  client_id bigint NOT NULL REFERENCES clients DEFERRABLE INITIALLY DEFERRED,
  PRIMARY KEY (day, client_id) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE hens (id bigint PRIMARY KEY, client_id bigint REFERENCES clients, egg_id bigint);
CREATE TABLE eggs (id bigint PRIMARY KEY, client_id bigint REFERENCES clients, hen_id bigint REFERENCES hens DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE hens ADD FOREIGN KEY (egg_id) REFERENCES eggs DEFERRABLE INITIALLY DEFERRED;
BEGIN;
INSERT INTO turns SELECT '2025-05-05', n FROM generate_series(1, 5) AS n;
INSERT INTO hens SELECT n, n, n FROM generate_series(1, 5) AS n;
INSERT INTO eggs SELECT n, n, n FROM generate_series(1, 5) AS n;
COMMIT`)
	s.eraseAll(t, "1", keys(1, 4)...)
	s.is(t, "SELECT count(*), count(DISTINCT client_id), count(*) FILTER (WHERE client_id <= 40) FROM turns", "5 5 1")
	s.is(t, "SELECT id FROM hens UNION ALL SELECT id FROM eggs", "5", "5")
}
