package worker_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/worker"
)

var (
	later = &jobs.Error{Kind: jobs.Unavailable, Code: "smtp_451", Msg: "later"}
	never = &jobs.Error{Kind: jobs.Invalid, Code: "smtp_550", Msg: "never"}
)

func TestATemporaryMailErrorIsRetriedAndARefusalIsFinal(t *testing.T) {
	t.Parallel()
	r := newRig(t, 100)
	r.mailServer.answers = map[string][]error{
		"again@studio.example": {later, later, errors.New("an error that is not from the mail server")},
		"never@studio.example": {later, never},
	}
	s := r.run()
	j := r.ended(s, r.accept(s, "1", r.db.Clients(t, 1, 3), "again@studio.example", "never@studio.example", "good@studio.example").ID)
	bookingdb.Wait(t, "all mails", func() bool {
		return r.db.Int(t, "SELECT count(*) FROM oubli.tasks WHERE kind = 'mail' AND state IN ('done', 'failed')") == 3
	})
	j = r.job(s, j.ID)
	if j.State != jobs.Completed || j.Mail.State != jobs.MailFailed || j.Mail.Attempts != 4+2+1 {
		t.Errorf("job %+v", j)
	}
	got := r.db.Strings(t, `SELECT letter->>'To' || ' ' || state || ' ' || failures || ' ' || last_error
		FROM oubli.tasks WHERE kind = 'mail' ORDER BY 1`)
	want := []string{"again@studio.example done 3 ", "good@studio.example done 0 ", "never@studio.example failed 2 smtp_550"}
	if !slices.Equal(got, want) {
		t.Errorf("mails: %q", got)
	}
	r.mailServer.wantMails(t, 2)
	if !r.logged("mail refused for good") || r.logged("@studio.example") {
		t.Error("want the refusal in the log, without the recipient")
	}
}

func TestAMailIsGivenUpAfterItsExpiry(t *testing.T) {
	t.Parallel()
	r := newRig(t, 100)
	r.mailServer.answers = map[string][]error{"a@studio.example": {later}}
	s := r.store()
	p, _ := r.dispatcher(s)
	r.work(s, p, func(o *worker.Options) { o.MailExpiry = time.Nanosecond })
	j := r.ended(s, r.accept(s, "1", nil, "a@studio.example").ID)
	if j.State != jobs.Completed || j.Mail.State != jobs.MailFailed || j.Mail.Attempts != 1 {
		t.Errorf("job %+v", j)
	}
	r.mailServer.wantMails(t, 0)
}

// The mail is sent after the last batch. It has the same counts as the API.
func TestTheMailHasTheResultOfTheJob(t *testing.T) {
	t.Parallel()
	r := newRig(t, 300)
	keys := append(r.db.Clients(t, 1, 45), "99999999")
	r.db.Exec(t, "UPDATE clients SET legal_hold = true WHERE id = ANY($1::text[]::bigint[])", keys[:2])
	s := r.run()
	j := r.ended(s, r.accept(s, "1", keys, "a@studio.example").ID)
	r.mailServer.wantMails(t, 1)
	l := r.mailServer.mails[0]
	if l.JobID != j.ID || l.State != j.State || l.Counts != j.Counts || !l.FinishedAt.Equal(*j.FinishedAt) ||
		l.Counts.Pending != 0 || l.Counts.Skipped != 2 || l.Counts.NotFound != 1 {
		t.Errorf("mail %+v\nof job %+v", l, j)
	}
}
