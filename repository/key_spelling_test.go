package repository_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/oubli/oubli/jobs"
)

// spellings are schemas whose keys can be spelled in several ways.
var spellings = map[string]string{
	"citext": `
CREATE EXTENSION citext;
CREATE TABLE customers (id citext PRIMARY KEY, name text NOT NULL);
CREATE TABLE visits (id int PRIMARY KEY, customer_id citext NOT NULL REFERENCES customers, note text);
CREATE TABLE messages (id int PRIMARY KEY, customer text, body text);
`,
	"a collation": `
CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE customers (id text COLLATE ci PRIMARY KEY, name text NOT NULL);
CREATE TABLE visits (id int PRIMARY KEY, customer_id text COLLATE ci NOT NULL REFERENCES customers, note text);
CREATE TABLE messages (id int PRIMARY KEY, customer text, body text);
`,
}

const (
	spellingMap = `client:
  table: customers
  key: id
  name: [name]
  erase: delete
  anonymous: {id: {sql: "'anonymous' || :slot"}, name: {label: unknown_client}}
activity:
  visits: {table: visits, reference: customer_id, at: at}
tables:
  - {table: visits, reference: customer_id, erase: reassign, columns: {note: null}}
  - {table: messages, reference: customer, erase: delete}
`
	spellingRows = `
ALTER TABLE visits ADD at timestamptz;
INSERT INTO customers VALUES ('ab12', 'n1'), ('Cd13', 'n2'), ('ef14', 'n3');
INSERT INTO visits SELECT 1, id, 'x' FROM customers WHERE id = 'ab12';
INSERT INTO visits VALUES (2, 'AB12', 'x'), (3, 'CD13', 'x');
INSERT INTO messages VALUES (1, 'Ab12', 'x'), (2, 'ab12', 'x'), (3, 'ab123', 'of nobody'), (4, 'ef14', 'of another');
`
)

func TestSpellingsOfOneKeyAreOneClient(t *testing.T) {
	t.Parallel()
	for name, sql := range spellings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShape(t, spellingMap, sql+spellingRows)
			j := accept(t, s.store, "1", []string{"AB12", "ab12", "cD13", "nobody"})
			if j.Requested != 3 {
				t.Errorf("%d clients were asked for, want 3", j.Requested)
			}
			s.Exec(t, "UPDATE customers SET id = 'CD13' WHERE id = 'Cd13'") // spelled anew meanwhile
			work(t, s.store, 3)
			if j = job(t, s.store, j.ID); j.Counts != (jobs.Counts{Erased: 2, NotFound: 1}) {
				t.Errorf("%+v %v", j.Counts, j.Exceptions)
			}
			s.is(t, "SELECT id, name FROM customers WHERE id NOT LIKE 'anonymous%' COLLATE \"C\"", "ef14 n3")
			s.is(t, "SELECT id, note FROM visits WHERE customer_id::text COLLATE \"C\" LIKE 'anonymous%' ORDER BY 1", "1 -", "2 -", "3 -")
			s.is(t, "SELECT id FROM messages ORDER BY 1", "3", "4")
			if j := s.erase(t, "1", "ANONYMOUS1"); j.Exceptions[jobs.CodeAnonymousProfile] != 1 {
				t.Errorf("the profile by another spelling: %+v %v", j.Counts, j.Exceptions)
			}
		})
	}
}

func TestASelectionIsTickedByAnySpelling(t *testing.T) {
	t.Parallel()
	for name, sql := range spellings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShape(t, spellingMap, sql+spellingRows)
			sel, err := s.store.Select(t.Context(), jobs.SelectionRequest{TenantID: "1", Period: "P1Y", CreatedBy: "test"})
			if err != nil || sel.Total != 3 {
				t.Fatalf("%+v, %v", sel, err)
			}
			if sel, err = s.store.Tick(t.Context(), "1", sel.ID, jobs.Ticks{Exclude: []string{"AB12", "ab12"}}); err != nil ||
				sel.Total != 2 {
				t.Errorf("%+v, %v", sel, err)
			}
			if _, err = s.store.Tick(t.Context(), "1", sel.ID, jobs.Ticks{Exclude: []string{"AB12"},
				Include: []string{"Ab12"}}); err == nil {
				t.Error("one client was both excluded and included")
			}
			s.Exec(t, "UPDATE customers SET id = 'EF14' WHERE id = 'ef14'")
			page, err := s.store.Candidates(t.Context(), jobs.CandidateFilter{TenantID: "1", SelectionID: sel.ID,
				Page: jobs.Page{Limit: 10}})
			if err != nil || len(page.Items) != 3 || slices.ContainsFunc(page.Items, func(c jobs.Candidate) bool { return c.Name == nil }) {
				t.Errorf("%+v, %v", page, err)
			}
		})
	}
}

func TestAMergeTakesAnySpellingOfItsClients(t *testing.T) {
	t.Parallel()
	for name, sql := range spellings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShape(t, spellingMap, sql+spellingRows)
			j := merge(t, s.store, s.DB, mergeRequest("1", "EF14", []string{"AB12", "Ab12", "cd13"}))
			if j.Requested != 2 || j.Counts.Erased != 2 {
				t.Errorf("%+v %v", j.Counts, j.Exceptions)
			}
			s.is(t, "SELECT id, customer_id FROM visits ORDER BY 1", "1 ef14", "2 ef14", "3 ef14")
			s.is(t, "SELECT id, customer FROM messages ORDER BY 1", "1 ef14", "2 ef14", "3 ab123", "4 ef14")
			_, _, err := s.store.AcceptMerge(t.Context(), mergeRequest("1", "ef14", []string{"EF14"}), jobs.IdempotencyKey{Key: "k",
				Caller: "test"})
			if err == nil || !strings.Contains(err.Error(), "itself") {
				t.Errorf("a merge into another spelling of the source: %v", err)
			}
		})
	}
}

// The reference is compared as the key is: another client's key may differ in case
// only.
func TestALooserReferenceTakesNoRowOfAClientWhoseKeyDiffersInCase(t *testing.T) {
	t.Parallel()
	s := newShape(t, `client:
  {table: people, key: id, erase: delete, anonymous: {id: {sql: "'anonymous' || :slot"}, name: {value: anonymous}}}
guards:
  owes: {table: debts, reference: person_id, where: "open"}
tables:
  - {table: visits, reference: person_id, erase: delete}
  - {table: debts, reference: person_id, erase: delete}
`, `
CREATE EXTENSION citext;
CREATE TABLE people (id text PRIMARY KEY, name text NOT NULL);
CREATE TABLE visits (person_id citext NOT NULL REFERENCES people, body text);
CREATE TABLE debts (person_id citext NOT NULL REFERENCES people, open boolean NOT NULL);
INSERT INTO people VALUES ('bob', 'Bob'), ('BOB', 'Somebody else');
INSERT INTO visits VALUES ('bob', 'of bob'), ('BOB', 'of BOB');
INSERT INTO debts VALUES ('BOB', true), ('bob', false)`)
	s.eraseAll(t, "1", "bob")
	s.is(t, "SELECT person_id, body FROM visits", "BOB of BOB")
	s.is(t, "SELECT person_id, open FROM debts", "BOB t")
}

func TestATextReferenceToAUUIDMayBeSpelledInCapitalsOrWithoutHyphens(t *testing.T) {
	t.Parallel()
	const id = "abcdefab-0000-4000-8000-000000000001"
	s := newShape(t, `client: {table: people, key: id, erase: delete, anonymous: {name: {value: anonymous}}}
guards:
  held: {table: holds, reference: person_id, where: "true"}
tables:
  - {table: audits, reference: person_id, erase: delete}
  - {table: codes, reference: person_id, erase: delete}
ignore:
  - {table: holds, because: "only a guard reads it"}
`, `
CREATE TABLE people (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
CREATE TABLE audits (person_id text, body text);
CREATE TABLE codes (person_id char(40), body text);
CREATE TABLE holds (person_id varchar(40));
INSERT INTO people VALUES ('`+id+`', 'Marie'), ('abcdefab-0000-4000-8000-000000000002', 'Anne');
INSERT INTO holds VALUES ('ABCDEFAB-0000-4000-8000-000000000002');
INSERT INTO audits SELECT left(id, -1) || n, 'x' FROM generate_series(1, 3) AS n, (VALUES ('abcdefab-0000-4000-8000-000000000002'),
  ('ABCDEFAB-0000-4000-8000-000000000002'), ('abcdefab000040008000000000000002'), ('ABCDEFAB000040008000000000000002')) AS v(id);
INSERT INTO codes SELECT * FROM audits`)
	j := s.erase(t, "1", strings.ToUpper(id), id, strings.ReplaceAll(id, "-", ""), "abcdefab-0000-4000-8000-000000000002")
	if j.Requested != 2 || j.Counts.Erased != 1 || j.Exceptions["held"] != 1 {
		t.Errorf("%+v %v", j.Counts, j.Exceptions)
	}
	s.is(t, "SELECT count(*), count(*) FILTER (WHERE person_id LIKE '%1') FROM audits", "8 0")
	s.is(t, "SELECT count(*), count(*) FILTER (WHERE person_id LIKE '%1 %') FROM codes", "8 0")
}

func TestAKeyHasAtMost255BytesAndNoControlCharacters(t *testing.T) {
	t.Parallel()
	s := newShape(t, loginsMap, loginsSQL)
	s.Exec(t, "INSERT INTO members VALUES (repeat('é', 127) || 'x', 'long', now() - interval '1 day')")
	long := strings.Repeat("é", 127) + "x"
	for _, bad := range []string{long + "y", "a\x00b", "a\nb", "a\u0085b", "a\xffb", ""} {
		_, _, err := s.store.AcceptErasure(t.Context(), jobs.ErasureRequest{
			TenantID: "1", ClientIDs: []string{"bob", bad}, Reason: jobs.SubjectRequest},
			jobs.IdempotencyKey{Key: bad, Caller: "test"})
		if err == nil || !strings.Contains(err.Error(), "at index 1 are not") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	s.eraseAll(t, "1", long)
	s.is(t, "SELECT count(*) FROM members WHERE name = 'long'", "0")
}
