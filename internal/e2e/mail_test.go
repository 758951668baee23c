package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/jobs"
)

// shortRetry makes the first pause after a mail failure short.
var shortRetry = app.Tuning{MailRetry: 20 * time.Millisecond}

func TestMailErrorsNeverChangeTheJob(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	c := admin(t, s.start(t, both, shortRetry), "1")
	everybody := s.plain(t, 1, 6)
	for i, test := range []struct {
		to    []string
		mails int
		want  jobs.MailStatus
	}{
		{[]string{"anna+451x1@studio.example"}, 1, jobs.MailStatus{State: jobs.MailSent, Attempts: 2}},
		{[]string{"anna+data451x2@studio.example"}, 1, jobs.MailStatus{State: jobs.MailSent, Attempts: 3}},
		{[]string{"anna+550@studio.example"}, 0, jobs.MailStatus{State: jobs.MailFailed, Attempts: 1}},
		{[]string{"anna+data554@studio.example", "berta@studio.example"}, 1, jobs.MailStatus{State: jobs.MailFailed, Attempts: 2}},
		{[]string{"anna@studio.example", "berta+421x1@studio.example", "chris@studio.example"}, 3,
			jobs.MailStatus{State: jobs.MailSent, Attempts: 4}},
	} {
		before := len(s.inbox.Mails())
		job := until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: everybody[i : i+1], Notify: test.to}).ID, "the mail's end", mailed)
		if job.State != jobs.Completed || job.Counts.Done() != 1 || job.Counts.Exceptions() != 0 {
			t.Errorf("%v: the job became %+v", test.to, job)
		}
		s.mails(t, before+test.mails)
		// The state is "failed" after one refusal, while other mails may still be sent.
		if job = until(t, c, job.ID, "a look", ended); job.Mail != test.want {
			t.Errorf("%v: mail %+v, want %+v", test.to, job.Mail, test.want)
		}
	}
}

func TestAMailWaitsForAServerThatIsAway(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	c := admin(t, s.start(t, both, shortRetry), "1")
	s.inbox.Stop()
	job := mustErase(t, c, apiclient.Erasure{ClientIDs: s.plain(t, 1, 3), Notify: []string{"anna@studio.example", "berta@studio.example"}})
	job = until(t, c, job.ID, "two failed tries", func(j jobs.Job) bool { return j.Mail.Attempts >= 4 })
	if job.State != jobs.Completed || job.Mail.State != jobs.MailPending {
		t.Errorf("while the server is away: %+v", job)
	}
	if err := s.inbox.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if job = until(t, c, job.ID, "the mails", mailed); job.Mail.State != jobs.MailSent {
		t.Errorf("%+v", job.Mail)
	}
	var to []string
	for _, m := range s.mails(t, 2) {
		to = append(to, m.To...)
	}
	if slices.Sort(to); !slices.Equal(to, []string{"anna@studio.example", "berta@studio.example"}) {
		t.Errorf("mails went to %v", to)
	}
}

func TestAfterALostAnswerTheSameMailIsSentAgain(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	c := admin(t, s.start(t, both, shortRetry), "1")
	job := mustErase(t, c, apiclient.Erasure{ClientIDs: s.plain(t, 1, 1), Notify: []string{"anna+dropx1@studio.example"}})
	job = until(t, c, job.ID, "the mail", mailed)
	mails := s.mails(t, 2)
	if first, second := parts(t, mails[0]), parts(t, mails[1]); first["id"] != second["id"] || job.Mail.State != jobs.MailSent {
		t.Errorf("Message-IDs %q and %q, %+v", first["id"], second["id"], job.Mail)
	}
}

func TestNoMailIsSentWhenNobodyIsToBeNotified(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	service := s.start(t, both, shortRetry)
	c := admin(t, service, "1")
	a := send(t, service, http.MethodPost, "/v1/erasures", mustMint(t, "1", jobs.Admin), "k",
		fmt.Sprintf(`{"client_ids": [%s], "reason": "subject_request", "notify": []}`, s.plain(t, 1, 1)[0]))
	if job := until(t, c, a.job.ID, "the end", ended); job.Mail != (jobs.MailStatus{State: jobs.MailNone}) {
		t.Errorf("%+v", job.Mail)
	}
	// Without notify the caller gets the mail. This job ends after the first one.
	until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: []string{"999999"}}).ID, "the caller's mail", mailed)
	if m := s.mails(t, 1)[0]; !slices.Equal(m.To, []string{"ops@example.com"}) {
		t.Errorf("the mail went to %v", m.To)
	}
}
