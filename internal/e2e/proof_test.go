package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/local"
	"github.com/oubli/oubli/jobs"
)

// marker matches the markers of any client: see booking.Markers.
var marker = regexp.MustCompile(`(?i)` + booking.MarkerPattern)

// mustErase submits an erasure.
func mustErase(t *testing.T, c *apiclient.Client, e apiclient.Erasure) jobs.Job {
	t.Helper()
	if e.Reason == "" {
		e.Reason = jobs.SubjectRequest
	}
	job, err := c.CreateErasure(t.Context(), e, "")
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// until reads the job until it is as wanted. Its outcomes must add up at every
// reading (invariant I5).
func until(t *testing.T, c *apiclient.Client, id, what string, done func(jobs.Job) bool) jobs.Job {
	t.Helper()
	var job jobs.Job
	bookingdb.Wait(t, what, func() bool {
		now, err := c.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if now.Counts.Total() != now.Requested || now.Counts.Pending < 0 || job.ID != "" && now.Counts.Done() < job.Counts.Done() {
			t.Fatalf("outcomes do not add up to %d, or go back:\nbefore %+v\nnow    %+v", now.Requested, job.Counts, now.Counts)
		}
		job = now
		return done(job)
	})
	return job
}

func ended(j jobs.Job) bool { return j.State.Final() }

// mailed is true once nothing more will happen to the job.
func mailed(j jobs.Job) bool {
	return ended(j) && slices.Contains([]jobs.MailState{jobs.MailNone, jobs.MailSent, jobs.MailFailed}, j.Mail.State)
}

// snapshot is how the database looked before some clients were to be erased.
type snapshot struct {
	*stack
	keys      []string
	untouched []booking.TableDigest
	each      map[string]string           // a digest of all that belongs to a client
	rows      map[string]map[string]int64 // rows of a client, by table
}

func (s *stack) snapshot(t *testing.T, keys []string) *snapshot {
	t.Helper()
	b := &snapshot{stack: s, keys: keys, untouched: s.Untouched(t, keys)}
	b.each, b.rows = s.belongings(t, keys)
	return b
}

// belongingsSQL is every row of a client as text. A reference to the client who recommended
// them is left out: it goes when that client does.
const belongingsSQL = `
	SELECT 'clients' AS name, id, (to_jsonb(t) - 'referred_by' - 'updated_at')::text AS content FROM clients t
	UNION ALL SELECT 'addresses', c.id, t::text FROM addresses t JOIN clients c ON c.address_id = t.id
	UNION ALL SELECT 'appointments', client_id, t::text FROM appointments t
	UNION ALL SELECT 'participations', client_id, t::text FROM participations t
	UNION ALL SELECT 'invoices', client_id, t::text FROM invoices t
	UNION ALL SELECT 'invoice_lines', i.client_id, t::text FROM invoice_lines t JOIN invoices i ON i.id = invoice_id
	UNION ALL SELECT 'client_notes', client_id, t::text FROM client_notes t
	UNION ALL SELECT 'messages', client_id, t::text FROM messages t
	UNION ALL SELECT 'consents', client_id, t::text FROM consents t
	UNION ALL SELECT 'memberships', client_id, t::text FROM memberships t
	UNION ALL SELECT 'audit_log', subject_id, t::text FROM audit_log t WHERE subject_type = 'Client'`

func (s *stack) belongings(t *testing.T, keys []string) (map[string]string, map[string]map[string]int64) {
	t.Helper()
	found, err := s.Pool.Query(t.Context(), `
		SELECT id::text, name, count(*), sum(hashtextextended(content, 0))::text FROM (`+belongingsSQL+`) AS belongings
		WHERE id = ANY($1::text[]::bigint[]) GROUP BY 1, 2 ORDER BY 1, 2`, keys)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	each, rows := map[string]string{}, map[string]map[string]int64{}
	for found.Next() {
		var id, name, digest string
		var n int64
		if err := found.Scan(&id, &name, &n, &digest); err != nil {
			t.Fatal(err)
		}
		each[id] += fmt.Sprintf("%s: %d rows, %s\n", name, n, digest)
		if rows[id] == nil {
			rows[id] = map[string]int64{}
		}
		rows[id][name] = n
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return each, rows
}

// holds compares an ended job with the database: every requested client is fully
// erased or unchanged (I1), nobody else has changed (I2), the sums are as before
// (I3), no data of the erased is left (I4), and the outcomes are correct (I5). It
// returns the erased clients.
func (b *snapshot) holds(t *testing.T, job jobs.Job) (gone []string) {
	t.Helper()
	if !job.State.Final() || job.Counts.Pending != 0 || job.Counts.Total() != job.Requested {
		t.Errorf("the job has not come to an end that adds up: %+v", job)
	}
	if now := b.Untouched(t, b.keys); !slices.Equal(now, b.untouched) {
		t.Errorf("rows of others changed:\nbefore %+v\nafter  %+v", b.untouched, now)
	}
	b.SameTotals(t)
	now, _ := b.belongings(t, b.keys)
	left := b.Existing(t, b.keys)
	for _, id := range b.keys {
		switch {
		case !slices.Contains(left, id):
			gone = append(gone, id)
			if now[id] != "" {
				t.Errorf("client %s is half erased; left are:\n%s", id, now[id])
			}
		case now[id] != b.each[id]:
			t.Errorf("client %s is there, and changed:\nbefore\n%safter\n%s", id, b.each[id], now[id])
		}
	}
	b.NoTraces(t, gone)
	if want := job.Counts.Erased + job.Counts.ErasedRetained; len(gone) != want {
		t.Errorf("%d clients are gone, the job says %d", len(gone), want)
	}
	if orphans := b.Int(t, "SELECT count(*) FROM oubli.tasks WHERE job_id = $1 AND kind <> 'mail' AND state <> 'done'", job.ID); orphans > 0 {
		t.Errorf("%d tasks are open although the job has ended", orphans)
	}
	b.controlNamesNobody(t)
	return gone
}

// allErased is holds for a job that must erase everybody and complete.
func (b *snapshot) allErased(t *testing.T, job jobs.Job) {
	t.Helper()
	if gone := b.holds(t, job); len(gone) != len(b.keys) || job.State != jobs.Completed {
		t.Errorf("%d of %d are gone: %+v", len(gone), len(b.keys), job)
	}
}

// controlNamesNobody searches oubli's own tables for data of clients.
func (s *stack) controlNamesNobody(t *testing.T) {
	t.Helper()
	for _, row := range s.Strings(t, `SELECT t::text FROM oubli.jobs t UNION ALL SELECT t::text FROM oubli.tasks t
		UNION ALL SELECT t::text FROM oubli.exceptions t UNION ALL SELECT t::text FROM oubli.idempotency_keys t`) {
		if found := marker.FindString(row); found != "" {
			t.Errorf("a control table contains data of a client: %q in %s", found, row)
		}
	}
}

// codesOf are the codes of a job's clients that are not plainly erased.
func codesOf(t *testing.T, c *apiclient.Client, id string, outcome jobs.Outcome) map[string]string {
	t.Helper()
	codes := map[string]string{}
	for e, err := range c.Exceptions(t.Context(), id, outcome) {
		if err != nil {
			t.Fatal(err)
		}
		codes[e.ClientID] = e.Code
	}
	return codes
}

// mails waits for as many mails and fails the test when there are more.
func (s *stack) mails(t *testing.T, n int) []local.Mail {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := s.inbox.Wait(ctx, n); err != nil {
		t.Fatal(err)
	}
	bookingdb.Wait(t, "the mails' own tasks to end", func() bool {
		return s.Int(t, "SELECT count(*) FROM oubli.tasks WHERE kind = 'mail' AND state IN ('pending', 'running')") == 0
	})
	all := s.inbox.Mails()
	if len(all) != n {
		t.Fatalf("%d mails came, want %d", len(all), n)
	}
	return all
}

// parts decodes a mail: its subject, and its text and HTML.
func parts(t *testing.T, m local.Mail) map[string]string {
	t.Helper()
	msg, err := mail.ReadMessage(bytes.NewReader(m.Data))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"subject": subject, "id": msg.Header.Get("Message-ID")}
	_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	for r := multipart.NewReader(msg.Body, params["boundary"]); ; {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil || part.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			t.Fatalf("part in %s: %v", part.Header.Get("Content-Transfer-Encoding"), err)
		}
		media, _, _ := strings.Cut(part.Header.Get("Content-Type"), ";")
		all[media] = string(body)
	}
	for name, text := range all {
		if found := marker.FindString(text); found != "" {
			t.Errorf("the mail's %s contains data of a client: %q", name, found)
		}
	}
	if keys := slices.Sorted(maps.Keys(all)); !slices.Equal(keys, []string{"id", "subject", "text/html", "text/plain"}) {
		t.Fatalf("the mail has %v", keys)
	}
	return all
}
