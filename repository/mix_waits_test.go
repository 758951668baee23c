package repository_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

const visitsMap = noTenant + `tables:
  - {table: visits, reference: client_id, erase: reassign, columns: {note: null}}
`

// visitsSQL has clients 1 to 40 with three visits each.
const visitsSQL = noTenantSQL + `
CREATE TABLE visits (
  id int PRIMARY KEY,
  client_id bigint NOT NULL REFERENCES clients,
  note text,
  at timestamptz NOT NULL DEFAULT '2020-01-01',
  updated_at timestamptz);
INSERT INTO visits (id, client_id, note) SELECT n, 1 + n % 40, 'note' FROM generate_series(0, 119) AS n;
`

// stamp makes an update of a visit note the time.
const stamp = `
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at = now(); RETURN NEW; END $$;
CREATE TRIGGER stamp BEFORE UPDATE ON visits FOR EACH ROW `

func acknowledged(trigger string) string {
	return fmt.Sprintf("triggers:\n  - {name: %s, because: \"a test\"}\n", trigger)
}

// singly erases each client by a job of its own and returns the jobs.
func (s *shape) singly(t *testing.T, keys ...string) (all []jobs.Job) {
	t.Helper()
	for _, key := range keys {
		all = append(all, s.eraseAll(t, "1", key))
	}
	return all
}

// residue is what the job says of itself by now.
func (s *shape) residue(t *testing.T, j jobs.Job) jobs.Residue {
	t.Helper()
	now := job(t, s.store, j.ID)
	if now.Residue == nil {
		t.Fatalf("no residue: %+v", now)
	}
	return *now.Residue
}

// noteChanges has a trigger's function that writes a row of another table.
const noteChanges = `
CREATE TABLE changes (visit int);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO changes VALUES (NEW.id);
  RETURN NULL;
END $$;`

// versions is how many transactions wrote the visits of former clients.
const versions = "SELECT count(DISTINCT xmin::text) FROM visits WHERE client_id > 1000"

func TestRowsWaitUntilThereAreEnoughFormerClients(t *testing.T) {
	t.Parallel()
	s := newShape(t, visitsMap, visitsSQL, impatient)
	few := s.singly(t, keys(1, jobs.MixClients-1)...)
	if err := s.store.RefreshStatistics(t.Context()); err != nil {
		t.Fatal(err)
	}
	mixes(t, s.DB, s.store)
	r := s.residue(t, few[0])
	if r.Level != jobs.ResidueLogical || r.Name != "logical" || !strings.Contains(r.WaitingFor, "20 former clients") {
		t.Errorf("with %d former clients: %+v", len(few), r)
	}
	s.is(t, versions, fmt.Sprint(len(few)))

	last := s.singly(t, "30")[0]
	mixes(t, s.DB, s.store)
	s.is(t, versions, "1")
	if r := s.residue(t, few[0]); r.Name != "statistics" || r.WaitingFor != "" {
		t.Errorf("mixed, with statistics that were refreshed before: %+v", r)
	}
	if r := s.residue(t, last); r.Level != jobs.ResidueLogical || r.Name != jobs.ResidueMixed {
		t.Errorf("mixed, with statistics to be refreshed: %+v", r)
	}
	s.is(t, "SELECT count(*) FROM oubli.tasks WHERE small_xids <> '{}' OR small_times <> '{}' OR large_xid IS NOT NULL", "0")
	s.is(t, "SELECT count(*), count(note) FROM visits WHERE client_id > 1000", fmt.Sprintf("%d 0", 3*jobs.MixClients))
}

func TestClientsWithoutKeptRowsCoverNobody(t *testing.T) {
	t.Parallel()
	s := newShape(t, visitsMap, visitsSQL+"DELETE FROM visits WHERE client_id > 10", impatient)
	all := s.singly(t, keys(1, 30)...)
	for range 2 {
		mixes(t, s.DB, s.store)
	}
	s.is(t, versions, "10")
	if r := s.residue(t, all[0]); r.Name != "logical" {
		t.Errorf("ten clients are not twenty: %+v", r)
	}
	if r := s.residue(t, all[29]); r.Name != jobs.ResidueMixed {
		t.Errorf("a client without kept rows: %+v", r)
	}
}

func TestTheRowsOfALargeJobCoverThoseOfSmallOnes(t *testing.T) {
	t.Parallel()
	s := newShape(t, visitsMap, visitsSQL, impatient)
	large := accept(t, s.store, "1", keys(1, 25))
	work(t, s.store, 25)
	if r := s.residue(t, large); r.Name != "logical" {
		t.Errorf("before its exceptions were written apart: %+v", r)
	}
	mixes(t, s.DB, s.store)
	if r := s.residue(t, large); r.Name != jobs.ResidueMixed {
		t.Errorf("a large job: %+v", r)
	}
	small := s.singly(t, "30")[0]
	mixes(t, s.DB, s.store)
	s.is(t, versions, "1")
	if r := s.residue(t, small); r.Name != jobs.ResidueMixed {
		t.Errorf("a small job after a large one: %+v", r)
	}
}

func TestATriggerThatStampsRowsStampsThoseOfOneMixtureAlike(t *testing.T) {
	t.Parallel()
	s := newShape(t, visitsMap+acknowledged("stamp"), visitsSQL+stamp+"EXECUTE FUNCTION stamp();", impatient)
	all := s.singly(t, keys(1, 20)...)
	s.is(t, "SELECT count(DISTINCT updated_at) FROM visits WHERE client_id > 1000", "20")
	mixes(t, s.DB, s.store)
	s.is(t, "SELECT count(DISTINCT updated_at), count(DISTINCT xmin::text) FROM visits WHERE client_id > 1000", "1 1")
	if r := s.residue(t, all[0]); r.Name != jobs.ResidueMixed {
		t.Errorf("%+v", r)
	}
}

// What mixing cannot hide is said, and no further level is claimed.
func TestTheLevelNamesWhatKeepsRowsFromBeingMixed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ sql, says, left string }{
		"a time that writing again does not change": {
			stamp + "WHEN (OLD.client_id <> NEW.client_id) EXECUTE FUNCTION stamp();",
			"public.visits.updated_at tells when the row was erased", "1",
		},
		"a trigger that refuses": {
			`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'P0001'; END $$;
			CREATE TRIGGER stamp BEFORE UPDATE ON visits FOR EACH ROW WHEN (OLD.client_id = NEW.client_id) EXECUTE FUNCTION refuse();`,
			"visits refuses to write its rows again with SQLSTATE P0001 (triggers and rules: stamp)", "20",
		},
		"a trigger that drops the update": {
			`CREATE FUNCTION drop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
			CREATE TRIGGER stamp BEFORE UPDATE ON visits FOR EACH ROW WHEN (OLD.client_id = NEW.client_id) EXECUTE FUNCTION drop();`,
			"visits does not let its rows be written again (triggers and rules: stamp)", "20",
		},
		"a trigger that writes another row then": {
			noteChanges + `
			CREATE TRIGGER stamp AFTER UPDATE ON visits FOR EACH ROW WHEN (OLD.client_id = NEW.client_id) EXECUTE FUNCTION note();`,
			"triggers on visits write other rows when rows are written again (stamp)", "20",
		},
		"a trigger that writes another row at once": {
			noteChanges + `
			CREATE TRIGGER stamp AFTER UPDATE ON visits FOR EACH ROW WHEN (OLD.client_id <> NEW.client_id) EXECUTE FUNCTION note();`,
			"triggers wrote rows of other tables while clients were erased", "1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShape(t, visitsMap+acknowledged("stamp"), visitsSQL+test.sql, impatient)
			all := s.singly(t, keys(1, 20)...)
			mixes(t, s.DB, s.store)
			if err := s.store.RefreshStatistics(t.Context()); err != nil {
				t.Fatal(err)
			}
			if r := s.residue(t, all[0]); r.Name != "logical" || !strings.HasSuffix("public."+r.WaitingFor, test.says) {
				t.Errorf("%+v, want %q", r, test.says)
			}
			s.is(t, versions, test.left)
			s.is(t, "SELECT count(*) FROM oubli.residues WHERE mix_after > now() + interval '23 hours'", "20")
		})
	}
}

func TestARowThatSomebodyHasLockedIsMixedLater(t *testing.T) {
	t.Parallel()
	s := newShape(t, visitsMap, visitsSQL, impatient)
	all := s.singly(t, keys(1, 20)...)
	letGo := hold(t, s.DB, "SELECT FROM visits WHERE id = 1 FOR SHARE")
	mixes(t, s.DB, s.store)
	s.is(t, versions, "2")
	named := map[string]int{}
	for _, j := range all {
		named[s.residue(t, j).Name]++
	}
	if named["logical"] != 1 || named[jobs.ResidueMixed] != 19 {
		t.Errorf("beside a lock: %v", named)
	}
	letGo()
	mixes(t, s.DB, s.store)
	s.is(t, versions, "1")
}

func TestARoundThatAnotherWorkerTookOverEnds(t *testing.T) {
	t.Parallel()
	var s *shape
	s = newShape(t, visitsMap, visitsSQL, impatient, func(o *repository.Options) {
		o.Failpoint = func(at string) {
			if at == "mix:stroke" {
				s.Exec(t, "UPDATE oubli.mixing SET attempt = attempt + 1")
			}
		}
	})
	all := s.singly(t, keys(1, 20)...)
	mixes(t, s.DB, s.store)
	if r := s.residue(t, all[0]); r.Name != "logical" {
		t.Errorf("recorded by a round that was overtaken: %+v", r)
	}
	s.is(t, "SELECT count(*) FROM oubli.mixing WHERE lease_until > now()", "1")
}

// Rows of partitions, those that are reached through others, and those of other
// people that lose a link are mixed as well.
func TestEveryRowThatAChunkLeavesIsMixed(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: visits, reference: client_id, erase: reassign, columns: {note: null}}
  - {table: photos, through: visits, reference: visit_id, erase: keep, columns: {caption: null}}
  - {table: rooms, reference: owner, erase: unlink}
`, noTenantSQL+`
CREATE TABLE visits (id int, client_id bigint NOT NULL REFERENCES clients, note text, at date NOT NULL, PRIMARY KEY (id, at))
  PARTITION BY RANGE (at);
CREATE TABLE visits_old PARTITION OF visits FOR VALUES FROM ('2000-01-01') TO ('2020-01-01');
CREATE TABLE visits_new PARTITION OF visits FOR VALUES FROM ('2020-01-01') TO ('2040-01-01');
INSERT INTO visits SELECT n, 1 + n % 40, 'note', date '2010-01-01' + n * 100 FROM generate_series(0, 79) AS n;
CREATE TABLE photos (
  id int PRIMARY KEY,
  visit_id int NOT NULL,
  at date NOT NULL,
  caption text,
  FOREIGN KEY (visit_id, at) REFERENCES visits);
INSERT INTO photos SELECT id, id, at, 'caption' FROM visits;
CREATE TABLE rooms (id int PRIMARY KEY, owner bigint REFERENCES clients);
INSERT INTO rooms SELECT n, 1 + n % 40 FROM generate_series(0, 39) AS n;`, impatient)
	s.singly(t, keys(1, 20)...)
	everywhere := `SELECT count(DISTINCT xmin), count(DISTINCT part), count(*) FROM (
		SELECT xmin::text, tableoid AS part FROM visits WHERE client_id > 1000
		UNION ALL SELECT xmin::text, tableoid FROM photos WHERE caption IS NULL
		UNION ALL SELECT xmin::text, tableoid FROM rooms WHERE owner IS NULL) AS x`
	s.is(t, everywhere, "20 4 100")
	mixes(t, s.DB, s.store)
	s.is(t, everywhere, "1 4 100")
}

// docs/fine-print.md says that nothing else takes xmin away.
func TestVacuumHidesNoTransaction(t *testing.T) {
	t.Parallel()
	s := newShape(t, visitsMap, visitsSQL)
	s.singly(t, keys(1, 3)...)
	for _, vacuum := range []string{"VACUUM (FREEZE)", "VACUUM (FULL, FREEZE)"} {
		s.Exec(t, vacuum+" visits")
		s.is(t, versions, "3")
	}
}

func TestEachTransactionOfALargeMixtureHasRowsOfAllItsClients(t *testing.T) {
	t.Parallel()
	s := newShape(t, visitsMap, visitsSQL+`
		INSERT INTO visits (id, client_id) SELECT 1000 + n, 1 + n % 40 FROM generate_series(0, 3999) AS n;
		CREATE TABLE truth AS SELECT id AS n, client_id AS whose FROM visits`, impatient)
	s.singly(t, keys(1, 22)...)
	mixes(t, s.DB, s.store)
	spread := `SELECT count(*), min(rows) > 500, max(rows) <= 1000, min(clients) FROM (
		SELECT count(*) AS rows, count(DISTINCT whose) AS clients FROM visits AS v JOIN truth ON n = v.id
		WHERE v.client_id > 1000 GROUP BY v.xmin::text) AS x`
	s.is(t, spread, "3 t t 22")
	s.singly(t, "30") // is covered by a thousand of those rows, drawn at random
	mixes(t, s.DB, s.store)
	s.is(t, `SELECT count(DISTINCT v.xmin::text), bool_and(beside.clients > 20) FROM visits AS v JOIN truth ON n = v.id, LATERAL (
		SELECT count(DISTINCT whose) AS clients FROM visits AS b JOIN truth ON n = b.id WHERE b.xmin::text = v.xmin::text) AS beside
		WHERE whose = 30`, "2 t")
}

// A worker of the version before does not record the number of its transaction.
func TestAJobThatAnEarlierVersionErasedSaysNothingOfMixing(t *testing.T) {
	t.Parallel()
	s := newShape(t, visitsMap, visitsSQL, impatient)
	j := accept(t, s.store, "1", keys(1, 2))
	c := claimFirst(t, s.store)
	mustErase(t, s.store, c, 10)
	s.Exec(t, "UPDATE oubli.tasks SET small_xids = '{}', small_times = '{}', small_clients = '{}'")
	if err := s.store.Finish(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if r := s.residue(t, j); r.Name != "logical" || r.WaitingFor != "" {
		t.Errorf("%+v", r)
	}
	if err := s.store.RefreshStatistics(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := s.residue(t, j); r.Name != "statistics" {
		t.Errorf("%+v", r)
	}
}
