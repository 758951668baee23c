package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/cli"
	"github.com/oubli/oubli/jobs"
)

// confirms confirms a selection and follows the job to its end.
func (s *stack) confirms(t *testing.T, service *app.Service, studio string, sel jobs.Selection, dry bool) jobs.Job {
	t.Helper()
	var job jobs.Job
	body := fmt.Sprintf(`{"selection_id": %q, "expected_count": %d, "reason": "inactivity", "dry_run": %v}`, sel.ID, sel.Total, dry)
	status, code := ask(t, service, http.MethodPost, "/v1/erasures", mustMint(t, studio, jobs.Admin), body, &job)
	if status != http.StatusAccepted {
		t.Fatalf("%s is answered %d %s", body, status, code)
	}
	return s.follows(t, service, studio, job)
}

func (s *stack) follows(t *testing.T, service *app.Service, studio string, job jobs.Job) jobs.Job {
	t.Helper()
	job, err := admin(t, service, studio).Follow(t.Context(), job.ID, func(jobs.Job) {})
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// retries starts a new job with the clients that were left out, and follows it.
func (s *stack) retries(t *testing.T, service *app.Service, studio string, old jobs.Job) jobs.Job {
	t.Helper()
	var job jobs.Job
	status, code := ask(t, service, http.MethodPost, "/v1/erasures/"+old.ID+"/retry", mustMint(t, studio, jobs.Admin), "", &job)
	if status != http.StatusAccepted {
		t.Fatalf("the retry is answered %d %s", status, code)
	}
	return s.follows(t, service, studio, job)
}

func TestASelectionIsTriedErasedReportedInTheReadersLanguageAndRetriedTwice(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	service := s.start(t, both, app.Tuning{})
	for studio, words := range map[string]string{"1": "Conservation imposée par un litige", "2": "Rechtliche Sperre"} {
		sel := selects(t, service, studio, `{"period": "P1Y"}`)
		var in []string
		for _, c := range preview(t, service, studio, sel.ID, 100, func() {}) {
			if c.Included {
				in = append(in, c.ClientID)
			}
		}
		mails := len(s.inbox.Mails())
		dry := s.confirms(t, service, studio, sel, true)
		left := s.Existing(t, in)
		if !dry.DryRun || dry.Counts.Exceptions() != 0 || dry.Mail.State != jobs.MailNone ||
			len(left) != len(in) || len(s.inbox.Mails()) != mails {
			t.Fatalf("rehearsal of %d, of whom %d are left: %+v", len(in), len(left), dry)
		}

		// The rehearsal has not used the selection up. Two are put on hold.
		s.Exec(t, "UPDATE clients SET legal_hold = true WHERE id = ANY($1::text[]::bigint[])", in[:2])
		wet := s.confirms(t, service, studio, sel, false)
		if wet.Exceptions["legal_hold"] != 2 || wet.Counts.Skipped != 2 || len(s.Existing(t, in)) != 2 {
			t.Fatalf("erasure: %+v", wet)
		}
		for _, table := range []string{"memberships", "audit_log"} {
			if wet.Rows[table] > dry.Rows[table] {
				t.Errorf("%s: the rehearsal counted %d rows, the erasure of two fewer clients %d", table, dry.Rows[table], wet.Rows[table])
			}
		}
		got, err := s.inbox.Wait(t.Context(), mails+1)
		if err != nil {
			t.Fatal(err)
		}
		if text := parts(t, got[mails])["text/plain"]; !strings.Contains(text, words) {
			t.Errorf("studio %s: the mail is\n%s\nwant the reason: %s", studio, text, words)
		}
		if studio == "1" {
			code, out, _ := typed(t, service, "", "status", wet.ID)
			if code != cli.ExitExceptions || !strings.Contains(out, "legal_hold") {
				t.Errorf("status: exit %d\n%s", code, out)
			}
		}

		s.Exec(t, "UPDATE clients SET legal_hold = false WHERE id = $1::text::bigint", in[0])
		again := s.retries(t, service, studio, wet)
		if again.Requested != 2 || again.Counts.Skipped != 1 {
			t.Errorf("retry: %+v", again)
		}
		s.Exec(t, "UPDATE clients SET legal_hold = false WHERE id = $1::text::bigint", in[1])
		if last := s.retries(t, service, studio, again); last.Requested != 1 || last.State != jobs.Completed {
			t.Errorf("retry of the retry: %+v", last)
		}
		if left := s.Existing(t, in); len(left) != 0 {
			t.Errorf("left are %v", left)
		}
		if _, err := s.inbox.Wait(t.Context(), mails+3); err != nil {
			t.Error(err)
		}
	}
}
