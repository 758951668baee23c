package repository_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/jobs"
)

const (
	addressesMap = `client:
  table: members
  key: email
  key_is_personal: true
  erase: delete
  anonymous: {email: {sql: "'anonymous' || :slot"}}
guards:
  held: {where: "held"}
activity:
  visits: {table: visits, reference: member, at: at}
tables:
  - {table: visits, reference: member, erase: reassign, columns: {remark: null}}
`
	addressesSQL = `
CREATE TABLE members (email text PRIMARY KEY, held boolean NOT NULL DEFAULT false);
CREATE TABLE visits (id int PRIMARY KEY, member text REFERENCES members, at timestamptz, remark text);
INSERT INTO members VALUES ('marie@mail.example', false), ('paul@mail.example', true), ('anne@mail.example', true);
INSERT INTO visits VALUES (1, 'marie@mail.example', now() - interval '2 years', 'x')`
)

// everywhere lists the rows of the control tables that hold a text.
func (s *shape) everywhere(t *testing.T, text string) []string {
	t.Helper()
	const tables = "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'oubli'::regnamespace AND relkind = 'r'"
	var found []string
	for _, table := range s.Strings(t, tables) {
		found = append(found, s.lines(t, "SELECT '"+table+"', r FROM "+table+" AS r WHERE r::text LIKE '%"+text+"%'")...)
	}
	return found
}

func TestPersonalKeysAreEmptiedWhenTheJobNeedsThemNoMore(t *testing.T) {
	t.Parallel()
	s := newShape(t, addressesMap, addressesSQL)
	sel, err := s.store.Select(t.Context(), jobs.SelectionRequest{TenantID: "1", Period: "P1Y", CreatedBy: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.Tick(t.Context(), "1", sel.ID, jobs.Ticks{Exclude: []string{"marie@mail.example"}}); err != nil {
		t.Fatal(err)
	}
	j := s.erase(t, "1", "marie@mail.example", "paul@mail.example", "anne@mail.example", "nobody@mail.example")
	tidy := func(kept bool, when string) {
		t.Helper()
		if err := s.store.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.store.SweepRetained(t.Context()); err != nil {
			t.Fatal(err)
		}
		if found := s.everywhere(t, "mail.example"); len(found) > 0 != kept {
			t.Errorf("%s, in the control tables:\n%s", when, strings.Join(found, "\n"))
		}
	}
	tidy(true, "at the end of the job, which can be retried")
	s.Exec(t, `UPDATE oubli.jobs SET finished_at = finished_at - interval '8 days'`)
	s.Exec(t, `UPDATE oubli.idempotency_keys SET created_at = created_at - interval '8 days'`)
	s.Exec(t, `UPDATE oubli.selections SET expires_at = expires_at - interval '8 days'`)
	s.Exec(t, "INSERT INTO oubli.second_looks (job_id, open) VALUES ($1, '{}') ON CONFLICT DO NOTHING", j.ID)
	tidy(true, "before the second looks have ended")
	s.Exec(t, "DELETE FROM oubli.second_looks")
	tidy(false, "afterwards")

	again := job(t, s.store, j.ID)
	if again.Counts != j.Counts || again.Requested != 4 || again.Exceptions["held"] != 2 {
		t.Errorf("the counts were %+v and are %+v %v", j.Counts, again.Counts, again.Exceptions)
	}
	var listed []string
	for cursor := ""; ; {
		l, err := s.store.Exceptions(t.Context(), jobs.ExceptionFilter{
			Kind: jobs.Erasure, JobID: j.ID, TenantID: "1", Page: jobs.Page{Limit: 2, Cursor: cursor},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range l.Items {
			listed = append(listed, e.ClientID+e.Code)
		}
		if cursor = l.Next; cursor == "" {
			break
		}
	}
	if len(listed) != 3 || strings.Count(" "+strings.Join(listed, " "), " held") != 2 {
		t.Errorf("exceptions: %q", listed)
	}
	_, err = s.store.Retry(t.Context(), "1", j.ID, jobs.Caller{Subject: "test"})
	if e, ok := errors.AsType[*jobs.Error](err); !ok || e.Code != "keys_emptied" {
		t.Errorf("retry: %v", err)
	}
}

func TestAKeyThatLooksPersonalIsAGap(t *testing.T) {
	t.Parallel()
	s := newShape(t, addressesMap, addressesSQL)
	m, err := erasuremap.Parse("map.yaml", []byte("version: 1\n"+strings.Replace(addressesMap, "  key_is_personal: true\n", "", 1)))
	if err != nil {
		t.Fatal(err)
	}
	_, gaps, _, err := schema.Check(t.Context(), s.URL, m)
	if err != nil || len(gaps) != 1 || !strings.Contains(gaps.Error(), "key_is_personal: true") {
		t.Errorf("%v, %v", gaps, err)
	}
}
