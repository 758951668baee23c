package repository_test

import (
	"bytes"
	"testing"

	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// editedMap opens a store as after a restart, with the demo's map edited.
func editedMap(t *testing.T, db *bookingdb.DB, before, after string) *repository.Store {
	t.Helper()
	text := bytes.ReplaceAll(booking.Map(), []byte(before), []byte(after))
	if bytes.Equal(text, booking.Map()) {
		t.Fatalf("the map does not contain %q", before)
	}
	m, err := erasuremap.Parse("oubli.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, db, func(o *repository.Options) { o.Map = m })
}

// Edits of the map under which a new request would be refused.
var refusingEdits = map[string][2]string{
	"a guard is gone":                 {"  future_appointment:", "  booked_ahead:"},
	"a guard is not overridable":      {", overridable: true", ""},
	"the client table is not there":   {"table: clients", "table: customers"},
	"a table that is not mapped yet":  {"  - {table: client_notes, reference: client_id, erase: delete, merge: move}\n", ""},
	"the tenant table is not there":   {"table: studios", "table: salons"},
	"the client key has another type": {"key: id\n  tenant: studio_id", "key: legal_hold\n  tenant: studio_id"},
}

func TestARepeatedErasureGivesTheFirstAnswerWhateverTheMapSaysNow(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	s := open(t, db)
	sel := selectYear(t, s)
	count := sel.Total + sel.Blocked["future_appointment"]
	requests := map[string]jobs.ErasureRequest{
		"clients": {TenantID: "1", ClientIDs: db.Clients(t, 1, 5), Reason: jobs.SubjectRequest,
			Override: []string{"future_appointment"}, CreatedBy: "test"},
		"selection": {TenantID: "1", SelectionID: sel.ID, ExpectedCount: count, Reason: jobs.Inactivity,
			Override: []string{"future_appointment"}, CreatedBy: "test"},
	}
	first := map[string]jobs.Job{}
	for name, req := range requests {
		job, replayed, err := s.AcceptErasure(t.Context(), req, jobs.IdempotencyKey{Key: name, Caller: "c"})
		if err != nil || replayed {
			t.Fatalf("%s: replayed %v, %v", name, replayed, err)
		}
		first[name] = job
	}
	work(t, s, 50)
	db.Exec(t, "UPDATE oubli.selections SET expires_at = now() - interval '1 day'")
	for edit, texts := range refusingEdits {
		edited := editedMap(t, db, texts[0], texts[1])
		for name, req := range requests {
			again, replayed, err := edited.AcceptErasure(t.Context(), req, jobs.IdempotencyKey{Key: name, Caller: "c"})
			if err != nil || !replayed || again.ID != first[name].ID || again.State != jobs.Scheduled {
				t.Errorf("%s, after %s: replayed %v, %+v, %v; want the first answer", name, edit, replayed, again, err)
			}
			_, _, err = edited.AcceptErasure(t.Context(), req, jobs.IdempotencyKey{Key: name, Caller: "c", Hash: [32]byte{1}})
			if codeOf(err) != "idempotency_key_reused" {
				t.Errorf("%s, after %s: another request under the same key: %v", name, edit, err)
			}
		}
	}
	for _, edit := range []string{"a guard is gone", "a guard is not overridable", "the client table is not there"} {
		edited := editedMap(t, db, refusingEdits[edit][0], refusingEdits[edit][1])
		if _, _, err := edited.AcceptErasure(t.Context(), requests["clients"], jobs.IdempotencyKey{Key: "new", Caller: "c"}); err == nil {
			t.Errorf("after %s a new request is accepted, so that its repeat shows nothing", edit)
		}
	}
}

func TestARepeatedMergeGivesTheFirstAnswerWhateverTheMapSaysNow(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	s := open(t, db)
	clients := db.Clients(t, 1, 3)
	key := jobs.IdempotencyKey{Key: "k", Caller: "c"}
	req := mergeRequest("1", clients[0], clients[1:])
	first, replayed, err := s.AcceptMerge(t.Context(), req, key)
	if err != nil || replayed {
		t.Fatalf("first: replayed %v, %v", replayed, err)
	}
	workMerge(t, s, db, first.ID)
	for edit, texts := range refusingEdits {
		again, replayed, err := editedMap(t, db, texts[0], texts[1]).AcceptMerge(t.Context(), req, key)
		if err != nil || !replayed || again.ID != first.ID || again.State != jobs.Scheduled {
			t.Errorf("after %s: replayed %v, %+v, %v; want the first answer", edit, replayed, again, err)
		}
	}
}

func TestARepeatedMergeIsAnsweredWhenTheMapHasStoppedAllowingMerges(t *testing.T) {
	t.Parallel()
	const mapped = noTenant + `tables:
  - {table: carts, reference: client_id, erase: delete, merge: delete}
  - {table: orders, through: carts, reference: cart_id, erase: delete, merge: `
	s := newShape(t, mapped+"delete}\n", noTenantSQL+`
CREATE TABLE carts (id bigint PRIMARY KEY, client_id bigint NOT NULL REFERENCES clients);
CREATE TABLE orders (cart_id bigint NOT NULL REFERENCES carts ON DELETE CASCADE);
CREATE INDEX ON carts (client_id);
CREATE INDEX ON orders (cart_id)`)
	key := jobs.IdempotencyKey{Key: "k", Caller: "c"}
	req := mergeRequest("1", "2", []string{"1"})
	first, _, err := s.store.AcceptMerge(t.Context(), req, key)
	if err != nil {
		t.Fatal(err)
	}
	m, err := erasuremap.Parse("map.yaml", []byte("version: 1\n"+mapped+"keep}\n"))
	if err != nil {
		t.Fatal(err)
	}
	edited := open(t, s.DB, func(o *repository.Options) { o.Map = m })
	if again, replayed, err := edited.AcceptMerge(t.Context(), req, key); err != nil || !replayed || again.ID != first.ID {
		t.Errorf("a repeat: replayed %v, %+v, %v; want the first answer", replayed, again, err)
	}
	if _, _, err := edited.AcceptMerge(t.Context(), req, jobs.IdempotencyKey{Key: "new", Caller: "c"}); codeOf(err) != "merges_refused" {
		t.Errorf("a new request: %v", err)
	}
}

func TestARepeatedRetryGivesTheSameJobWhateverTheMapSaysNow(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	s := open(t, db)
	keys := db.Clients(t, 1, 5)
	db.Exec(t, "UPDATE clients SET legal_hold = true WHERE id = ANY($1::text[]::bigint[])", keys)
	j := accept(t, s, "1", keys)
	work(t, s, 5)
	again, err := s.Retry(t.Context(), "1", j.ID, jobs.Caller{Subject: "again"})
	if err != nil {
		t.Fatal(err)
	}
	for edit, texts := range refusingEdits {
		twice, err := editedMap(t, db, texts[0], texts[1]).Retry(t.Context(), "1", j.ID, jobs.Caller{Subject: "again"})
		if err != nil || twice.ID != again.ID {
			t.Errorf("after %s: %s, %v; want %s", edit, twice.ID, err, again.ID)
		}
	}
}
