package repository_test

import (
	"testing"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// mixes runs one round of mixing.
func mixes(t *testing.T, db *bookingdb.DB, s *repository.Store) {
	t.Helper()
	db.Exec(t, "UPDATE oubli.mixing SET next_at = now()")
	if err := s.MixRows(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// whose says whose the rows are that stay when a client of the booking application
// is erased.
var whose = map[string]string{
	"appointments":   "client_id",
	"participations": "client_id",
	"invoices":       "client_id",
	"invoice_lines":  "(SELECT client_id FROM invoices WHERE id = invoice_id)",
	"clients":        "referred_by",
}

// oneByOne erases clients by a job each, as people ask for it.
func oneByOne(t *testing.T, s *repository.Store, tenant string, clients []string) (ids []string) {
	t.Helper()
	for _, id := range clients {
		ids = append(ids, accept(t, s, tenant, []string{id}).ID)
		work(t, s, 10)
	}
	return ids
}

// The adversary of docs/fine-print.md.
func TestAnAdversaryWhoReadsEverythingCannotStringOneClientsRowsTogether(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	erasable(t, db)
	s := open(t, db, impatient)
	first, later := db.Clients(t, 1, 40), []string(nil)
	first, later = first[:30], first[30:]
	a := watch(t, db, whose, append(first[:30:30], later...))
	ids := oneByOne(t, s, "1", first)

	// The control: without mixing, the transaction tells everything.
	rows := a.look(t)
	for clue, f := range a.try(rows) {
		t.Logf("not mixed, %-28s %6d pairs, right %.4f, chance %.4f ± %.4f", clue, f.pairs, f.right, f.chance, f.deviation)
		if (clue == "xmin" || clue == "record") && f.right < 0.99 || clue == "ctid" && f.right < f.chance+0.3 {
			t.Errorf("the adversary finds less than is there: by %s %.3f of the pairs are right", clue, f.right)
		}
	}
	right, all := a.joined(t, rows)
	t.Logf("not mixed: %d of %d rows that are joined with a client's key are the client's", right, all)
	if right == 0 || right < all {
		t.Errorf("the adversary joins %d rows with a key, %d of them rightly", all, right)
	}
	if j := job(t, s, ids[0]); j.Residue == nil || j.Residue.Name != "logical" || j.Residue.WaitingFor == "" {
		t.Errorf("before mixing: %+v", j.Residue)
	}

	mixes(t, db, s)
	for i := range later { // each is covered by those before
		ids = append(ids, oneByOne(t, s, "1", later[i:i+1])...)
		mixes(t, db, s)
	}
	rows = a.look(t)
	for clue, f := range a.try(rows) {
		t.Logf("mixed, %-28s %6d pairs, right %.4f, chance %.4f ± %.4f", clue, f.pairs, f.right, f.chance, f.deviation)
		if f.right > f.chance+5*f.deviation+0.01 {
			t.Errorf("of two rows that %s connects %.4f are of one client, by chance %.4f", clue, f.right, f.chance)
		}
	}
	if right, all := a.joined(t, rows); all > 0 {
		t.Errorf("%d rows are joined with a client's key, %d of them rightly", all, right)
	}
	for _, id := range ids {
		if j := job(t, s, id); j.Residue == nil || j.Residue.Name != jobs.ResidueMixed || j.Residue.WaitingFor != "" {
			t.Errorf("after mixing: %+v", j.Residue)
		}
	}
}
