package repository_test

import (
	"testing"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
)

// billed is a schema whose tables refer to customers by their external ids and e-mail
// addresses: with a foreign key, without, and through a parent.
const billedMap = `client:
  table: clients
  key: id
  erase: delete
  anonymous: {external_id: {sql: "'anonymous-' || :slot"}, email: null, name: {value: anonymous}}
guards:
  disputed: {table: usage, reference: external_customer_id, references: {column: external_id}, where: "disputed"}
tables:
  - {table: newsletter, reference: email, references: {column: email}, erase: delete}
  - {table: usage, reference: external_customer_id, references: {column: external_id}, erase: reassign, columns: {note: null}}
  - {table: failed_logins, reference: login, references: {column: email, ignore_case: true}, erase: delete}
  - {table: subscriptions, reference: client_id, erase: reassign, columns: {external_id: keep}}
  - table: meters
    through: subscriptions
    reference: external_subscription_id
    references: {column: external_id}
    erase: keep
    columns: {label: null}
  - {table: clients, reference: recommended_by, references: {column: external_id}, erase: unlink}
`

const billedSQL = `
CREATE TABLE clients (
  id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  external_id    text NOT NULL UNIQUE,
  email          text UNIQUE,
  name           text NOT NULL,
  recommended_by text
);
CREATE TABLE newsletter (
  email text PRIMARY KEY REFERENCES clients (email) ON UPDATE CASCADE
);
CREATE TABLE usage (
  id                   bigint PRIMARY KEY,
  external_customer_id text NOT NULL,
  disputed             boolean NOT NULL DEFAULT false,
  note                 text
);
CREATE INDEX ON usage (external_customer_id);
CREATE TABLE failed_logins (login text NOT NULL);
CREATE INDEX ON failed_logins (lower(login));
CREATE TABLE subscriptions (
  id          bigint PRIMARY KEY,
  client_id   uuid NOT NULL REFERENCES clients,
  external_id text NOT NULL UNIQUE
);
CREATE TABLE meters (
  external_subscription_id text NOT NULL,
  label                    text
);
INSERT INTO clients
  SELECT ('00000000-0000-0000-0000-0000000000' || lpad(n::text, 2, '0'))::uuid, 'cus_' || n, 'mk' || n || 'x@mail.example', 'MK' || n || 'x'
  FROM generate_series(1, 9) AS n;
UPDATE clients SET recommended_by = 'cus_1' WHERE external_id IN ('cus_2', 'cus_8');
INSERT INTO newsletter SELECT email FROM clients;
INSERT INTO usage SELECT n, 'cus_' || n, n = 5, 'MK' || n || 'x' FROM generate_series(1, 9) AS n;
INSERT INTO failed_logins SELECT upper(email) FROM clients UNION ALL SELECT email FROM clients UNION ALL SELECT 'stranger@mail.example';
INSERT INTO subscriptions SELECT row_number() OVER (ORDER BY external_id), id, 'sub_' || external_id FROM clients;
INSERT INTO meters SELECT external_id, 'meter of ' || external_id FROM subscriptions;
`

// customer is the key of the n-th customer.
func customer(n string) string { return "00000000-0000-0000-0000-00000000000" + n }

func TestRowsThatHoldAnotherColumnOfTheClientAreErasedByIt(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]string{
		"with statements as the proof": "",
		"with triggers": `
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN coalesce(NEW, OLD); END';
CREATE TRIGGER stamp BEFORE UPDATE OR DELETE ON usage FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER stamp BEFORE UPDATE OR DELETE ON clients FOR EACH ROW EXECUTE FUNCTION stamp();`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mapYAML := billedMap
			if more != "" {
				mapYAML += "triggers:\n  - {name: stamp, because: changes nothing}\n"
			}
			s := newShape(t, mapYAML, billedSQL+more)
			j := s.erase(t, "1", customer("1"), customer("2"), customer("3"), customer("4"), customer("5"))
			if j.Counts.Erased != 4 || j.Counts.Skipped != 1 || j.Exceptions["disputed"] != 1 {
				t.Errorf("job: %+v", j)
			}
			s.is(t, "SELECT email FROM newsletter ORDER BY 1", "mk5x@mail.example", "mk6x@mail.example", "mk7x@mail.example",
				"mk8x@mail.example", "mk9x@mail.example")
			s.is(t, "SELECT id, external_customer_id, note FROM usage WHERE id < 7 ORDER BY 1",
				"1 anonymous-1 -", "2 anonymous-1 -", "3 anonymous-1 -", "4 anonymous-1 -", "5 cus_5 MK5x", "6 cus_6 MK6x")
			s.is(t, "SELECT count(*), count(*) FILTER (WHERE login ILIKE 'mk_x%') FROM failed_logins", "11 10")
			s.is(t, "SELECT count(*), count(label) FROM meters", "9 5")
			s.is(t, "SELECT external_id, recommended_by FROM clients WHERE external_id = 'cus_8'", "cus_8 -")
			s.is(t, "SELECT count(*) FROM clients WHERE external_id LIKE 'anonymous-%'", "1")
		})
	}
}

func TestWhatErasedClientsHadIsForgottenAfterTheLooks(t *testing.T) {
	t.Parallel()
	s := newShape(t, billedMap, billedSQL, impatient)
	j := s.eraseAll(t, "1", customer("1"), customer("2"))
	s.is(t, "SELECT count(*) FROM oubli.former_values WHERE job_id = '"+j.ID+"'", "4") // external ids and e-mail addresses
	s.Exec(t, "INSERT INTO usage VALUES (21, 'cus_1', false, 'late')")
	s.Exec(t, "INSERT INTO failed_logins VALUES ('MK2X@mail.example')")
	looksUntil(t, s.store, map[string]int64{"usage": 1, "failed_logins": 1})
	s.is(t, "SELECT external_customer_id, note FROM usage WHERE id = 21", "anonymous-1 -")
	s.is(t, "SELECT count(*) FROM failed_logins WHERE login ILIKE 'mk2x%'", "0")
	bookingdb.Wait(t, "the looks to end", func() bool {
		if _, err := s.store.RunSecondLooks(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s.Int(t, "SELECT count(*) FROM oubli.second_looks WHERE pass < 3") == 0
	})
	s.is(t, "SELECT count(*) FROM oubli.former_values", "0")
}

func TestAValueThatSeveralClientsHaveStaysUntilTheLastOfThemIsErased(t *testing.T) {
	t.Parallel()
	s := newShape(t, `tenant: {table: studios, key: id}
client: {table: clients, key: id, tenant: studio_id, erase: delete, anonymous: {name: {value: anonymous}}}
tables:
  - {table: resets, reference: email, references: {column: email, ignore_case: true}, erase: delete}
`, `
CREATE TABLE studios (id int PRIMARY KEY);
INSERT INTO studios VALUES (1), (2);
CREATE TABLE clients (
  id        bigint GENERATED BY DEFAULT AS IDENTITY (START 1001) PRIMARY KEY,
  studio_id int NOT NULL REFERENCES studios,
  name      text NOT NULL,
  email     text
);
CREATE TABLE resets (email text NOT NULL);
INSERT INTO clients VALUES
  (1, 1, 'parent', 'family@mail.example'), (2, 1, 'child', 'Family@mail.example'), (3, 1, 'alone', 'alone@mail.example'),
  (4, 1, 'here', 'two@mail.example'), (5, 2, 'there', 'TWO@mail.example'), (6, 1, 'without', ''), (7, 1, 'with none', NULL);
INSERT INTO resets VALUES ('family@mail.example'), ('ALONE@mail.example'), ('two@mail.example'), (''), ('nobody@mail.example')`)
	s.eraseAll(t, "1", "1", "3", "4", "6", "7")
	s.is(t, "SELECT email FROM resets ORDER BY 1", "", "family@mail.example", "nobody@mail.example", "two@mail.example")
	s.eraseAll(t, "1", "2")
	s.is(t, "SELECT email FROM resets ORDER BY 1", "", "nobody@mail.example", "two@mail.example")
}

func TestAMergeGivesRowsTheValueOfItsTarget(t *testing.T) {
	t.Parallel()
	s := newShape(t, billedMap, billedSQL)
	j := merge(t, s.store, s.DB, mergeRequest("1", customer("7"), []string{customer("8")}))
	if j.Counts.Failed != 1 { // both are in the newsletter
		t.Fatalf("job: %+v", j)
	}
	j = merge(t, s.store, s.DB, mergeRequest("1", customer("7"), []string{customer("8")}, keepTarget))
	if j.Counts.Erased != 1 {
		t.Fatalf("job: %+v", j)
	}
	s.is(t, "SELECT external_customer_id, count(*) FROM usage WHERE id IN (7, 8) GROUP BY 1", "cus_7 2")
	s.is(t, "SELECT count(*) FROM newsletter WHERE email LIKE 'mk8x%'", "0")
	s.Exec(t, "DELETE FROM newsletter WHERE email LIKE 'mk7x%'")
	s.Exec(t, "UPDATE clients SET email = NULL WHERE external_id = 'cus_7'")
	j = merge(t, s.store, s.DB, mergeRequest("1", customer("7"), []string{customer("9")}, keepTarget))
	if j.Counts.Failed != 1 || j.Exceptions[jobs.CodeConflict] != 1 {
		t.Errorf("a target without an e-mail address: %+v", j)
	}
	s.is(t, "SELECT external_customer_id FROM usage WHERE id = 9", "cus_9")
}
