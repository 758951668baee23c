package e2e

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
)

func TestAClientWhoBooksWhileTheJobWaitsIsNotErased(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	c := admin(t, s.start(t, both, app.Tuning{}), "1")
	asked := s.plain(t, 1, 6)
	returning := asked[2]
	later := time.Now().Add(time.Hour)
	job := mustErase(t, c, apiclient.Erasure{ClientIDs: asked, NotBefore: &later})
	s.Exec(t, bookSQL, returning)
	s.countAgain(t)
	before := s.snapshot(t, asked)
	if now, err := c.Get(t.Context(), job.ID); err != nil || now.State != jobs.Scheduled || now.NotBefore == nil {
		t.Fatalf("%+v, %v; want a job that waits for its time", now, err)
	}
	s.Exec(t, "UPDATE oubli.tasks SET run_at = now()")
	job = until(t, c, job.ID, "the end", ended)
	before.holds(t, job)
	if code := codesOf(t, c, job.ID, jobs.Skipped)[returning]; code != "future_appointment" || job.Counts.Skipped != 1 {
		t.Errorf("the client who came back is reported as %q: %+v", code, job)
	}
}

// bookSQL books an appointment for a client in three days.
const bookSQL = `
	INSERT INTO appointments (studio_id, client_id, starts_at, status, price_cents, client_name, service)
	SELECT studio_id, id, now() + interval '3 days', 'booked', 4500, first_name || ' ' || last_name, 'Pilates'
	FROM clients WHERE id = $1::text::bigint`

// The booking begins before the erasure reads the client, and commits after it.
// The erasure waits for the booking's lock on the client, so it sees the booking.
func TestABookingInAnOpenTransactionKeepsItsClient(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	c := admin(t, s.start(t, both, app.Tuning{}), "1")
	asked := s.plain(t, 1, 12)
	returning := asked[5]
	tx, err := s.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), bookSQL, returning); err != nil {
		t.Fatal(err)
	}
	job := mustErase(t, c, apiclient.Erasure{ClientIDs: asked})
	until(t, c, job.ID, "all others", func(j jobs.Job) bool { return j.Counts.Pending == 1 })
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	job = until(t, c, job.ID, "the end", ended)
	if code := codesOf(t, c, job.ID, jobs.Skipped)[returning]; code != "future_appointment" || job.Counts.Skipped != 1 {
		t.Errorf("the client who booked is reported as %q: %+v", code, job)
	}
	if left := s.Existing(t, asked); len(left) != 1 || left[0] != returning {
		t.Errorf("left are %v, want %s", left, returning)
	}
	if n := s.Int(t, "SELECT count(*) FROM appointments WHERE client_id = $1::text::bigint AND client_name ILIKE $2", returning,
		"%"+booking.Marker(bookingdb.IDs(t, []string{returning})[0])+"%"); n == 0 {
		t.Error("the appointment does not have the name of the client who booked it")
	}
}

func TestGuardsLeaveTheirClientsUntouched(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	service := s.start(t, both, app.Tuning{})
	c := admin(t, service, "1")
	asked := s.plain(t, 1, 12)
	guarded := map[string]string{
		asked[1]: "legal_hold",
		asked[3]: "unpaid_balance",
		asked[5]: "future_appointment",
		asked[7]: "open_invoice",
		asked[9]: "unpaid_balance",
	}
	s.Exec(t, "UPDATE clients SET legal_hold = true WHERE id = $1::text::bigint", asked[1])
	s.Exec(t, "UPDATE clients SET balance_cents = -1 WHERE id = $1::text::bigint", asked[3])
	s.Exec(t, bookSQL, asked[5])
	s.Exec(t, `INSERT INTO invoices (studio_id, client_id, number, issued_on, status, total_cents, billing_name)
		VALUES (1, $1::text::bigint, 'R-1', now(), 'open', 100, 'x')`, asked[7])
	s.Exec(t, "UPDATE clients SET balance_cents = 250 WHERE id = $1::text::bigint", asked[9])
	s.countAgain(t)
	before := s.snapshot(t, asked)
	job := until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: asked}).ID, "the end", mailed)
	before.holds(t, job)
	codes := codesOf(t, c, job.ID, jobs.Skipped)
	if len(codes) != len(guarded) || job.Counts.Skipped != len(guarded) || job.State != jobs.CompletedWithExceptions {
		t.Errorf("skipped are %v: %+v", codes, job)
	}
	for id, guard := range guarded {
		if codes[id] != guard {
			t.Errorf("client %s is skipped for %q, want %s", id, codes[id], guard)
		}
	}
	if job.Exceptions["unpaid_balance"] != 2 || job.Exceptions["legal_hold"] != 1 {
		t.Errorf("exceptions by code: %v", job.Exceptions)
	}
	if subject := parts(t, s.mails(t, 1)[0])["subject"]; subject != "Suppression de clients terminée, avec exceptions" {
		t.Errorf("subject %q", subject)
	}

	// A request may override a guard that the map calls overridable.
	pair := []string{asked[1], asked[5]}
	before = s.snapshot(t, pair)
	job = until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: pair, Override: []string{"future_appointment"}}).ID, "the end", ended)
	if gone := before.holds(t, job); !slices.Equal(gone, pair[1:]) {
		t.Errorf("of %v, %v are gone: %+v", pair, gone, job)
	}
	a := send(t, service, http.MethodPost, "/v1/erasures", mustMint(t, "1", jobs.Admin), "o",
		`{"client_ids": [1], "reason": "subject_request", "override": ["legal_hold"]}`)
	if a.status != http.StatusUnprocessableEntity || a.code != "not_overridable" {
		t.Errorf("overriding a legal hold is answered %+v", a)
	}
}

func TestAnErasureForInactivitySkipsClientsWhoWereActiveSince(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	c := admin(t, s.start(t, both, app.Tuning{}), "1")
	asked := s.plain(t, 1, 6)
	later := time.Now().Add(time.Hour)
	inactive := mustErase(t, c, apiclient.Erasure{ClientIDs: asked[:4], Reason: jobs.Inactivity, NotBefore: &later})
	wish := mustErase(t, c, apiclient.Erasure{ClientIDs: asked[4:], NotBefore: &later})
	// Cancelled at once, so that no guard applies. It still counts as activity.
	for _, id := range []string{asked[1], asked[5]} {
		s.Exec(t, bookSQL, id)
		s.Exec(t, "UPDATE appointments SET status = 'cancelled' WHERE client_id = $1::text::bigint AND starts_at > now()", id)
	}
	s.countAgain(t)
	before := s.snapshot(t, asked[:4])
	s.Exec(t, "UPDATE oubli.tasks SET run_at = now() WHERE job_id = $1", inactive.ID)
	job := until(t, c, inactive.ID, "the end", ended)
	before.holds(t, job)
	if code := codesOf(t, c, job.ID, jobs.Skipped)[asked[1]]; code != jobs.CodeRecentActivity || job.Counts.Skipped != 1 {
		t.Errorf("the client who was active is reported as %q: %+v", code, job)
	}
	s.Exec(t, "UPDATE oubli.tasks SET run_at = now() WHERE job_id = $1", wish.ID)
	if job = until(t, c, wish.ID, "the end", ended); job.Counts.Skipped != 0 || job.State != jobs.Completed {
		t.Errorf("the wish of a data subject who cancelled a booking: %+v", job)
	}
}
