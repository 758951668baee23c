package mailer

import (
	"bytes"
	"testing"

	"github.com/oubli/oubli/jobs"
)

// Every relay takes the ASCII form of a domain. Only a local part that is not ASCII
// needs a relay with SMTPUTF8.
func TestADomainIsSentInItsASCIIForm(t *testing.T) {
	t.Parallel()
	m, err := New(Options{Host: "127.0.0.1", Port: 25, TLS: TLSNone, From: "no-reply@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]string{
		"anna@müller.example":   "anna@xn--mller-kva.example",
		"anna@MÜLLER.example":   "anna@xn--mller-kva.example",
		"anna@例え.テスト":           "anna@xn--r8jz45g.xn--zckzah",
		"anna@Studio.example":   "anna@Studio.example",
		"zoë@müller.example":    "zoë@xn--mller-kva.example",
		"anna@\u202emü.example": "anna@\u202emü.example",
	} {
		l := sample("en", jobs.Completed)
		l.To = to
		msg, err := m.Render(l)
		if err != nil {
			t.Errorf("%q: %v", to, err)
			continue
		}
		if msg.recipient != "<"+want+">" || msg.international != !ascii(want) {
			t.Errorf("%q is sent to %q, with SMTPUTF8: %t; want %q", to, msg.recipient, msg.international, want)
		}
		if ascii(want) && !bytes.Contains(msg.Bytes(), []byte("<"+want+">")) {
			t.Errorf("%q: To does not name %q", to, want)
		}
	}
}
