package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
)

func TestAnErasureOverHTTPKeepsEveryPromise(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	c := admin(t, s.start(t, both, app.Tuning{}), "1")
	asked := s.Clients(t, 1, 2*s.batch+20) // three batches
	held := s.plain(t, 1, 60)[59]
	if !slices.Contains(asked, held) {
		t.Fatalf("client %s is none of those to erase", held)
	}
	before := s.snapshot(t, asked)

	release := s.hold(t, held)
	job := mustErase(t, c, apiclient.Erasure{
		ClientIDs: asked,
		Notify:    []string{"owner@studio.example", "office@studio.example"},
		Locale:    "en",
	})
	if job.State != jobs.Scheduled || job.Counts.Pending != len(asked) || job.Mail.State != jobs.MailWaiting {
		t.Errorf("accepted as %+v", job)
	}
	if n := s.Int(t, "SELECT count(*) FROM oubli.tasks WHERE kind = 'batch'"); n != 3 {
		t.Errorf("%d batches, want 3", n)
	}
	job = until(t, c, job.ID, "all but the client whom live traffic holds", func(j jobs.Job) bool { return j.Counts.Pending == 1 })
	if mails := s.inbox.Mails(); len(mails) > 0 || job.State != jobs.Running || job.Mail.State != jobs.MailWaiting {
		t.Errorf("%d mails came while a batch was open, of %+v", len(mails), job)
	}
	release()

	job = until(t, c, job.ID, "the end", mailed)
	gone := before.holds(t, job)
	if len(gone) < 2*s.batch || job.Counts.Skipped == 0 || job.Counts.ErasedRetained == 0 {
		t.Errorf("the seeded clients do not try what they should: %+v", job.Counts)
	}
	before.expectRows(t, job, gone)

	mails := s.mails(t, 2)
	var to []string
	for _, m := range mails {
		to = append(to, m.To...)
		if !m.At.After(*job.FinishedAt) {
			t.Errorf("a mail came at %s, the job ended at %s", m.At, job.FinishedAt)
		}
		parsed := parts(t, m)
		if parsed["subject"] != "Client deletion complete, with exceptions" {
			t.Errorf("subject %q", parsed["subject"])
		}
		for _, text := range []string{parsed["text/plain"], parsed["text/html"]} {
			for _, want := range []string{
				fmt.Sprintf("%d clients out of %d were deleted", len(gone), len(asked)),
				job.ID, fmt.Sprint(job.Counts.Erased), fmt.Sprint(job.Counts.ErasedRetained), fmt.Sprint(job.Counts.Skipped),
			} {
				if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
					t.Errorf("the mail does not say %q:\n%s", want, text)
				}
			}
		}
	}
	slices.Sort(to)
	if !slices.Equal(to, []string{"office@studio.example", "owner@studio.example"}) {
		t.Errorf("mails went to %q", to)
	}
}

// expectRows compares the rows that a job reports with those that its erased
// clients had.
func (b *snapshot) expectRows(t *testing.T, job jobs.Job, gone []string) {
	t.Helper()
	want := map[string]int64{}
	for _, id := range gone {
		for table, n := range b.rows[id] {
			want[table] += n
		}
	}
	for table, n := range want {
		got := job.Rows[table]
		switch table {
		case "clients": // clients whom they recommended: their reference becomes NULL
			if got < n {
				t.Errorf("%s: %d rows reported, the erased had %d", table, got, n)
			}
		case "addresses", "invoice_lines": // a household's address stays; a line without a link needs no change
			if got == 0 || got > n {
				t.Errorf("%s: %d rows reported, the erased had %d", table, got, n)
			}
		default:
			if got != n {
				t.Errorf("%s: %d rows reported, the erased had %d", table, got, n)
			}
		}
	}
}

func TestThreeErasedClientsOfOneClassKeepTheClassAtThree(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	c := admin(t, s.start(t, both, app.Tuning{}), "1")
	s.Exec(t, `INSERT INTO class_sessions (studio_id, staff_id, title, starts_at, capacity)
		SELECT 1, id, 'Yin Yoga', now() - interval '2 years', 3 FROM staff WHERE studio_id = 1 LIMIT 1`)
	class := s.Int(t, "SELECT max(id) FROM class_sessions")
	three := s.plain(t, 1, 3)
	s.Exec(t, `INSERT INTO participations (session_id, client_id, status, price_cents, paid_cents, comment)
		SELECT $1, id, 'attended', 1500, 1500, last_name FROM clients WHERE id = ANY($2::text[]::bigint[])`, class, three)
	s.countAgain(t)
	before := s.snapshot(t, three)

	job := until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: three}).ID, "the end", ended)
	if gone := before.holds(t, job); len(gone) != 3 {
		t.Fatalf("%d of three are gone: %+v", len(gone), job)
	}
	seats := s.Strings(t, `SELECT DISTINCT p.client_id::text FROM participations p JOIN clients c ON c.id = p.client_id
		WHERE p.session_id = $1 AND c.is_anonymous AND c.studio_id = 1 AND p.comment IS NULL AND p.paid_cents = 1500`, class)
	if len(seats) != 3 {
		t.Errorf("the class has participations of the profiles %v, want three different ones", seats)
	}
	if shared := s.Int(t, `SELECT count(DISTINCT a.client_id) FROM appointments a JOIN clients c ON c.id = a.client_id
		WHERE c.is_anonymous`); shared != 1 {
		t.Errorf("appointments of the erased belong to %d profiles, want the shared one", shared)
	}
}

func TestTwoBatchesPutClientsOfOneClassOnDifferentProfiles(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.batch = 5
	c := admin(t, s.start(t, both, app.Tuning{}), "1")
	busiest := s.Int(t, `SELECT s.id FROM class_sessions s JOIN participations p ON p.session_id = s.id
		WHERE studio_id = 1 GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1`)
	everybody := s.Strings(t, "SELECT client_id::text FROM participations WHERE session_id = $1", busiest)
	before := s.snapshot(t, everybody)
	job := until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: everybody, Override: []string{"future_appointment"}}).ID, "the end", ended)
	before.holds(t, job)
	if n := s.Int(t, "SELECT count(DISTINCT client_id) FROM participations WHERE session_id = $1", busiest); n != len(everybody) {
		t.Errorf("the class of %d has %d different participants", len(everybody), n)
	}
}

func TestAClientThatAnotherSessionLocksIsErasedLater(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	c := admin(t, s.start(t, both, app.Tuning{}), "1")
	asked := s.plain(t, 1, 30)
	before := s.snapshot(t, asked)
	release := s.hold(t, asked[0])
	job := mustErase(t, c, apiclient.Erasure{ClientIDs: asked})
	until(t, c, job.ID, "all others", func(j jobs.Job) bool { return j.Counts.Pending == 1 })
	// The batch is given back at least once: the job waits and does not fail.
	bookingdb.Wait(t, "the batch to be given back", func() bool {
		return s.Int(t, "SELECT count(*) FROM oubli.tasks WHERE kind = 'batch' AND attempt > 1") == 1
	})
	if left := s.Existing(t, asked); !slices.Equal(left, asked[:1]) {
		t.Errorf("left are %v, want only the client who is held", left)
	}
	release()
	job = until(t, c, job.ID, "the end", ended)
	before.allErased(t, job)
}
