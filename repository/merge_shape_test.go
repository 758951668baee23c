package repository_test

import (
	"errors"
	"maps"
	"testing"

	"github.com/oubli/oubli/jobs"
)

// mergeInto merges source 1 into target 2 of a shape without tenants.
func (s *shape) mergeInto(t *testing.T, conflicts jobs.ConflictRule, change ...mergeOption) jobs.Job {
	t.Helper()
	change = append(change, func(r *jobs.MergeRequest) { r.Conflicts = conflicts })
	return merge(t, s.store, s.DB, mergeRequest("1", "2", []string{"1"}, change...))
}

// Each case has one row of client 1 that cannot become client 2's, and one that
// can. What is left when the target wins is listed; when neither must win,
// nothing has changed.
func TestConflictsOfEveryKindAreFoundBeforeAnythingChanges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, index, rows string
		left              []string
	}{
		{"composite", "ALTER TABLE things ADD UNIQUE (x, client_id, y)",
			"(1, 7, 7), (1, 7, 8), (2, 7, 7)", []string{"2 7 7", "2 7 8"}},
		{"one row each", "ALTER TABLE things ADD UNIQUE (client_id)",
			"(1, 1, 0), (2, 2, 0)", []string{"2 2 0"}},
		{"partial", "CREATE UNIQUE INDEX ON things (x, client_id) WHERE y > 0",
			"(1, 7, 1), (1, 8, 0), (2, 7, 1), (2, 8, 1)", []string{"2 7 1", "2 8 0", "2 8 1"}},
		{"partial by the reference", "CREATE UNIQUE INDEX ON things (x, client_id) WHERE client_id > 1",
			"(1, 7, 1), (1, 8, 0), (2, 7, 1)", []string{"2 7 1", "2 8 0"}},
		{"expression", "CREATE UNIQUE INDEX ON things (abs(x), client_id)",
			"(1, -7, 1), (1, 8, 0), (2, 7, 1)", []string{"2 7 1", "2 8 0"}},
		{"expression over the reference", "CREATE UNIQUE INDEX ON things (x, (client_id * 10))",
			"(1, 7, 1), (1, 8, 0), (2, 7, 2)", []string{"2 7 2", "2 8 0"}},
		{"nulls that are equal", "ALTER TABLE things ADD UNIQUE NULLS NOT DISTINCT (client_id, x)",
			"(1, NULL, 1), (1, 8, 0), (2, NULL, 2)", []string{"2 - 2", "2 8 0"}},
		{"nulls that are not", "ALTER TABLE things ADD UNIQUE (client_id, x)",
			"(1, NULL, 1), (1, 8, 0), (2, NULL, 2), (2, 8, 3)", []string{"2 - 1", "2 - 2", "2 8 3"}},
		{"at commit", "ALTER TABLE things ADD UNIQUE (client_id, x) DEFERRABLE INITIALLY DEFERRED",
			"(1, 7, 1), (1, 8, 0), (2, 7, 2)", []string{"2 7 2", "2 8 0"}},
		{"two indexes", "ALTER TABLE things ADD UNIQUE (client_id, x), ADD UNIQUE (client_id, y)",
			"(1, 7, 1), (1, 8, 2), (1, 9, 3), (2, 7, 4), (2, 5, 2)", []string{"2 5 2", "2 7 4", "2 9 3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newShape(t, noTenant+`tables:
  - {table: things, reference: client_id, erase: delete}
`, noTenantSQL+`
CREATE TABLE things (client_id bigint NOT NULL REFERENCES clients, x integer, y integer);
`+c.index+`;
INSERT INTO things VALUES `+c.rows)
			before := s.lines(t, "SELECT * FROM things ORDER BY 1, 2, 3")
			j := s.mergeInto(t, jobs.FailOnConflict)
			if j.State != jobs.Failed || j.Exceptions[jobs.CodeConflict] != 1 || j.Merge.Found["things"] == 0 {
				t.Errorf("fail: %+v, %+v", j, j.Merge)
			}
			s.is(t, "SELECT * FROM things ORDER BY 1, 2, 3", before...)
			if j = s.mergeInto(t, jobs.KeepTarget); j.State != jobs.Completed {
				t.Errorf("keep_target: %+v", j)
			}
			s.is(t, "SELECT client_id, x, y FROM things ORDER BY 1, 2 NULLS FIRST, 3", c.left...)
		})
	}
}

func TestAConflictThatOnlyPostgreSQLFindsLeavesTheSourceUnchanged(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"", "DEFERRABLE INITIALLY DEFERRED"} {
		s := newShape(t, noTenant+`tables:
  - {table: stays, reference: client_id, erase: delete}
`, noTenantSQL+`CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE TABLE stays (
  client_id bigint NOT NULL REFERENCES clients,
  during daterange NOT NULL,
  EXCLUDE USING gist (client_id WITH =, during WITH &&) `+when+`
);
INSERT INTO stays VALUES (1, '[2026-01-01,2026-01-05)'), (2, '[2026-01-03,2026-01-09)')`)
		for name, change := range map[string]mergeOption{
			"fail":        func(*jobs.MergeRequest) {},
			"keep_target": keepTarget,
			"a dry run":   mergeDryRun,
		} {
			j := acceptMerge(t, s.store, mergeRequest("1", "2", []string{"1"}, change))
			c := mustClaim(t, s.store, s.Strings(t, "SELECT id::text FROM oubli.tasks WHERE job_id = $1 AND kind = 'merge'", j.ID)[0])
			_, err := s.store.EraseChunk(t.Context(), c, 1)
			if code := codeOf(err); code != "23P01:stays_client_id_during_excl" {
				t.Errorf("%s %s: %v", name, when, err)
			}
			s.is(t, "SELECT client_id FROM stays ORDER BY 1", "1", "2")
		}
	}
}

func TestRowsBelowADeletedRowMoveToTheTargetsRow(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: visits, reference: client_id, erase: delete}
  - {table: ratings, through: visits, reference: visit_id, erase: delete}
  - {table: remarks, through: visits, reference: subject_id, where: "subject_type = 'Visit'", erase: delete}
`, noTenantSQL+`
CREATE TABLE visits (id bigint PRIMARY KEY, client_id bigint NOT NULL REFERENCES clients, day date NOT NULL, UNIQUE (client_id, day));
CREATE TABLE ratings (visit_id bigint NOT NULL REFERENCES visits ON DELETE CASCADE, stars integer NOT NULL);
CREATE TABLE remarks (subject_type text NOT NULL, subject_id text NOT NULL, body text NOT NULL);
CREATE INDEX ON ratings (visit_id);
CREATE INDEX ON remarks (subject_id);
INSERT INTO visits VALUES (11, 1, '2026-01-01'), (12, 1, '2026-01-02'), (21, 2, '2026-01-01');
INSERT INTO ratings VALUES (11, 5), (12, 4), (21, 3);
INSERT INTO remarks VALUES ('Visit', '11', 'late'), ('Visit', '12', 'early'), ('Room', '11', 'hot')`)
	if j := s.mergeInto(t, jobs.KeepTarget); j.State != jobs.Completed {
		t.Fatalf("job: %+v", j)
	}
	s.is(t, "SELECT id, client_id FROM visits ORDER BY 1", "12 2", "21 2")
	s.is(t, "SELECT visit_id, stars FROM ratings ORDER BY 1, 2", "12 4", "21 3", "21 5")
	s.is(t, "SELECT * FROM remarks ORDER BY 1, 2", "Room 11 hot", "Visit 12 early", "Visit 21 late")
}

func TestRowsAMergeDeletesTakeTheirDependentsAlong(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: carts, reference: client_id, erase: delete, merge: delete}
  - {table: cart_lines, through: carts, reference: cart_id, erase: delete}
`, noTenantSQL+`
CREATE TABLE carts (id bigint PRIMARY KEY, client_id bigint NOT NULL REFERENCES clients);
CREATE TABLE cart_lines (cart_id bigint NOT NULL REFERENCES carts, item text NOT NULL);
CREATE INDEX ON carts (client_id);
CREATE INDEX ON cart_lines (cart_id);
INSERT INTO carts VALUES (11, 1), (21, 2);
INSERT INTO cart_lines VALUES (11, 'mat'), (21, 'towel')`)
	j := s.mergeInto(t, jobs.FailOnConflict)
	if j.State != jobs.Completed || !maps.Equal(j.Rows, map[string]int64{"carts": 1, "cart_lines": 1, "clients": 1}) {
		t.Fatalf("job: %+v", j)
	}
	s.is(t, "SELECT * FROM cart_lines", "21 towel")
}

func TestRowsAMergeLeavesAreErasedWithTheirSource(t *testing.T) {
	t.Parallel()
	const mapYAML = noTenant + `tables:
  - {table: moods, reference: client_id, erase: reassign, merge: keep, columns: {note: null}}
`
	const sql = noTenantSQL + `CREATE TABLE moods (client_id bigint NOT NULL REFERENCES clients, note text);
CREATE INDEX ON moods (client_id);
INSERT INTO moods VALUES (1, 'secret'), (2, 'mine')`
	stays := newShape(t, mapYAML, sql)
	stays.mergeInto(t, jobs.FailOnConflict, keepSource)
	stays.is(t, "SELECT * FROM moods ORDER BY 1", "1 secret", "2 mine")
	goes := newShape(t, mapYAML, sql)
	if j := goes.mergeInto(t, jobs.FailOnConflict); j.State != jobs.Completed {
		t.Fatalf("job: %+v", j)
	}
	goes.is(t, "SELECT client_id > 40, note FROM moods ORDER BY 1", "f mine", "t -")
}

func TestAMergeThatWouldLoseRowsIsRefusedAndErasingIsNot(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: carts, reference: client_id, erase: delete, merge: delete}
  - {table: orders, through: carts, reference: cart_id, erase: delete, merge: keep}
`, noTenantSQL+`
CREATE TABLE carts (id bigint PRIMARY KEY, client_id bigint NOT NULL REFERENCES clients);
CREATE TABLE orders (cart_id bigint NOT NULL REFERENCES carts ON DELETE CASCADE);
CREATE INDEX ON carts (client_id);
CREATE INDEX ON orders (cart_id);
INSERT INTO carts VALUES (11, 1);
INSERT INTO orders VALUES (11)`)
	_, _, err := s.store.AcceptMerge(t.Context(), mergeRequest("1", "2", []string{"1"}), jobs.IdempotencyKey{Key: "k", Caller: "c"})
	if codeOf(err) != "merges_refused" {
		t.Errorf("merge: %v", err)
	}
	s.eraseAll(t, "1", "1")
	s.is(t, "SELECT count(*) FROM orders", "0")
}

func TestKeysThatAreUniqueOnlyWithinATenantAreMergedWithinIt(t *testing.T) {
	t.Parallel()
	s := newShape(t, `tenant: {table: studios, key: id}
client:
  table: clients
  key: no
  tenant: studio_id
  erase: delete
  fill: [phone]
  anonymous: {no: {sql: "100 + :slot"}, name: {value: anonymous}}
tables:
  - {table: visits, reference: client_no, erase: delete}
`, `CREATE TABLE studios (id bigint PRIMARY KEY);
CREATE TABLE clients (
  studio_id bigint NOT NULL REFERENCES studios,
  no bigint NOT NULL,
  name text NOT NULL,
  phone text,
  PRIMARY KEY (studio_id, no)
);
CREATE TABLE visits (
  studio_id bigint NOT NULL,
  client_no bigint NOT NULL,
  day integer NOT NULL,
  FOREIGN KEY (studio_id, client_no) REFERENCES clients,
  UNIQUE (studio_id, client_no, day)
);
INSERT INTO studios VALUES (1), (2);
INSERT INTO clients SELECT s, n, 'client', CASE WHEN n = 1 THEN '+33 ' || s END FROM generate_series(1, 2) AS s, generate_series(1, 2) AS n;
INSERT INTO visits SELECT s, n, d FROM generate_series(1, 2) AS s, generate_series(1, 2) AS n, generate_series(n, n + 1) AS d`)
	theirs := s.lines(t, "SELECT * FROM visits WHERE studio_id = 2 ORDER BY 1, 2, 3")
	if j := s.mergeInto(t, jobs.FailOnConflict); j.Merge.Found["visits"] != 1 {
		t.Errorf("fail: %+v", j)
	}
	if j := s.mergeInto(t, jobs.KeepTarget); j.State != jobs.Completed {
		t.Errorf("keep_target: %+v", j)
	}
	s.is(t, "SELECT * FROM visits WHERE studio_id = 1 ORDER BY 3", "1 2 1", "1 2 2", "1 2 3")
	s.is(t, "SELECT * FROM visits WHERE studio_id = 2 ORDER BY 1, 2, 3", theirs...)
	s.is(t, "SELECT studio_id, no, phone FROM clients ORDER BY 1, 2", "1 2 +33 1", "2 1 +33 2", "2 2 -")
}

func TestAMergeKeepsTheSourcesRowWhereAnErasureDoes(t *testing.T) {
	t.Parallel()
	s := newShape(t, `
client:
  table: clients
  key: id
  erase: anonymize
  columns: {name: {value: gone}, phone: null}
  fill: [phone]
  anonymous: {name: {value: anonymous}}
tables:
  - {table: visits, reference: client_id, erase: keep}
`, `CREATE TABLE clients (id bigint PRIMARY KEY, name text NOT NULL, phone text UNIQUE);
CREATE TABLE visits (client_id bigint NOT NULL REFERENCES clients, day integer NOT NULL);
CREATE INDEX ON visits (client_id);
INSERT INTO clients VALUES (1, 'one', '+33 1'), (2, 'two', ' ');
INSERT INTO visits VALUES (1, 5), (2, 6)`)
	if j := s.mergeInto(t, jobs.FailOnConflict); j.State != jobs.Completed {
		t.Fatalf("job: %+v", j)
	}
	s.is(t, "SELECT * FROM clients ORDER BY 1", "1 gone -", "2 two +33 1")
	s.is(t, "SELECT * FROM visits ORDER BY 2", "2 5", "2 6")
}

func codeOf(err error) string {
	if e, ok := errors.AsType[*jobs.Error](err); ok {
		return e.Code
	}
	return ""
}
