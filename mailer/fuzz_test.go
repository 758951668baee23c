package mailer

import (
	"bytes"
	"errors"
	"net/mail"
	"slices"
	"strings"
	"testing"

	"github.com/oubli/oubli/jobs"
)

func TestAnAddressWithALineBreakIsRefused(t *testing.T) {
	t.Parallel()
	m := (&server{host: "mail.example.org", port: 587}).mailer(t)
	for _, to := range []string{
		"", "nobody", "a@example.org\r\nBcc: b@example.org", "a@example.org\n", "\"a\r\nb\"@example.org", "a@example.org\x00",
		"a@example.org, b@example.org", "=?utf-8?q?a=0D=0ABcc:_b?= <a@example.org>", strings.Repeat("a", 250) + "@example.org",
	} {
		l := sample("en", jobs.Completed)
		l.To = to
		_, err := m.Render(l)
		if e, ok := errors.AsType[*jobs.Error](err); !ok || e.Kind != jobs.Invalid || e.Code != "mail_address" {
			t.Errorf("%q: got %v, want it refused", to, err)
		}
	}
}

func TestAMailWithoutAnIDOrBeforeTheEndIsRefused(t *testing.T) {
	t.Parallel()
	m := (&server{host: "mail.example.org", port: 587}).mailer(t)
	nameless, early := sample("en", jobs.Completed), sample("en", jobs.Running)
	nameless.ID = ""
	_, err := m.Render(nameless)
	wantError(t, err, jobs.Invalid, "mail_id")
	_, err = m.Render(early)
	wantError(t, err, jobs.Invalid, "mail_state")
}

// FuzzHeaders looks for an address that adds a header to the mail, or that a mail
// program reads as another address.
func FuzzHeaders(f *testing.F) {
	m, err := New(Options{Host: "mail.example.org", From: "oubli <no-reply@example.org>", PublicURL: "https://booking.example", HELO: "test"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("marie@studio.example", "0197f3a2", "0197f39f", "fr-CH", "future_appointment")
	f.Add("\"a b\"@example.org", "x@y>\r\nBcc: z", "../../x", "de_DE.UTF-8", "23503:fk")
	f.Add("=?utf-8?q?x=0Ay?= <a@[127.0.0.1]>", "é", "<script>", "\r\n", "{n}")
	f.Add("=?UTF-8?B?YQ0KQmNjOiBiQGMuZA==?= <a@b.example>", "id", "job\r\nBcc: x", "nl\r\nX-Evil: 1", "guard\r\n.\r\nMAIL FROM:<>")
	f.Add("a@xn--stdio-0ra.example", "=?utf-8?q?id?=", "\u202egpj.exe", "it-IT-u-co-phonebk", "\u2028\u2029\u0085")
	want := []string{
		"Auto-Submitted", "Content-Language", "Content-Type", "Date", "From", "Message-Id",
		"Mime-Version", "Subject", "To", "X-Auto-Response-Suppress",
	}
	f.Fuzz(func(t *testing.T, to, id, job, locale, code string) {
		l := sample(locale, jobs.CompletedWithExceptions)
		l.To, l.ID, l.JobID, l.Exceptions = to, id, job, map[string]int{code: 361}
		msg, err := m.Render(l)
		if err != nil {
			if jobs.KindOf(err) != jobs.Invalid {
				t.Fatalf("%v", err)
			}
			return
		}
		read, err := mail.ReadMessage(bytes.NewReader(msg.Bytes()))
		if err != nil {
			t.Fatalf("not a message: %v\n%s", err, msg.Bytes())
		}
		var got []string
		for name, values := range read.Header {
			for range values {
				got = append(got, name)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Fatalf("headers %q, want %q", got, want)
		}
		parsed, err := mail.ParseAddress(to)
		if err != nil {
			t.Fatal(err)
		}
		list, err := read.Header.AddressList("To")
		if err != nil || len(list) != 1 || list[0].Address != parsed.Address {
			t.Fatalf("To is %q, want %q alone (%v)", read.Header.Get("To"), parsed.Address, err)
		}
		if strings.ContainsAny(msg.recipient+msg.sender, "\r\n") {
			t.Fatalf("a line break in the envelope: %q %q", msg.sender, msg.recipient)
		}
		for line := range bytes.Lines(msg.Bytes()) {
			if len(line) > 1000 || !bytes.HasSuffix(line, []byte("\r\n")) {
				t.Fatalf("a line against RFC 5322 §2.1.1: %q", line)
			}
		}
	})
}
