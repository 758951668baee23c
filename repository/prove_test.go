package repository_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/oubli/oubli/jobs"
)

// drainHalving works as the worker does: a chunk that is refused is halved, and
// a client who is refused alone fails.
func (s *shape) drainHalving(t *testing.T) {
	t.Helper()
	c := claimFirst(t, s.store)
	for n := c.Left(); c.Left() > 0; {
		_, err := s.store.EraseChunk(t.Context(), c, n)
		e, _ := errors.AsType[*jobs.Error](err)
		switch {
		case err == nil:
		case e == nil || e.Kind != jobs.Invalid:
			t.Fatalf("chunk of %d: %v", n, err)
		case n > 1:
			n = max(1, n/2)
		default:
			if err := s.store.FailClient(t.Context(), c, e.Code, e.Detail); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.store.Finish(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

// outcomes erases clients and gives code and detail of those that failed.
func (s *shape) outcomes(t *testing.T, keys ...string) []string {
	t.Helper()
	j := accept(t, s.store, "1", keys)
	s.drainHalving(t)
	l, err := s.store.Exceptions(t.Context(), jobs.ExceptionFilter{
		Kind:     jobs.Erasure,
		JobID:    j.ID,
		TenantID: "1",
		Page:     jobs.Page{Limit: 100},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, e := range l.Items {
		got = append(got, strings.TrimSpace(e.ClientID+" "+e.Code+" "+e.Detail))
	}
	slices.Sort(got)
	return got
}

// A trigger can make a statement do something else than it says. Whoever is
// reported as erased is gone all the same, and the others are untouched.
func TestWhatATriggerLeavesIsNotReportedAsErased(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		yaml, sql string
		want      []string // outcomes of clients 1 to 4 that are not erased
		look      string   // of what must not be there
	}{
		"a soft delete": {`tables:
  - {table: mails, reference: client_id, erase: delete}
triggers: [{name: soft_delete, because: "marks rows"}]
`, `CREATE TABLE mails (id int PRIMARY KEY, client_id bigint, body text, deleted boolean);
CREATE FUNCTION soft_delete() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  UPDATE mails SET deleted = true WHERE id = OLD.id;
  RETURN NULL;
END $$;
CREATE TRIGGER soft_delete BEFORE DELETE ON mails FOR EACH ROW EXECUTE FUNCTION soft_delete();
INSERT INTO mails VALUES (1, 2, 'Dear client 2');`,
			[]string{"2 not_erased mails.client_id (triggers and rules: soft_delete)"},
			"SELECT FROM mails WHERE client_id <> 2"},
		"a soft delete that leaves what the map covers": {`tables:
  - {table: mails, reference: client_id, where: "deleted_at IS NULL", erase: delete}
triggers: [{name: soft_delete, because: "marks rows"}]
`, `CREATE TABLE mails (id int PRIMARY KEY, client_id bigint, body text, deleted_at timestamptz);
CREATE FUNCTION soft_delete() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  UPDATE mails SET deleted_at = now() WHERE id = OLD.id;
  RETURN NULL;
END $$;
CREATE TRIGGER soft_delete BEFORE DELETE ON mails FOR EACH ROW EXECUTE FUNCTION soft_delete();
INSERT INTO mails VALUES (1, 2, 'Dear client 2');`,
			[]string{"2 not_erased mails (triggers and rules: soft_delete)"}, "SELECT FROM mails WHERE client_id <> 2"},
		"a value that is put back": {`tables:
  - {table: visits, reference: client_id, erase: reassign, columns: {remark: null, kind: keep}}
triggers: [{name: protect, because: "closed visits do not change"}]
`, `CREATE TABLE visits (id int PRIMARY KEY, client_id bigint REFERENCES clients, kind text, remark text);
CREATE FUNCTION protect() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.kind = 'closed' THEN
    NEW.remark := OLD.remark;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER protect BEFORE UPDATE ON visits FOR EACH ROW EXECUTE FUNCTION protect();
INSERT INTO visits SELECT n, n, CASE n WHEN 3 THEN 'closed' END, 'left knee' FROM generate_series(1, 4) AS n;`,
			[]string{"3 not_erased visits.remark (triggers and rules: protect)"}, "SELECT FROM visits WHERE remark IS NOT NULL AND client_id <> 3"},
		"a rule in SQL that is put back": {`tables:
  - {table: visits, reference: client_id, erase: reassign, columns: {remark: {sql: "md5(remark)"}, kind: keep}}
triggers: [{name: protect, because: "closed visits do not change"}]
`, `CREATE TABLE visits (id int PRIMARY KEY, client_id bigint REFERENCES clients, kind text, remark text);
CREATE FUNCTION protect() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.kind = 'closed' THEN
    NEW.remark := OLD.remark;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER protect BEFORE UPDATE ON visits FOR EACH ROW EXECUTE FUNCTION protect();
INSERT INTO visits SELECT n, n, CASE n WHEN 3 THEN 'closed' END, 'left knee' FROM generate_series(1, 4) AS n;`,
			[]string{"3 not_erased visits.remark (triggers and rules: protect)"},
			"SELECT FROM visits WHERE remark = 'left knee' AND client_id <> 3"},
		"a history below rows that stay": {`tables:
  - {table: visits, reference: client_id, erase: reassign, columns: {remark: null}}
  - {table: visits_history, through: visits, reference: visit_id, erase: delete}
triggers: [{name: history, because: "visits_history is mapped"}]
`, `CREATE TABLE visits (id int PRIMARY KEY, client_id bigint REFERENCES clients, remark text);
CREATE TABLE visits_history (visit_id int NOT NULL REFERENCES visits, old jsonb);
CREATE FUNCTION history() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO visits_history VALUES (OLD.id, to_jsonb(OLD));
  RETURN NULL;
END $$;
CREATE TRIGGER history AFTER UPDATE ON visits FOR EACH ROW EXECUTE FUNCTION history();
INSERT INTO visits SELECT n, n, 'left knee' FROM generate_series(1, 5) AS n;
UPDATE visits SET remark = 'right knee';`,
			nil, "SELECT FROM visits_history WHERE visit_id < 5"},
		"a history that a deferred trigger writes": {`tables:
  - {table: visits, reference: client_id, erase: reassign, columns: {remark: null}}
  - {table: visits_history, through: visits, reference: visit_id, erase: keep, columns: {old: null}}
triggers: [{name: history, because: "visits_history is mapped"}]
`, `CREATE TABLE visits (id int PRIMARY KEY, client_id bigint REFERENCES clients, remark text);
CREATE TABLE visits_history (visit_id int NOT NULL REFERENCES visits, old jsonb);
CREATE FUNCTION history() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO visits_history VALUES (OLD.id, to_jsonb(OLD));
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER history AFTER UPDATE ON visits DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION history();
INSERT INTO visits SELECT n, n, 'left knee' FROM generate_series(1, 4) AS n;`,
			nil, "SELECT FROM visits_history WHERE old IS NOT NULL"},
		"a history by the client's key": {`tables:
  - {table: visits, reference: client_id, erase: reassign, columns: {remark: null}}
  - {table: visits_history, reference: client_id, erase: delete}
triggers: [{name: history, because: "visits_history is mapped"}]
`, `CREATE TABLE visits (id int PRIMARY KEY, client_id bigint REFERENCES clients, remark text);
CREATE TABLE visits_history (client_id bigint, old jsonb);
CREATE FUNCTION history() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO visits_history VALUES (OLD.client_id, to_jsonb(OLD));
  RETURN NULL;
END $$;
CREATE TRIGGER history AFTER UPDATE ON visits FOR EACH ROW EXECUTE FUNCTION history();
INSERT INTO visits SELECT n, n, 'left knee' FROM generate_series(1, 4) AS n;`,
			nil, "SELECT FROM visits_history"},
		"a history under the new reference": {`tables:
  - {table: visits, reference: client_id, erase: reassign, columns: {remark: null}}
  - {table: visits_history, reference: client_id, erase: delete}
triggers: [{name: history, because: "visits_history is mapped"}]
`, `CREATE TABLE visits (id int PRIMARY KEY, client_id bigint REFERENCES clients, remark text);
CREATE TABLE visits_history (client_id bigint, old jsonb);
CREATE FUNCTION history() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO visits_history VALUES (NEW.client_id, to_jsonb(OLD));
  RETURN NULL;
END $$;
CREATE TRIGGER history AFTER UPDATE ON visits FOR EACH ROW EXECUTE FUNCTION history();
INSERT INTO visits VALUES (2, 2, 'left knee');`,
			[]string{"2 not_erased visits_history (triggers and rules: history)"}, "SELECT FROM visits_history"},
		"a table that nobody has mapped": {`tables:
  - {table: visits, reference: client_id, erase: reassign, columns: {remark: null}}
triggers: [{name: history, because: "somebody said that it was harmless"}]
`, `CREATE TABLE visits (id int PRIMARY KEY, client_id bigint REFERENCES clients, remark text);
CREATE TABLE outbox (payload jsonb);
CREATE FUNCTION history() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO outbox VALUES (to_jsonb(OLD));
  RETURN NULL;
END $$;
CREATE TRIGGER history AFTER UPDATE ON visits FOR EACH ROW EXECUTE FUNCTION history();
INSERT INTO visits VALUES (2, 2, 'left knee');`,
			[]string{"2 not_erased outbox (triggers and rules: history)"}, "SELECT FROM outbox"},
		"a search index that the client's own row writes": {`tables:
  - {table: search, reference: client_id, erase: delete}
triggers: [{name: reindex, because: "search is mapped"}]
`, `CREATE TABLE search (client_id bigint PRIMARY KEY, doc text);
CREATE FUNCTION reindex() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO search VALUES (OLD.id, OLD.name) ON CONFLICT (client_id) DO UPDATE SET doc = excluded.doc;
  RETURN NULL;
END $$;
CREATE TRIGGER reindex AFTER UPDATE OR DELETE ON clients FOR EACH ROW EXECUTE FUNCTION reindex();
INSERT INTO search SELECT id, name FROM clients WHERE id < 5;`,
			nil, "SELECT FROM search"},
		"a client that comes back": {`triggers: [{name: again, because: "keeps important clients"}]
`, `
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF OLD.id = 2 THEN
    INSERT INTO clients VALUES (OLD.id, OLD.name);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER again AFTER DELETE ON clients FOR EACH ROW EXECUTE FUNCTION again();`,
			[]string{"2 not_erased clients (triggers and rules: again)"}, "SELECT FROM clients WHERE id IN (1, 3, 4)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShape(t, noTenant+test.yaml, noTenantSQL+test.sql)
			if got := s.outcomes(t, "1", "2", "3", "4"); !slices.Equal(got, test.want) {
				t.Errorf("not erased: %q\nwant        %q", got, test.want)
			}
			if left := s.lines(t, test.look); len(left) > 0 {
				t.Errorf("%d rows are left by %s", len(left), test.look)
			}
			failed := len(test.want)
			if n := s.Int(t, "SELECT count(*) FROM clients WHERE id <= 4 AND name LIKE 'client%'"); n != failed {
				t.Errorf("%d clients are there, want %d: those that failed, untouched", n, failed)
			}
		})
	}
}

// `where` says which rows an entry means. Rows that refer to the client and that
// no entry means are somebody's all the same.
func TestARowThatNoEntryCoversIsFound(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		yaml, sql string
		want      []string
	}{
		"a foreign key that would be set to NULL": {`tables:
  - {table: notes, reference: client_id, where: "kind = 'private'", erase: delete}
`, `CREATE TABLE notes (id int PRIMARY KEY, client_id bigint REFERENCES clients ON DELETE SET NULL, kind text NOT NULL, body text);
INSERT INTO notes VALUES (1, 1, 'private', 'p'), (2, 2, 'medical', 'm');`, []string{"2 not_erased notes.client_id"}},
		"a discriminator that is NULL": {`tables:
  - {table: files, reference: client_id, where: "kind = 'a'", erase: delete}
  - {table: files, reference: client_id, where: "kind <> 'a'", erase: delete}
`, `CREATE TABLE files (id int PRIMARY KEY, client_id bigint, kind text, body text);
INSERT INTO files VALUES (1, 1, 'a', 'a'), (2, 1, 'b', 'b'), (3, 2, NULL, 'passport');`, []string{"2 not_erased files.client_id"}},
		"a discriminator that names another table": {`tables:
  - {table: files, reference: owner_id, where: "owner = 'Client'", erase: delete}
`, `CREATE TABLE files (id int PRIMARY KEY, owner_id bigint, owner text NOT NULL);
INSERT INTO files VALUES (1, 1, 'Client'), (2, 2, 'Invoice');`, nil},
		"a child of a row that goes": {`tables:
  - {table: notes, reference: client_id, erase: delete}
  - {table: files, through: notes, reference: note_id, where: "kind = 'a'", erase: delete}
`, `CREATE TABLE notes (id int PRIMARY KEY, client_id bigint REFERENCES clients);
CREATE TABLE files (id int PRIMARY KEY, note_id int REFERENCES notes ON DELETE SET NULL, kind text, body text);
INSERT INTO notes VALUES (1, 1), (2, 2);
INSERT INTO files VALUES (1, 1, 'a', 'a'), (2, 2, 'b', 'b');`, []string{"2 not_erased files.note_id"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShape(t, noTenant+test.yaml, noTenantSQL+test.sql)
			if got := s.outcomes(t, "1", "2", "3"); !slices.Equal(got, test.want) {
				t.Errorf("not erased: %q\nwant        %q", got, test.want)
			}
		})
	}
}

// A dry run says what would happen, failures included.
func TestADryRunProvesToo(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: mails, reference: client_id, erase: delete}
triggers: [{name: nodel, because: "no effect known"}]
`, noTenantSQL+`CREATE TABLE mails (id int PRIMARY KEY, client_id bigint, body text);
CREATE FUNCTION nodel() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RETURN NEW;
END $$;
CREATE TRIGGER nodel BEFORE DELETE ON mails FOR EACH ROW EXECUTE FUNCTION nodel();
INSERT INTO mails VALUES (1, 2, 'Dear client 2');`)
	accept(t, s.store, "1", []string{"1", "2"}, func(r *jobs.ErasureRequest) { r.DryRun = true })
	c := claimFirst(t, s.store)
	_, err := s.store.EraseChunk(t.Context(), c, 2)
	if e, _ := errors.AsType[*jobs.Error](err); e == nil || e.Code != jobs.CodeNotErased || e.Detail == "" {
		t.Errorf("got %v, want not_erased", err)
	}
}

// A merge that deletes its source proves that nothing is left of it.
func TestAMergeProvesThatItsSourceIsGone(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: mails, reference: client_id, erase: delete, merge: delete}
triggers: [{name: soft_delete, because: "marks rows"}]
`, noTenantSQL+`CREATE TABLE mails (id int PRIMARY KEY, client_id bigint, body text, deleted boolean);
CREATE FUNCTION soft_delete() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  UPDATE mails SET deleted = true WHERE id = OLD.id;
  RETURN NULL;
END $$;
CREATE TRIGGER soft_delete BEFORE DELETE ON mails FOR EACH ROW EXECUTE FUNCTION soft_delete();
INSERT INTO mails VALUES (1, 2, 'Dear client 2');`)
	acceptMerge(t, s.store, mergeRequest("1", "1", []string{"2"}))
	c := claimFirst(t, s.store)
	_, err := s.store.EraseChunk(t.Context(), c, 1)
	if e, _ := errors.AsType[*jobs.Error](err); e == nil || e.Code != jobs.CodeNotErased {
		t.Errorf("got %v, want not_erased", err)
	}
	s.is(t, "SELECT count(*) FROM clients WHERE id <= 2", "2")
}
