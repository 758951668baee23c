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
		t.Errorf("got %v, want an error that names Password and does not contain it", err)
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
