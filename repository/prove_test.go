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

// A trigger can change what a statement does. A client who is reported as erased is
// gone all the same, and the others are unchanged.
func TestWhatATriggerLeavesIsNotReportedAsErased(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		want []string // outcomes of clients 1 to 4 that are not erased
		look string   // of what must not be there
	}{
		"soft-delete": {[]string{"2 not_erased mails.client_id (triggers and rules: soft_delete)"},
			"SELECT FROM mails WHERE client_id <> 2"},
		"soft-delete-covered": {[]string{"2 not_erased mails (triggers and rules: soft_delete)"},
			"SELECT FROM mails WHERE client_id <> 2"},
		"value-put-back": {[]string{"3 not_erased visits.remark (triggers and rules: protect)"},
			"SELECT FROM visits WHERE remark IS NOT NULL AND client_id <> 3"},
		"rule-put-back": {[]string{"3 not_erased visits.remark (triggers and rules: protect)"},
			"SELECT FROM visits WHERE remark = 'left knee' AND client_id <> 3"},
		"history-below-rows-that-stay": {nil, "SELECT FROM visits_history WHERE visit_id < 5"},
		"history-deferred":             {nil, "SELECT FROM visits_history WHERE old IS NOT NULL"},
		"history-by-client-key":        {nil, "SELECT FROM visits_history"},
		"history-by-new-reference": {[]string{"2 not_erased visits_history (triggers and rules: history)"},
			"SELECT FROM visits_history"},
		"unmapped-table": {[]string{"2 not_erased outbox (triggers and rules: history)"},
			"SELECT FROM outbox"},
		"partition-that-is-not-mapped": {[]string{"2 not_erased outbox (triggers and rules: history)"},
			"SELECT FROM outbox"},
		"copy-among-moving-rows": {[]string{"2 not_erased visits (triggers and rules: history)"},
			"SELECT FROM visits WHERE id = 100"},
		"rows-without-a-key": {[]string{"2 not_erased logs (triggers and rules: hide)"},
			"SELECT FROM logs WHERE client_id = 5000"},
		"search-index": {nil, "SELECT FROM search"},
		"client-comes-back": {[]string{"2 not_erased clients (triggers and rules: again)"},
			"SELECT FROM clients WHERE id IN (1, 3, 4)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			yaml, sql := readShape(t, "triggers/"+name)
			s := newShape(t, noTenant+yaml, noTenantSQL+sql)
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
	_, sql := readShape(t, "triggers/soft-delete")
	s := newShape(t, noTenant+`tables:
  - {table: mails, reference: client_id, erase: delete, merge: delete}
triggers: [{name: soft_delete, because: "marks rows"}]
`, noTenantSQL+sql)
	acceptMerge(t, s.store, mergeRequest("1", "1", []string{"2"}))
	c := claimFirst(t, s.store)
	_, err := s.store.EraseChunk(t.Context(), c, 1)
	if e, _ := errors.AsType[*jobs.Error](err); e == nil || e.Code != jobs.CodeNotErased {
		t.Errorf("got %v, want not_erased", err)
	}
	s.is(t, "SELECT count(*) FROM clients WHERE id <= 2", "2")
}
