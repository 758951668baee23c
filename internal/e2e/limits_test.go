package e2e

import (
	"bytes"
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/jobs"
)

func TestTheLimitsOfTheSettingsHoldAndOublisOwnClientWaits(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	service := s.startWith(t, onlyAPI, "OUBLI_LIMIT_REQUESTS=1", "OUBLI_LIMIT_FAILURES=3")
	token := mustMint(t, "1", jobs.Viewer)
	spend := func(token string) (refused int) {
		for range 25 {
			status, code := ask(t, service, http.MethodGet, "/v1/erasures", token, "", nil)
			if status == http.StatusTooManyRequests && code == "too_many_requests" {
				refused++
			}
		}
		return refused
	}
	if n := spend(token); n == 0 {
		t.Error("25 requests at once pass, where 10 may")
	}
	// The command line's client waits as long as Retry-After says.
	if _, err := apiclient.New("http://"+service.APIAddr, token).List(t.Context(), "", jobs.Page{}); err != nil {
		t.Errorf("the client gives up: %v", err)
	}
	if n := spend("x.y.z"); n < 15 {
		t.Errorf("of 25 failures %d are only told to wait, want all but a few", n)
	}
	if status, code := ask(t, service, http.MethodGet, "/v1/erasures", mustMint(t, "2", jobs.Viewer), "", nil); status != http.StatusOK {
		t.Errorf("a good token from the same address is answered %d %s", status, code)
	}
	open := s.startWith(t, onlyAPI, "OUBLI_LIMIT_REQUESTS=0", "OUBLI_LIMIT_BYTES=0", "OUBLI_LIMIT_FAILURES=0")
	for range 100 {
		if status, _ := ask(t, open, http.MethodGet, "/v1/erasures", "x.y.z", "", nil); status != http.StatusUnauthorized {
			t.Fatalf("without a limit a failure is answered %d", status)
		}
	}
}

func TestNoTextOfARequestOrTheDatabaseAddsAHeaderToTheMail(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	for _, check := range s.Strings(t, `SELECT quote_ident(conname) FROM pg_constraint
		WHERE conrelid = 'studios'::regclass AND contype = 'c'`) {
		s.Exec(t, "ALTER TABLE studios DROP CONSTRAINT "+check)
	}
	s.Exec(t, `UPDATE studios
		SET locale = E'fr\r\nBcc: evil@example.org\r\n\r\n.\r\nMAIL FROM:<evil@example.org>',
		  name = E'=?utf-8?q?x=0D=0ABcc:_evil@example.org?='
		WHERE id = 1`)
	c := admin(t, s.start(t, both, shortRetry), "1")
	job := until(t, c, mustErase(t, c, apiclient.Erasure{
		ClientIDs: s.plain(t, 1, 1), Notify: []string{"owner@studio.example"},
		Comment: "\r\n.\r\nRCPT TO:<evil@example.org>\r\nBcc: evil@example.org =?utf-8?q?=0D=0ABcc:_evil@example.org?= \u202e",
	}).ID, "the mail", mailed)
	if job.Mail.State != jobs.MailSent {
		t.Errorf("the mail is %+v", job.Mail)
	}
	m := s.mails(t, 1)[0]
	if !slices.Equal(m.To, []string{"owner@studio.example"}) || bytes.Contains(m.Data, []byte("evil")) {
		t.Errorf("to %v:\n%s", m.To, m.Data)
	}
	msg, err := mail.ReadMessage(bytes.NewReader(m.Data))
	if err != nil {
		t.Fatal(err)
	}
	language := msg.Header.Get("Content-Language")
	if len(msg.Header["Bcc"])+len(msg.Header["Cc"]) > 0 || len(msg.Header["To"]) != 1 ||
		!strings.HasPrefix(language, "fr") && language != "en" {
		t.Errorf("the headers are %v", msg.Header)
	}
}
