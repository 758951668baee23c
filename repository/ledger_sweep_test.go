package repository_test

import (
	"errors"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/rs/zerolog"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/ledger"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// withLedger connects a store with a ledger at a URL.
func withLedger(t *testing.T, s *repository.Store, url string) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	store, err := ledger.OpenStore(url)
	if err != nil {
		t.Fatal(err)
	}
	l := ledger.New(ledger.Options{URL: url, Store: store, Epochs: s, Recipients: []age.Recipient{id.Recipient()},
		Secret: []byte(strings.Repeat("s", 32)), Log: zerolog.Nop()})
	s.UseLedger(ledger.NewWriter(l, s))
}

func TestASweepClearsNothingBeforeTheLedgerKnows(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := on(t, db, "2026-11-22")
	accept(t, s, "1", db.Clients(t, 1, 10))
	work(t, s, 10)
	later := on(t, db, "2060-06-01")
	withLedger(t, later, "file:///nowhere/evidence")
	swept, err := later.SweepRetained(t.Context())
	if e, _ := errors.AsType[*jobs.Error](err); e == nil || e.Code != jobs.CodeLedger || len(swept) != 0 {
		t.Fatalf("swept %v, %v", swept, err)
	}
	if why := db.Strings(t, "SELECT last_error FROM oubli.retention_sweeps WHERE last_error <> ''"); len(why) == 0 ||
		!strings.Contains(why[0], jobs.CodeLedger) {
		t.Errorf("the sweep waits because of %q", why)
	}
	db.Exec(t, "UPDATE oubli.retention_sweeps SET run_at = now() WHERE finished_at IS NULL")
	withLedger(t, later, "file://"+t.TempDir())
	if n := sweep(t, later); n == 0 {
		t.Error("nothing was cleared")
	}
	// One sweep had something to clear: its intent and its outcome are objects.
	if n := db.Int(t, "SELECT sum(intents) * 100 + sum(outcomes) FROM oubli.ledger_objects"); n != 101 {
		t.Errorf("%d intents and outcomes (in hundreds), want 1 and 1", n)
	}
}
