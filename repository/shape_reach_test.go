package repository_test

import (
	"testing"

	"github.com/oubli/oubli/jobs"
)

func TestAnAddressStaysWhileAnotherRowPointsToIt(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: addresses, owned_by: address_id, erase: delete}
  - {table: addresses, owned_by: second_id, erase: delete}
`, noTenantSQL+`
CREATE TABLE addresses (id bigint PRIMARY KEY, street text);
ALTER TABLE clients ADD address_id bigint REFERENCES addresses, ADD second_id bigint; -- the second without a foreign key
CREATE TABLE venues (address_id bigint REFERENCES addresses);
INSERT INTO addresses SELECT n, 'street' FROM generate_series(1, 7) AS n;
UPDATE clients SET address_id = id WHERE id <= 4;
UPDATE clients SET address_id = 1 WHERE id IN (5, 6);
UPDATE clients SET second_id = 2 WHERE id = 7;
UPDATE clients SET second_id = 5 WHERE id = 4;
UPDATE clients SET second_id = 6 WHERE id = 1;
INSERT INTO venues VALUES (3)`)
	s.eraseAll(t, "1", keys(1, 5)...)
	s.is(t, "SELECT id FROM addresses ORDER BY 1", "1", "2", "3", "7") // of client 6, of 7, of a venue, of nobody
	s.eraseAll(t, "1", "6", "7")
	s.is(t, "SELECT id FROM addresses ORDER BY 1", "3", "7")
}

func TestAReferenceFromClientToClientBecomesNull(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: clients, reference: referred_by, erase: unlink}
`, noTenantSQL+`
ALTER TABLE clients ADD referred_by bigint REFERENCES clients;
UPDATE clients SET referred_by = id - 1 WHERE id BETWEEN 2 AND 6;
UPDATE clients SET referred_by = 1 WHERE id = 1`)
	j := s.eraseAll(t, "1", "1", "2", "4", "5")
	s.is(t, "SELECT id, referred_by FROM clients WHERE id <= 6 ORDER BY 1", "3 -", "6 -")
	if j.Rows["clients"] < 6 {
		t.Errorf("rows: %v", j.Rows)
	}
}

func TestRowsLevelsBelowTheClientFollowIt(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: visits, reference: client_id, erase: reassign}
  - {table: visits, reference: guest_of, erase: reassign}
  - {table: photos, through: visits, reference: visit_id, erase: keep, columns: {caption: null}}
  - {table: tags, through: photos, reference: photo_id, erase: delete}
  - {table: albums, through: photos, reference: cover, erase: unlink, columns: {title: keep}}
`, noTenantSQL+`
CREATE TABLE visits (id bigint PRIMARY KEY, client_id bigint REFERENCES clients, guest_of bigint REFERENCES clients);
CREATE TABLE photos (id bigint PRIMARY KEY, visit_id bigint REFERENCES visits, caption text);
CREATE TABLE tags (photo_id bigint REFERENCES photos, tag text);
CREATE TABLE albums (title text, cover bigint REFERENCES photos);
INSERT INTO visits VALUES (1, 1, 3), (2, 2, 4), (3, 3, 4), (4, 4, NULL);
INSERT INTO photos SELECT n, n, 'smiling' FROM generate_series(1, 4) AS n;
INSERT INTO tags SELECT n, 'face' FROM generate_series(1, 4) AS n;
INSERT INTO albums SELECT 'summer', n FROM generate_series(1, 4) AS n`)
	s.eraseAll(t, "1", "1", "3")
	s.is(t, "SELECT id, client_id > 40, guest_of > 40 FROM visits ORDER BY 1", "1 t t", "2 f f", "3 t f", "4 f -")
	s.is(t, "SELECT id, caption FROM photos ORDER BY 1", "1 -", "2 smiling", "3 -", "4 smiling")
	s.is(t, "SELECT photo_id FROM tags ORDER BY 1", "2", "4")
	s.is(t, "SELECT count(*), count(cover) FROM albums", "4 2")
}

func TestForeignKeysOnPartitionsAloneAreFollowed(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: visits, reference: client_id, erase: reassign}
  - {table: messages, reference: client_id, erase: delete}
`, noTenantSQL+`
CREATE TABLE visits (client_id bigint, session_id bigint, day date) PARTITION BY RANGE (day);
CREATE TABLE visits_a PARTITION OF visits FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE visits_b PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
ALTER TABLE visits_a ADD FOREIGN KEY (client_id) REFERENCES clients, ADD UNIQUE (session_id, client_id);
ALTER TABLE visits_b ADD FOREIGN KEY (client_id) REFERENCES clients;
CREATE TABLE messages (client_id bigint REFERENCES clients, at date) PARTITION BY HASH (at);
CREATE TABLE messages_0 PARTITION OF messages FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE messages_1 PARTITION OF messages FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO visits SELECT n, 7, d FROM generate_series(1, 5) AS n, (VALUES ('2025-05-05'::date), ('2026-05-05')) AS v(d);
INSERT INTO messages SELECT n, '2025-01-01'::date + n::int FROM generate_series(1, 5) AS n`)
	s.eraseAll(t, "1", keys(1, 4)...)
	s.is(t, "SELECT day, count(*), count(*) FILTER (WHERE client_id <= 40) FROM visits GROUP BY 1 ORDER BY 1",
		"2025-05-05 5 1", "2026-05-05 5 1")
	s.is(t, "SELECT client_id FROM messages", "5")
}

func TestATextThatSpellsAUUIDIsAReference(t *testing.T) {
	t.Parallel()
	s := newShape(t, `client: {table: people, key: id, erase: delete, anonymous: {name: {value: anonymous}}}
guards:
  held: {table: audits, reference: auditable_id, where: "auditable_type = 'Person' AND action = 'hold'"}
tables:
  - {table: audits, reference: auditable_id, where: "auditable_type = 'Person'", erase: delete}
  - {table: likes, reference: person_id, erase: reassign}
`, `
CREATE TABLE people (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
CREATE TABLE audits (auditable_type text, auditable_id text, action text);
CREATE TABLE likes (topic integer, person_id varchar(36), UNIQUE (topic, person_id));
INSERT INTO people SELECT ('00000000-0000-0000-0000-00000000000' || n)::uuid, 'person' FROM generate_series(1, 4) AS n;
INSERT INTO audits
  SELECT kind, '00000000-0000-0000-0000-00000000000' || n, 'update'
  FROM generate_series(1, 4) AS n, (VALUES ('Person'), ('Invoice')) AS v(kind);
INSERT INTO audits VALUES ('Person', '00000000-0000-0000-0000-000000000003', 'hold'), ('Person', 'no uuid at all', 'update');
INSERT INTO likes SELECT 7, id::text FROM people`)
	j := s.erase(t, "1",
		"00000000-0000-0000-0000-000000000001",
		"00000000-0000-0000-0000-000000000002",
		"00000000-0000-0000-0000-000000000003")
	if j.Counts.Erased != 2 || j.Counts.Skipped != 1 {
		t.Errorf("job: %+v", j)
	}
	s.is(t, `
		SELECT auditable_type, right(auditable_id, 1), action FROM audits
		WHERE auditable_id LIKE '0%' AND auditable_type = 'Person' ORDER BY 2, 3`,
		"Person 3 hold", "Person 3 update", "Person 4 update")
	s.is(t, "SELECT count(*) FROM audits", "8")
	s.is(t, "SELECT count(*), count(DISTINCT person_id), count(*) FILTER (WHERE person_id LIKE '00000000%') FROM likes", "4 4 2")
}

func TestNarrowAndPaddedReferencesAreFound(t *testing.T) {
	t.Parallel()
	s := newShape(t, `client: {table: clients, key: id, erase: delete, anonymous: {name: {value: anonymous}}}
tables:
  - {table: narrow, reference: client_id, erase: reassign}
  - {table: padded, reference: client_id, erase: delete}
`, `
CREATE DOMAIN client_key AS bigint CHECK (VALUE > 0);
CREATE SEQUENCE numbers START 1001;
CREATE TABLE clients (id client_key PRIMARY KEY DEFAULT nextval('numbers'), name text NOT NULL);
CREATE TABLE narrow (client_id integer, day date, UNIQUE (client_id, day));
CREATE TABLE padded (client_id char(20));
INSERT INTO clients SELECT n, 'client' FROM generate_series(1, 4) AS n;
INSERT INTO narrow SELECT n, '2025-05-05' FROM generate_series(1, 4) AS n;
INSERT INTO padded SELECT n::text FROM generate_series(1, 4) AS n`)
	s.eraseAll(t, "1", keys(1, 3)...)
	s.is(t, "SELECT count(*), count(DISTINCT client_id), min(client_id) FROM narrow", "4 4 4")
	s.is(t, "SELECT client_id FROM padded", "4                   ")
}

func TestErasingAKeyThatIsUniqueOnlyWithinATenantChangesNoOtherTenant(t *testing.T) {
	t.Parallel()
	s := newShape(t, `tenant: {table: studios, key: id}
client:
  table: clients
  key: id
  tenant: studio_id
  erase: delete
  anonymous: {id: {sql: "1000 + :slot"}, name: {value: anonymous}}
guards:
  open: {table: invoices, reference: customer, where: "NOT paid"}
tables:
  - {table: visits, reference: client_id, erase: reassign}
  - {table: invoices, reference: customer, erase: reassign}
  - {table: lines, through: invoices, reference: invoice_id, erase: keep, columns: {text: {value: ""}}}
  - {table: events, reference: subject, erase: delete}
  - {table: addresses, owned_by: address_id, erase: delete}
`, `
CREATE TABLE studios (id bigint PRIMARY KEY);
CREATE TABLE addresses (studio_id bigint, id bigint, street text, PRIMARY KEY (studio_id, id));
CREATE TABLE clients (studio_id bigint NOT NULL, id bigint, name text NOT NULL, address_id bigint,
  PRIMARY KEY (studio_id, id), FOREIGN KEY (studio_id, address_id) REFERENCES addresses);
CREATE TABLE visits (studio bigint, id bigint, client_id bigint NOT NULL, session_id bigint NOT NULL,
  PRIMARY KEY (studio, id), FOREIGN KEY (studio, client_id) REFERENCES clients, UNIQUE (studio, session_id, client_id));
CREATE TABLE invoices (studio_id bigint, id bigint, customer bigint NOT NULL, paid boolean NOT NULL,
  PRIMARY KEY (studio_id, id), FOREIGN KEY (studio_id, customer) REFERENCES clients);
CREATE TABLE lines (studio_id bigint, invoice_id bigint, text text NOT NULL, FOREIGN KEY (studio_id, invoice_id) REFERENCES invoices);
CREATE TABLE events (studio_id bigint, subject bigint);
INSERT INTO studios VALUES (1), (2);
INSERT INTO addresses SELECT s, n, 'street' FROM studios AS x(s), generate_series(1, 5) AS n;
INSERT INTO clients SELECT s, n, 'client', n FROM studios AS x(s), generate_series(1, 4) AS n;
UPDATE clients SET address_id = 5 WHERE studio_id = 2;
INSERT INTO visits SELECT s, n, n, 7 FROM studios AS x(s), generate_series(1, 4) AS n;
INSERT INTO invoices SELECT s, n, n, s = 1 FROM studios AS x(s), generate_series(1, 4) AS n; -- of studio 2, all are open
INSERT INTO lines SELECT s, n, 'who it was' FROM studios AS x(s), generate_series(1, 4) AS n;
INSERT INTO events SELECT s, n FROM studios AS x(s), generate_series(1, 4) AS n`)
	s.eraseAll(t, "1", keys(1, 3)...)
	s.is(t, "SELECT studio_id, id FROM clients WHERE id < 1000 ORDER BY 1, 2", "1 4", "2 1", "2 2", "2 3", "2 4")
	s.is(t, "SELECT studio, count(*), count(*) FILTER (WHERE client_id > 1000) FROM visits GROUP BY 1 ORDER BY 1", "1 4 3", "2 4 0")
	s.is(t, "SELECT studio_id, count(*), count(*) FILTER (WHERE customer > 1000) FROM invoices GROUP BY 1 ORDER BY 1", "1 4 3", "2 4 0")
	s.is(t, "SELECT studio_id, count(*), count(*) FILTER (WHERE text = '') FROM lines GROUP BY 1 ORDER BY 1", "1 4 3", "2 4 0")
	s.is(t, "SELECT studio_id, count(*) FROM events GROUP BY 1 ORDER BY 1", "1 1", "2 4")
	s.is(t, "SELECT studio_id, string_agg(id::text, ',' ORDER BY id) FROM addresses GROUP BY 1 ORDER BY 1", "1 4,5", "2 1,2,3,4,5")
}

func TestClientsOfAnotherTenantAreNotFoundAndNotTouched(t *testing.T) {
	t.Parallel()
	s := newShape(t, `tenant: {table: studios, key: id}
client: {table: clients, key: id, tenant: studio_id, erase: delete, anonymous: {name: {value: anonymous}}}
tables:
  - {table: visits, reference: client_id, erase: reassign}
  - {table: clients, reference: referred_by, erase: unlink}
  - {table: addresses, owned_by: address_id, erase: delete}
`, `
CREATE TABLE studios (id uuid PRIMARY KEY);
CREATE TABLE addresses (id bigint PRIMARY KEY, street text);
CREATE TABLE clients (
  id bigint GENERATED BY DEFAULT AS IDENTITY (START 1001) PRIMARY KEY,
  studio_id uuid NOT NULL REFERENCES studios,
  name text NOT NULL,
  referred_by bigint REFERENCES clients,
  address_id bigint REFERENCES addresses
);
CREATE TABLE visits (client_id bigint REFERENCES clients, day date);
INSERT INTO studios VALUES ('11111111-1111-1111-1111-111111111111'), ('22222222-2222-2222-2222-222222222222');
INSERT INTO addresses SELECT n, 'street' FROM generate_series(1, 8) AS n;
INSERT INTO clients
  SELECT n, CASE WHEN n <= 4
    THEN '11111111-1111-1111-1111-111111111111'
    ELSE '22222222-2222-2222-2222-222222222222' END::uuid, 'client', NULL, n
  FROM generate_series(1, 8) AS n;
UPDATE clients SET referred_by = 6 WHERE id = 7;
INSERT INTO visits SELECT n, '2025-05-05' FROM generate_series(1, 8) AS n`)
	theirs := func() []string {
		return s.lines(t, `
			SELECT c.*, v.day, a.street
			FROM clients AS c JOIN visits AS v ON client_id = c.id JOIN addresses AS a ON a.id = address_id
			WHERE c.id BETWEEN 5 AND 8 ORDER BY c.id`)
	}
	before := theirs()
	j := s.erase(t, "11111111-1111-1111-1111-111111111111", "1", "5", "6", "2", "99")
	if j.Counts.Erased != 2 || j.Counts.NotFound != 3 {
		t.Errorf("job: %+v", j)
	}
	if after := theirs(); len(after) != 4 || after[0] != before[0] || after[1] != before[1] || after[2] != before[2] || after[3] != before[3] {
		t.Errorf("rows of the other tenant are\n%q, were\n%q", after, before)
	}
	list, err := s.store.Exceptions(t.Context(), jobs.ExceptionFilter{
		Kind:     jobs.Erasure,
		JobID:    j.ID,
		TenantID: jobs.AnyTenant,
		Page:     jobs.Page{Limit: 10},
	})
	if err != nil || len(list.Items) != 3 {
		t.Errorf("exceptions: %+v, %v", list, err)
	}
}

func TestNamesThatNeedQuotesAreQuoted(t *testing.T) {
	t.Parallel()
	s := newShape(t, `tenant: {table: App.Studio, key: Id}
client: {table: 'App."Order"', key: Id, tenant: studioId, erase: delete, anonymous: {user: {value: anonymous}}}
tables:
  - {table: App.Booking, reference: clientId, erase: reassign, columns: {select: null, 'the "note"': null}}
  - {table: group, through: App.Booking, reference: from, erase: delete}
`, `
CREATE SCHEMA "App";
CREATE TABLE "App"."Studio" ("Id" bigint PRIMARY KEY);
CREATE TABLE "App"."Order" (
  "Id" bigint GENERATED BY DEFAULT AS IDENTITY (START 1001) PRIMARY KEY,
  "studioId" bigint NOT NULL REFERENCES "App"."Studio",
  "user" text NOT NULL
);
CREATE TABLE "App"."Booking" (
  "Id" bigint PRIMARY KEY,
  "clientId" bigint NOT NULL REFERENCES "App"."Order",
  "select" text,
  "the ""note""" text,
  "Slot" date NOT NULL,
  UNIQUE ("Slot", "clientId")
);
CREATE TABLE "group" ("from" bigint REFERENCES "App"."Booking");
INSERT INTO "App"."Studio" VALUES (1);
INSERT INTO "App"."Order" SELECT n, 1, 'somebody' FROM generate_series(1, 4) AS n;
INSERT INTO "App"."Booking" SELECT n, n, 'a', 'b', '2025-05-05' FROM generate_series(1, 4) AS n;
INSERT INTO "group" SELECT n FROM generate_series(1, 4) AS n`)
	s.eraseAll(t, "1", keys(1, 3)...)
	s.is(t, `
		SELECT count(*), count(DISTINCT "clientId"), count("select"), count("the ""note"""), min("clientId")
		FROM "App"."Booking"`, "4 4 1 1 4")
	s.is(t, `SELECT "from" FROM "group"`, "4")
}

func TestColumnsOfEveryKindTakeTheirRules(t *testing.T) {
	t.Parallel()
	s := newShape(t, `tenant: {table: studios, key: id, locale: locale}
client: {table: clients, key: id, tenant: studio_id, erase: delete, anonymous: {name: {label: unknown_client}}}
tables:
  - table: forms
    reference: client_id
    erase: reassign
    columns:
      answers: {json_remove: [contact.email, "it's"]}
      raw: {json_remove: phone}
      tags: {value: "{}"}
      mood: {value: unknown}
      title: {label: unknown_client}
      born: {truncate: year}
      seen_at: {truncate: month}
      handle: {sql: "'gone-' || :tenant || left(handle, 1)"}
      kept: keep
      slug: keep
  - {table: pages, through: forms, reference: form_id, erase: keep, columns: {doc: {json_remove: [a]}, spot: {value: "(0,0)"}}}
`, `
CREATE TYPE mood AS ENUM ('good', 'unknown');
CREATE DOMAIN short AS text CHECK (length(VALUE) < 100);
CREATE TABLE studios (id text PRIMARY KEY, locale text);
CREATE TABLE clients (
  id bigint GENERATED BY DEFAULT AS IDENTITY (START 1001) PRIMARY KEY,
  studio_id text NOT NULL REFERENCES studios,
  name text NOT NULL
);
CREATE TABLE forms (
  id bigint PRIMARY KEY,
  client_id bigint REFERENCES clients,
  answers jsonb,
  raw json,
  tags short[],
  mood mood,
  title short,
  born date,
  seen_at timestamptz,
  handle text,
  kept text,
  slug text GENERATED ALWAYS AS (lower(kept)) STORED
);
CREATE TABLE pages (form_id bigint REFERENCES forms, doc json, spot point);
INSERT INTO studios VALUES ('rue ''1''', 'fr');
INSERT INTO clients SELECT n, 'rue ''1''', 'client' FROM generate_series(1, 3) AS n;
INSERT INTO forms
  SELECT n, n, '{"contact": {"email": "a@b", "city": "x"}, "it''s": 1, "n": 2}', '{"phone": 1, "n": 2}',
    '{a,b}', 'good', 'Anna', '1990-05-17', '2025-03-04 05:06Z', 'anna', 'KEPT'
  FROM generate_series(1, 3) AS n;
UPDATE forms SET answers = '"only a string"', raw = '7' WHERE id = 2;
INSERT INTO pages SELECT n, '{"a": 1, "b": 2}', '(1,2)' FROM generate_series(1, 3) AS n`)
	s.eraseAll(t, "rue '1'", "1", "2")
	s.is(t, `
		SELECT id, answers, raw, tags, mood, title, born, extract(day FROM seen_at AT TIME ZONE 'UTC'), handle, slug
		FROM forms WHERE id < 3 ORDER BY id`,
		`1 {"n": 2, "contact": {"city": "x"}} {"n": 2} {} unknown Client inconnu 1990-01-01 1 gone-rue '1'a kept`,
		`2 "only a string" 7 {} unknown Client inconnu 1990-01-01 1 gone-rue '1'a kept`)
	s.is(t, "SELECT tags, mood, handle FROM forms WHERE id = 3", "{a,b} good anna")
	s.is(t, "SELECT form_id, doc, spot FROM pages ORDER BY 1", `1 {"b": 2} (0,0)`, `2 {"b": 2} (0,0)`, `3 {"a": 1, "b": 2} (1,2)`)
	s.is(t, "SELECT name FROM clients WHERE id > 1000", "Client inconnu")
}

func TestAnAnonymizedClientKeepsItsRowsAndNothingElse(t *testing.T) {
	t.Parallel()
	s := newShape(t, `
client:
  table: clients
  key: id
  erase: anonymize
  columns: {name: {label: unknown_client}, email: null, address_id: null}
tables:
  - {table: visits, reference: client_id, erase: keep, columns: {note: null}}
  - {table: addresses, owned_by: address_id, erase: delete}
`, `
CREATE TABLE addresses (id bigint PRIMARY KEY, street text);
CREATE TABLE clients (
  id bigint GENERATED BY DEFAULT AS IDENTITY (START 1001) PRIMARY KEY,
  name text,
  email text UNIQUE,
  address_id bigint REFERENCES addresses
);
CREATE TABLE visits (client_id bigint REFERENCES clients, note text);
INSERT INTO addresses SELECT n, 'street' FROM generate_series(1, 3) AS n;
INSERT INTO clients SELECT n, 'client', n || '@x', n FROM generate_series(1, 3) AS n;
INSERT INTO visits SELECT n, 'knee' FROM generate_series(1, 3) AS n`)
	s.eraseAll(t, "1", "1", "2")
	s.is(t, "SELECT id, name, email, address_id FROM clients WHERE id < 1000 ORDER BY 1",
		"1 Unknown client - -", "2 Unknown client - -", "3 client 3@x 3")
	s.is(t, "SELECT client_id, note FROM visits ORDER BY 1", "1 -", "2 -", "3 knee")
	s.is(t, "SELECT id FROM addresses", "3")
}
