package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/jobs"
)

// foreignKeyViolation is how PostgreSQL refuses a row for a client who is gone.
const foreignKeyViolation = "23503"

// write is a statement of the application about one client while the job runs.
type write struct {
	client, code string // and the reason that it is for being skipped
	refused      bool
}

// writer makes a guard apply to its share of the candidates, one after the other.
// Like the application, it does not know about the erasure.
func (s *stack) writer(t *testing.T, clients []string, r *rand.Rand, written *[]write) {
	statements := []struct{ sql, code string }{
		{bookSQL, "future_appointment"},
		{`INSERT INTO appointments (studio_id, client_id, starts_at, status, price_cents, client_name, service)
			VALUES (1, $1::text::bigint, now() - interval '1 day', 'cancelled', 0, 'x', 'x')`, jobs.CodeRecentActivity},
		{`INSERT INTO invoices (studio_id, client_id, number, issued_on, status, total_cents, billing_name)
			VALUES (1, $1::text::bigint, 'R-' || $1, now(), 'open', 100, 'x')`, "open_invoice"},
		{"UPDATE clients SET legal_hold = true WHERE id = $1::text::bigint", "legal_hold"},
		{"UPDATE clients SET balance_cents = -700 WHERE id = $1::text::bigint", "unpaid_balance"},
	}
	for _, client := range clients {
		st := statements[r.IntN(len(statements))]
		tag, err := s.Pool.Exec(t.Context(), st.sql, client)
		w := write{client: client, code: st.code}
		pg, ok := errors.AsType[*pgconn.PgError](err)
		switch {
		case ok && pg.Code == foreignKeyViolation:
			w.refused = true
		case err != nil:
			t.Errorf("%s for client %s: %v", st.code, client, err)
			continue
		default:
			w.refused = tag.RowsAffected() == 0
		}
		*written = append(*written, w)
	}
}

// A client who books while the job runs is skipped with all rows, or is erased and
// the booking refused. Nothing else may happen.
func TestWritersThatRaceAnErasureEitherSaveTheirClientOrAreRefused(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.batch = 15
	g := newGate(t, "chunk:committed")
	service := s.start(t, both, app.Tuning{Failpoint: g.pass})
	c := admin(t, service, "1")
	for range 120 { // more of them, so that there is a race
		s.newcomer(t, 1, "3 years")
	}
	s.countAgain(t)
	sel := selects(t, service, "1", `{"period": "P1Y"}`)
	var asked []string
	for _, candidate := range preview(t, service, "1", sel.ID, 1000, nil) {
		if candidate.Included {
			asked = append(asked, candidate.ClientID)
		}
	}
	if len(asked) < 150 {
		t.Fatalf("%d candidates are too few to race for", len(asked))
	}
	untouched := s.Untouched(t, asked)
	var job jobs.Job
	body := fmt.Sprintf(`{"selection_id": %q, "expected_count": %d, "reason": "inactivity", "locale": "de"}`, sel.ID, sel.Total)
	status, code := ask(t, service, http.MethodPost, "/v1/erasures", mustMint(t, "1", jobs.Admin), body, &job)
	if status != http.StatusAccepted {
		t.Fatalf("%d %s", status, code)
	}
	g.await(t) // some clients are erased already; bookings for them are refused
	const writers = 6
	written := make([][]write, writers)
	shuffled := slices.Clone(asked)
	r := rand.New(rand.NewPCG(20260101, 4))
	r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	shuffled = shuffled[:len(shuffled)*2/3]
	var all sync.WaitGroup
	for i := range writers {
		share, own := shuffled[len(shuffled)*i/writers:len(shuffled)*(i+1)/writers], rand.New(rand.NewPCG(20260101, uint64(i)))
		all.Go(func() { s.writer(t, share, own, &written[i]) })
	}
	g.open()
	all.Wait()
	job = until(t, c, job.ID, "the end", mailed)

	left, codes := s.Existing(t, asked), codesOf(t, c, job.ID, jobs.Skipped)
	saved, refused := 0, 0
	for _, w := range slices.Concat(written...) {
		switch there := slices.Contains(left, w.client); {
		case w.refused && there:
			t.Errorf("client %s is there, and %s was refused", w.client, w.code)
		case w.refused:
			refused++
		case !there:
			t.Errorf("client %s is gone, and %s was taken", w.client, w.code)
		case codes[w.client] != w.code && !slices.Contains([]string{"future_appointment", jobs.CodeRecentActivity}, w.code):
			t.Errorf("client %s is skipped for %q, want %s", w.client, codes[w.client], w.code)
		case codes[w.client] == "":
			t.Errorf("client %s is there and not reported", w.client)
		default:
			saved++
		}
	}
	t.Logf("of %d asked for, %d were written about in time and %d too late", len(asked), saved, refused)
	if saved == 0 || refused == 0 {
		t.Error("there was no race")
	}
	if job.Counts.Skipped != saved || len(left) != saved || job.Counts.Erased+job.Counts.ErasedRetained != len(asked)-saved ||
		job.Counts.Pending+job.Counts.Failed+job.Counts.NotFound != 0 || job.State != jobs.CompletedWithExceptions {
		t.Errorf("%d were saved, %d are left: %+v", saved, len(left), job)
	}
	for _, n := range job.Exceptions {
		saved -= n
	}
	if saved != 0 {
		t.Errorf("the exceptions by code do not add up: %+v", job)
	}
	if now := s.Untouched(t, asked); !slices.Equal(now, untouched) {
		t.Errorf("rows of others changed:\nbefore %+v\nafter  %+v", untouched, now)
	}
	for _, table := range []string{"appointments", "invoices", "participations", "messages", "client_notes"} {
		dangling := "SELECT count(*) FROM " + table + " t WHERE NOT EXISTS (SELECT FROM clients c WHERE c.id = t.client_id)"
		if n := s.Int(t, dangling); n > 0 {
			t.Errorf("%d rows of %s dangle", n, table)
		}
	}
	// Bookings that committed before the erasure exist and belong to their client.
	for _, w := range slices.Concat(written...) {
		booked := func() int {
			return s.Int(t, `SELECT count(*) FROM appointments
				WHERE client_id = $1::text::bigint AND starts_at > now() AND status = 'booked'`, w.client)
		}
		if w.code == "future_appointment" && !w.refused && booked() != 1 {
			t.Errorf("the appointment of client %s is not there", w.client)
		}
	}
	s.mails(t, 1)
	s.controlNamesNobody(t)
	s.NoTraces(t, slices.DeleteFunc(slices.Clone(asked), func(id string) bool { return slices.Contains(left, id) }))
}
