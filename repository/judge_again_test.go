package repository_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

const billMap = noTenant + `guards:
  open: {table: bills, reference: client_id, where: "open"}
tables:
  - {table: bills, reference: client_id, erase: reassign, columns: {open: keep}, retain: {rule: bill, since: day, columns: {payer: null}}}
retention:
  bill: {clock: end_of_year, otherwise: 10}
`

const billSQL = noTenantSQL + `
CREATE TABLE bills (id int PRIMARY KEY, client_id bigint NOT NULL REFERENCES clients, open boolean NOT NULL, day date NOT NULL, payer text);
INSERT INTO bills VALUES
  (1, 1, false, '1990-01-01', 'client 1'),
  (2, 2, false, '1990-01-01', 'client 2'),
  (40, 40, false, '1990-01-01', 'x');`

func TestWhatChangesBetweenJudgingAndWritingIsJudgedAgain(t *testing.T) {
	t.Parallel()
	for change, want := range map[string]jobs.Counts{
		"UPDATE bills SET open = true WHERE client_id = 1":        {Skipped: 1, Erased: 1}, // a charge-back
		"UPDATE bills SET day = current_date WHERE client_id = 1": {ErasedRetained: 1, Erased: 1},
	} {
		t.Run(change, func(t *testing.T) {
			t.Parallel()
			var s *shape
			var armed atomic.Bool
			s = newShape(t, billMap, billSQL, func(o *repository.Options) {
				o.MaxConns = 2 // the second connections are not of this pool
				o.Failpoint = func(name string) {
					if name == "chunk:decided" && armed.CompareAndSwap(true, false) {
						s.Exec(t, change)
					}
				}
			})
			s.eraseAll(t, "1", "40") // the profiles are there now
			armed.Store(true)
			if j := s.erase(t, "1", "1", "2"); j.Counts != want {
				t.Errorf("the change was there before the chunk wrote anything: %+v, want %+v", j.Counts, want)
			}
			s.is(t, "SELECT count(*) FROM bills AS b JOIN oubli.anonymous_profiles AS p ON p.client_key = b.client_id::text WHERE b.open", "0")
		})
	}
}

func TestAnAppointmentThatAnOpenTransactionMovesIntoTheFutureKeepsItsClient(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	s := open(t, db, func(o *repository.Options) { o.LockTimeout = 20 * time.Second })
	accept(t, s, "1", db.Clients(t, 1, 3))
	work(t, s, 10)
	id := db.Strings(t, `
		SELECT client_id::text FROM appointments AS i JOIN clients AS c ON c.id = i.client_id
		WHERE c.studio_id = 1 AND NOT is_anonymous ORDER BY 1 LIMIT 1`)[0]
	tx := begin(t, db.Pool, `
		UPDATE appointments SET starts_at = now() + interval '1 week', status = 'booked'
		WHERE id = (SELECT min(id) FROM appointments WHERE client_id = `+id+`)`)
	j := accept(t, s, "1", []string{id})
	done := make(chan struct{})
	go func() { defer close(done); work(t, s, 10) }()
	(&shape{DB: db}).blocked(t)
	if err := tx.Commit(t.Context()); err != nil { // the customer is told: see you next week
		t.Fatal(err)
	}
	<-done
	if j = job(t, s, j.ID); j.Exceptions["future_appointment"] != 1 {
		t.Errorf("the appointment was in the future before the chunk committed: %+v", j.Counts)
	}
}

func TestAVerdictThatChangesAgainAndAgainIsContention(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`guards:
  every_second_time: {where: "nextval('judgements') % 2 = 0"}
tables:
  - {table: bills, reference: client_id, erase: delete}
`, noTenantSQL+`
CREATE TABLE bills (id int PRIMARY KEY, client_id bigint NOT NULL REFERENCES clients);
INSERT INTO bills VALUES (1, 1);
CREATE SEQUENCE judgements;
GRANT USAGE ON SEQUENCE judgements TO PUBLIC;`)
	_, err := s.store.EraseChunk(t.Context(), s.claims(t, 1, "1")[0], 1)
	if e, ok := errors.AsType[*jobs.Error](err); !ok || e.Code != jobs.CodeContention || e.Kind != jobs.Unavailable {
		t.Errorf("%v, want contention, which blames no client", err)
	}
	s.is(t, "SELECT count(*) FROM clients WHERE id = 1 UNION ALL SELECT count(*) FROM bills", "1", "1")
	if n := s.Int(t, "SELECT last_value FROM judgements"); n != 10 {
		t.Errorf("%d judgements, want two in each of 5 tries", n)
	}
}
