package mailer

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestOptionsNameEveryFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := New(Options{
		Host: "mail example", Port: 70_000, User: "oubli", TLS: 7, From: "nobody\r\nBcc: x@example.org",
		PublicURL: "ftp://booking.example", Timeout: -time.Second, HELO: "a b",
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, field := range []string{"Host:", "Port:", "User and Password:", "TLS:", "From:", "PublicURL:", "Timeout:", "HELO:"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%s is not in\n%v", field, err)
		}
	}
}

func TestAPasswordDoesNotTravelInTheClear(t *testing.T) {
	t.Parallel()
	o := Options{Host: "mail.example.org", User: "oubli", Password: "hunter2", TLS: TLSNone, From: "a@example.org"}
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), "Password:") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want a refusal that names Password and keeps it", err)
	}
	o.Host = "localhost"
	if _, err := New(o); err != nil {
		t.Errorf("to this machine: %v", err)
	}
}

func TestThePasswordCannotBePrinted(t *testing.T) {
	t.Parallel()
	o := Options{Host: "mail.example.org", User: "oubli", Password: "hunter2", From: "a@example.org"}
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	out := string(asJSON)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		out += fmt.Sprintf(verb+verb+verb, o, &o, m)
	}
	if strings.Contains(out, "hunter2") || strings.Contains(out, "68756e74657232") {
		t.Errorf("the password is in %s", out)
	}
}

func TestAURLIsReadIntoOptions(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]Options{
		"smtp://mail.example.org":                               {Host: "mail.example.org", TLS: TLSMandatory},
		"smtp://mail.example.org:25/?tls=none":                  {Host: "mail.example.org", Port: 25, TLS: TLSNone},
		"smtp://u:p%40s%2Fs@mail.example.org?tls=opportunistic": {Host: "mail.example.org", User: "u", Password: "p@s/s", TLS: TLSOpportunistic},
		"smtps://u:p@mail.example.org":                          {Host: "mail.example.org", User: "u", Password: "p", ImplicitTLS: true},
		"smtp://localhost:1025":                                 {Host: "localhost", Port: 1025, TLS: TLSNone},
		"smtp://[::1]:1025":                                     {Host: "::1", Port: 1025, TLS: TLSNone},
		"smtp://127.0.0.1?tls=mandatory":                        {Host: "127.0.0.1", TLS: TLSMandatory},
	} {
		got, err := ParseURL(raw)
		if err != nil || got != want {
			t.Errorf("%s: got %#v with tls %d, %v", raw, got, got.TLS, err)
		}
	}
}

func TestAURLThatIsWrongIsNotRepeated(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"", "hunter2", "http://u:hunter2@h", "smtp:hunter2", "smtp://u:hunter2@", "smtp://u:hunter2@h:99999",
		"smtp://u:hunter2/x@h", "smtp://u:hunter2#x@h", "smtp://u:x?hunter2@h", "smtp://u:hunter2%zz@h",
		"smtp://u:hunter2@h/hunter2", "smtp://u:hunter2@h?tls=hunter2", "smtp://u:hunter2@h?hunter2=1",
		"smtps://u:hunter2@h?tls=none", "smtp://u:hunter2@h?tls=none&tls=none",
	} {
		_, err := ParseURL(raw)
		if err == nil {
			t.Errorf("%s: accepted", raw)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error repeats it: %v", raw, err)
		}
	}
}
