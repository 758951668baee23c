package repository_test

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// impatient looks again at once.
func impatient(o *repository.Options) { o.Pause = time.Millisecond }

const writeOf = "INSERT INTO audit_log (subject_type, subject_id, action, data) SELECT $1, unnest($2::text[])::bigint, 'late', '{}'"

func looksAgain(t *testing.T, s *repository.Store, want map[string]int64) {
	t.Helper()
	if found, err := s.RunSecondLooks(t.Context()); err != nil || !maps.Equal(found.Erased, want) {
		t.Errorf("the second look finds %v, %v, want %v", found.Erased, err, want)
	}
}

// looksUntil looks again until all transactions of before have ended, those of
// other tests' databases too, and until rows are found.
func looksUntil(t *testing.T, s *repository.Store, want map[string]int64) {
	t.Helper()
	found := map[string]int64{}
	bookingdb.Wait(t, "the second look", func() bool {
		late, err := s.RunSecondLooks(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for table, n := range late.Erased {
			found[table] += n
		}
		return len(found) > 0
	})
	if !maps.Equal(found, want) {
		t.Errorf("the second look finds %v, want %v", found, want)
	}
}

func written(t *testing.T, db *bookingdb.DB) int {
	t.Helper()
	return db.Int(t, "SELECT count(*) FROM audit_log WHERE action = 'late'")
}

func TestRowsWrittenAboutClientsDuringTheirErasureAreErasedToo(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	s := open(t, db, impatient, func(o *repository.Options) { o.BatchClients = 2 })
	keys, others := db.Clients(t, 1, 5), db.Clients(t, 2, 2)
	db.Exec(t, "UPDATE clients SET legal_hold = true WHERE id::text = $1", keys[4])
	accept(t, s, "1", keys)
	db.Exec(t, writeOf, "Invoice", keys)

	// Of everybody, by somebody who has read them before, and writes afterwards.
	tx, err := db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT FROM clients"); err != nil {
		t.Fatal(err)
	}
	work(t, s, 2)
	looksAgain(t, s, map[string]int64{})
	if _, err := tx.Exec(t.Context(), writeOf, "Client", append(others, keys...)); err != nil {
		t.Fatal(err)
	}
	looksAgain(t, s, map[string]int64{})
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	looksUntil(t, s, map[string]int64{"audit_log": 4})
	if n := db.Int(t, "SELECT count(*) FROM audit_log WHERE subject_type = 'Client' AND subject_id::text = ANY($1)", keys[:4]); n != 0 {
		t.Errorf("%d rows tell of the erased", n)
	}
	if n := written(t, db); n != 2+1+5 { // others', the held one's, of invoices with the same numbers
		t.Errorf("%d late rows are left, want 8", n)
	}
	db.NoTraces(t, keys[:4])

	// Looked for again a pause later, and then once a day.
	again := func() { db.Exec(t, "UPDATE oubli.second_looks SET next_at = now()") }
	for range 2 {
		db.Exec(t, writeOf, "Client", keys)
		again()
		looksUntil(t, s, map[string]int64{"audit_log": 4})
	}
	looksAgain(t, s, map[string]int64{})
	if n := db.Int(t, "SELECT count(*) FROM oubli.second_looks WHERE next_at > now() + interval '23 hours'"); n != 1 {
		t.Errorf("%d looks wait for the next day, want 1", n)
	}

	// In the end they are looked for no more.
	db.Exec(t, "UPDATE oubli.second_looks SET since = now() - interval '31 days', next_at = now()")
	looksAgain(t, s, map[string]int64{})
	if n := db.Int(t, "SELECT count(*) FROM oubli.second_looks"); n != 0 {
		t.Errorf("after thirty days %d jobs are still looked at", n)
	}
}

func TestRowsOfANewClientWithTheKeyOfAnErasedOneAreNotChanged(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	s := open(t, db, impatient)
	keys := db.Clients(t, 1, 3)
	accept(t, s, "1", keys)
	work(t, s, 3)
	db.Exec(t, "INSERT INTO clients (id, studio_id, first_name) VALUES ($1::text::bigint, 2, 'Nova')", keys[1])
	db.Exec(t, writeOf, "Client", keys)
	looksUntil(t, s, map[string]int64{"audit_log": 2})
	if n := db.Int(t, "SELECT count(*) FROM audit_log WHERE subject_type = 'Client' AND subject_id::text = $1", keys[1]); n != 1 {
		t.Errorf("the newcomer has %d rows", n)
	}
}

func TestLateRowsOfAMergesSourceFollowItsOtherRows(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	s := open(t, db, impatient)
	keys := db.Clients(t, 1, 6)
	separateClasses(t, db, keys...)
	tx := begin(t, db.Pool, "SELECT FROM clients")
	for target, source := range map[string]string{"": keys[0], keys[1]: keys[2], keys[4]: keys[5]} {
		if j := merge(t, s, db, mergeRequest("1", target, []string{source}, keepTarget)); j.State != jobs.Completed {
			t.Fatalf("the merge into %q: %s, %v", target, j.State, j.Exceptions)
		}
	}
	if j := merge(t, s, db, mergeRequest("1", "", keys[3:4], keepSource)); j.State != jobs.Completed {
		t.Fatalf("the merge that leaves its source: %s, %v", j.State, j.Exceptions)
	}
	// One target is merged itself, the other one erased.
	if j := merge(t, s, db, mergeRequest("1", keys[3], keys[1:2], keepTarget)); j.State != jobs.Completed {
		t.Fatalf("the merge of a target: %s, %v", j.State, j.Exceptions)
	}
	accept(t, s, "1", keys[4:5])
	work(t, s, 1)
	if _, err := tx.Exec(t.Context(), writeOf, "Client", keys); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	bookingdb.Wait(t, "the looks to end", func() bool {
		if _, err := s.RunSecondLooks(t.Context()); err != nil {
			t.Fatal(err)
		}
		return db.Int(t, "SELECT count(*) FROM oubli.second_looks WHERE pass < 3") == 0
	})
	left := db.Strings(t, "SELECT subject_id::text FROM audit_log WHERE action = 'late'")
	if !slices.Equal(left, []string{keys[3], keys[3], keys[3]}) { // its own, and those of both who went into it
		t.Errorf("late rows are left of %v, want three of %s", left, keys[3])
	}
}

func TestDryRunsAndJobsThatErasedNobodyGetNoSecondLook(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	s := open(t, db, impatient)
	keys := db.Clients(t, 1, 3)
	accept(t, s, "1", keys, func(r *jobs.ErasureRequest) { r.DryRun, r.Notify = true, nil })
	accept(t, s, "1", []string{"999999"})
	work(t, s, 3)
	if n := db.Int(t, "SELECT count(*) FROM oubli.second_looks"); n != 0 {
		t.Errorf("%d jobs are to be looked at again", n)
	}
}

func TestASecondLookWaitsForAMapThatCoversTheSchema(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	s := open(t, db, impatient)
	keys := db.Clients(t, 1, 3)
	accept(t, s, "1", keys)
	work(t, s, 3)
	db.Exec(t, writeOf, "Client", keys)
	db.Exec(t, "ALTER TABLE participations ADD nickname text")
	bookingdb.Wait(t, "the look to be refused", func() bool {
		_, err := s.RunSecondLooks(t.Context())
		return err != nil && strings.Contains(err.Error(), "public.participations.nickname")
	})
	if n := written(t, db); n != 3 {
		t.Errorf("%d late rows are left", n)
	}
	db.Exec(t, "ALTER TABLE participations DROP nickname")
	bookingdb.Wait(t, "the second look", func() bool {
		_, err := s.RunSecondLooks(t.Context())
		return err == nil && written(t, db) == 0
	})
}

// letters refer to clients without a foreign key, and have pages.
const lettersSQL = noTenantSQL + `
	CREATE TABLE letters (id bigint PRIMARY KEY, client_id bigint, body text);
	CREATE INDEX ON letters (client_id);
	CREATE TABLE pages (id bigint PRIMARY KEY, letter_id bigint REFERENCES letters, body text);
	CREATE INDEX ON pages (letter_id);`

func TestRowsBelowALateRowAreErasedWithIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ letters, pages, left string }{
		"deleted": {"erase: delete", "erase: delete", "|"},
		"kept":    {"erase: reassign, columns: {body: null}", "erase: keep, columns: {body: null}", "letter |page "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShape(t, noTenant+`tables:
  - {table: letters, reference: client_id, `+c.letters+`}
  - {table: pages, through: letters, reference: letter_id, `+c.pages+`}
`, lettersSQL, impatient)
			s.eraseAll(t, "1", "1", "2")
			s.Exec(t, `
		INSERT INTO letters VALUES (1, 1, 'dear client');
		INSERT INTO pages VALUES (1, 1, 'dear client')`)
			looksUntil(t, s.store, map[string]int64{"letters": 1, "pages": 1})
			left := strings.Join(s.Strings(t, "SELECT 'letter ' || coalesce(body, '') FROM letters"), "") + "|" +
				strings.Join(s.Strings(t, "SELECT 'page ' || coalesce(body, '') FROM pages"), "")
			if left != c.left {
				t.Errorf("left are %q, want %q", left, c.left)
			}
		})
	}
}

func TestRowsOfANewClientWhoseKeyIsSpelledDifferentlyAreNotChanged(t *testing.T) {
	t.Parallel()
	s := newShape(t, `client: {table: clients, key: id, erase: delete, anonymous: {name: {value: anonymous}}}
tables:
  - {table: letters, reference: client_id, erase: delete}
`, `
		CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
		CREATE TABLE clients (id text COLLATE nocase DEFAULT gen_random_uuid()::text PRIMARY KEY, name text NOT NULL);
		INSERT INTO clients VALUES ('Anna', 'client 1'), ('Bert', 'client 2');
		CREATE TABLE letters (id bigint PRIMARY KEY, client_id text COLLATE nocase, body text);
		CREATE INDEX ON letters (client_id);`, impatient)
	s.eraseAll(t, "1", "Anna", "Bert")
	s.Exec(t, "INSERT INTO clients VALUES ('ANNA', 'somebody else')")
	s.Exec(t, "INSERT INTO letters VALUES (1, 'ANNA', 'dear somebody else'), (2, 'Bert', 'dear Bert')")
	looksUntil(t, s.store, map[string]int64{"letters": 1})
	if left := s.Strings(t, "SELECT client_id FROM letters"); len(left) != 1 || left[0] != "ANNA" {
		t.Errorf("left are letters to %v", left)
	}
}

func TestThereIsNoSecondLookWhereErasedClientsKeepTheirRow(t *testing.T) {
	t.Parallel()
	s := newShape(t, `
client:
  table: clients
  key: id
  erase: anonymize
  anonymous: {name: {value: anonymous}}
  columns: {name: {value: nobody}}
tables:
  - {table: letters, reference: client_id, erase: delete}
`, lettersSQL+"DROP TABLE pages", impatient)
	s.eraseAll(t, "1", "1", "2")
	s.Exec(t, `
		UPDATE clients SET name = 'back again' WHERE id = 1;
		INSERT INTO letters VALUES (1, 1, 'a new contract')`)
	bookingdb.Wait(t, "the second look", func() bool {
		looksAgain(t, s.store, map[string]int64{})
		return s.Int(t, "SELECT count(*) FROM oubli.second_looks") == 0
	})
	if n := s.Int(t, "SELECT count(*) FROM letters"); n != 1 {
		t.Errorf("%d letters are left", n)
	}
}

// refusingLetters raises an SQLSTATE for letters of these clients. letters have no
// foreign key.
func refusingLetters(t *testing.T, state, which string, change ...func(*repository.Options)) *shape {
	t.Helper()
	return newShape(t, noTenant+`tables:
  - {table: letters, reference: client_id, erase: delete}
triggers:
  - {name: refuse, table: letters, because: "a test"}
`, lettersSQL+`DROP TABLE pages;
		CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
		  IF `+which+` THEN
		    RAISE EXCEPTION 'vezno' USING ERRCODE = '`+state+`';
		  END IF;
		  RETURN OLD;
		END $$;
		CREATE TRIGGER refuse BEFORE DELETE ON letters FOR EACH ROW EXECUTE FUNCTION refuse()`, append(change, impatient)...)
}

// looksUntilGivenUp looks until nothing is left to be tried before tomorrow, and
// returns what was given up.
func looksUntilGivenUp(t *testing.T, s *shape) map[string]int {
	t.Helper()
	refused := map[string]int{}
	bookingdb.Wait(t, "the look to be over", func() bool {
		late, err := s.store.RunSecondLooks(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for code, n := range late.Refused {
			refused[code] += n
		}
		s.Exec(t, "UPDATE oubli.late_rows SET since = since - interval '1 minute'") // five pauses of the default
		return s.Int(t, "SELECT count(*) FROM oubli.second_looks WHERE pass < 3") == 0
	})
	return refused
}

// statesOfAnyClass are SQLSTATEs of classes that usually mean data, rights, the
// infrastructure, or locks.
var statesOfAnyClass = []string{
	"P0001", "23514", "42501", "42P01", "26000", "53200", "58P01", "40001", "57014", "55P03", "25006", "08000", "XX000",
}

// forEveryState runs f for an error with each SQLSTATE that a trigger raises for one
// row, and with every fourth SQLSTATE for all rows: each of these takes seconds.
func forEveryState(t *testing.T, f func(t *testing.T, state string, all bool)) {
	t.Helper()
	for i, state := range statesOfAnyClass {
		t.Run(state+" of one", func(t *testing.T) {
			t.Parallel()
			f(t, state, false)
		})
		if i%4 == 0 {
			t.Run(state+" of all", func(t *testing.T) {
				t.Parallel()
				f(t, state, true)
			})
		}
	}
}

// A trigger can raise any SQLSTATE for the rows of one client or of all: others'
// are erased, these are named, tried again every day, and erased in the end.
func TestARowThatRaisesAnySQLSTATEIsTheOnlyOneThatASecondLookLeaves(t *testing.T) {
	t.Parallel()
	forEveryState(t, func(t *testing.T, state string, all bool) {
		which, left := "OLD.client_id = 3", 1
		if all {
			which, left = "true", 8
		}
		s := refusingLetters(t, state, which)
		s.eraseAll(t, "1", keys(1, 8)...)
		s.Exec(t, "INSERT INTO letters SELECT n, n, 'dear client' FROM generate_series(1, 8) AS n")
		refused := looksUntilGivenUp(t, s)
		if !maps.Equal(refused, map[string]int{state: left}) {
			t.Errorf("given up are %v, want %d clients with %s", refused, left, state)
		}
		if n := s.Int(t, "SELECT count(*) FROM letters"); n != left {
			t.Errorf("%d letters are left, want %d", n, left)
		}
		s.Exec(t, `
			DROP TRIGGER refuse ON letters;
			UPDATE oubli.second_looks SET next_at = now(), since = now() - interval '40 days'`)
		bookingdb.Wait(t, "the next day's look", func() bool {
			if _, err := s.store.RunSecondLooks(t.Context()); err != nil {
				t.Fatal(err)
			}
			return s.Int(t, "SELECT (SELECT count(*) FROM letters) + (SELECT count(*) FROM oubli.second_looks)") == 0
		})
	})
}

func TestASecondLookProvesWhatItErases(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: letters, reference: client_id, erase: delete}
triggers:
  - {name: hold, table: letters, because: "a test"}
`, lettersSQL+`DROP TABLE pages;
		CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
		  IF OLD.client_id = 1 THEN
		    RETURN NULL;
		  END IF;
		  RETURN OLD;
		END $$;
		CREATE TRIGGER hold BEFORE DELETE ON letters FOR EACH ROW EXECUTE FUNCTION hold()`, impatient)
	s.eraseAll(t, "1", "1", "2")
	s.Exec(t, "INSERT INTO letters VALUES (1, 1, 'dear client'), (2, 2, 'dear client')")
	looksUntilGivenUp(t, s)
	s.is(t, "SELECT client_id, code, detail, given_up FROM oubli.late_rows", "1 not_erased letters.client_id (triggers and rules: hold) t")
	s.is(t, "SELECT client_id FROM letters", "1")
}

// The discriminator decides whose a row is. Without one it may be the client's.
func TestALateRowThatNoEntryCoversIsNamed(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: letters, reference: client_id, where: "body <> 'supplier'", erase: delete}
`, lettersSQL+"DROP TABLE pages", impatient)
	s.eraseAll(t, "1", "1", "2", "3")
	s.Exec(t, "INSERT INTO letters VALUES (1, 1, 'client'), (2, 2, 'supplier'), (3, 3, NULL)")
	looksUntilGivenUp(t, s)
	s.is(t, "SELECT client_id, code, detail FROM oubli.late_rows", "3 not_erased letters.client_id")
	s.is(t, "SELECT client_id FROM letters ORDER BY 1", "2", "3")
}

func TestMailsWaitForTheFirstLookAndTellWhatItCouldNotErase(t *testing.T) {
	t.Parallel()
	waits := func(o *repository.Options) { o.MailWait = 0 }
	s := refusingLetters(t, "23514", "OLD.client_id = 1", waits)
	due := func() []string {
		return s.lines(t, "SELECT run_at <= now(), letter -> 'late_rows' FROM oubli.tasks WHERE kind = 'mail' ORDER BY id")
	}
	tx := begin(t, s.Pool, "INSERT INTO letters VALUES (1, 1, 'dear client')")
	j := s.eraseAll(t, "1", "1", "2")
	looksAgain(t, s.store, map[string]int64{})
	if got := due(); !slices.Equal(got, []string{`f {"looking": true}`}) {
		t.Errorf("before the look the mail is due %q", got)
	}
	if late := job(t, s.store, j.ID).LateRows; late == nil || !late.Looking {
		t.Errorf("before the look the job says %+v", late)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	looksUntilGivenUp(t, s)
	if got := due(); !slices.Equal(got, []string{`t {"refused": {"23514": 1}}`}) {
		t.Errorf("after the look the mail is due %q", got)
	}
	if late := job(t, s.store, j.ID).LateRows; late == nil || late.Looking || late.Refused["23514"] != 1 {
		t.Errorf("after the look the job says %+v", late)
	}
	s.eraseAll(t, "1", "3")
	looksUntilGivenUp(t, s)
	if got := due(); got[1] != "t -" {
		t.Errorf("after a look that found nothing the mail is due %q", got[1])
	}
}

func TestWithoutSoftReferencesNoMailWaits(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: visits, reference: client_id, erase: reassign}
`, noTenantSQL+"CREATE TABLE visits (id int PRIMARY KEY, client_id bigint REFERENCES clients)",
		func(o *repository.Options) { o.MailWait = 0 })
	s.eraseAll(t, "1", "1")
	s.is(t, "SELECT run_at <= now(), letter -> 'late_rows' FROM oubli.tasks WHERE kind = 'mail'", "t -")
	s.is(t, "SELECT count(*) FROM oubli.second_looks", "0")
}

func TestRowsWrittenAboutAChunksClientsMeanwhileAreErasedAtOnce(t *testing.T) {
	t.Parallel()
	var s *shape
	var once sync.Once
	write := func(name string) {
		if name == "chunk:erased" {
			once.Do(func() { s.Exec(t, "INSERT INTO letters SELECT n, n, 'dear client' FROM generate_series(1, 3) AS n") })
		}
	}
	s = newShape(t, noTenant+`tables:
  - {table: letters, reference: client_id, erase: delete}
`, lettersSQL+"DROP TABLE pages", func(o *repository.Options) { o.Failpoint = func(name string) { write(name) } })
	accept(t, s.store, "1", keys(1, 6))
	c := claimFirst(t, s.store)
	done, err := s.store.EraseChunk(t.Context(), c, 2)
	if err != nil || !maps.Equal(done.Late, map[string]int64{"letters": 2}) {
		t.Errorf("rows erased at once: %v, %v", done.Late, err)
	}
	s.is(t, "SELECT client_id FROM letters", "3") // of a client whose turn has not come
	done, err = s.store.EraseChunk(t.Context(), c, 4)
	if err != nil || done.Clients != 4 {
		t.Errorf("the next chunk: %+v, %v", done, err)
	}
	s.is(t, "SELECT count(*) FROM letters", "0")
}

func TestRowsAboutWhomARunningJobHasErasedDoNotWaitForItsEnd(t *testing.T) {
	t.Parallel()
	s := refusingLetters(t, "53200", "OLD.client_id = 1")
	accept(t, s.store, "1", keys(1, 6))
	c := claimFirst(t, s.store)
	if _, err := s.store.EraseChunk(t.Context(), c, 3); err != nil {
		t.Fatal(err)
	}
	s.Exec(t, "INSERT INTO letters SELECT n, n, 'dear client' FROM generate_series(1, 4) AS n")
	bookingdb.Wait(t, "a look at the running job", func() bool {
		late, err := s.store.RunSecondLooks(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return late.Erased["letters"] > 0
	})
	s.is(t, "SELECT client_id FROM letters ORDER BY 1", "1", "4")
	s.is(t, "SELECT count(*) FROM oubli.late_rows", "0")
	s.is(t, "SELECT state FROM oubli.jobs", "running")
}
