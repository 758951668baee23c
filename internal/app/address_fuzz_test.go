package app

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/oubli/oubli/config"
	"github.com/oubli/oubli/internal/httpapi"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/mailer"
	"golang.org/x/net/idna"
)

// letterbox is a store that remembers who is to be notified; nothing else of
// it is asked for.
type letterbox struct {
	httpapi.JobStore
	httpapi.JobControls
	httpapi.ErasureStore
	httpapi.MergeStore
	httpapi.SelectionStore
	httpapi.RetentionStore
	httpapi.ClientStore
	httpapi.JobWaiter
	httpapi.EventFeed
	notify []string
}

func (l *letterbox) AcceptErasure(_ context.Context, req jobs.ErasureRequest, _ jobs.IdempotencyKey) (jobs.Job, bool, error) {
	l.notify = req.Notify
	return jobs.Job{ID: "0199b4a2-7c1e-7d53-9a1f-000000000001"}, false, nil
}

// sentTo is the address as mail servers know it: an international domain in ASCII.
func sentTo(address string) string {
	at := strings.LastIndexByte(address, '@') + 1
	domain := address[at:]
	foreign := strings.ContainsFunc(domain, func(r rune) bool { return r > unicode.MaxASCII })
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil && foreign {
		return address[:at] + ascii
	}
	return address
}

// FuzzAddresses takes an address along the whole way: what the API accepts as a
// recipient, or a token has for its bearer, and what the settings accept as
// the sender, makes a letter to and from exactly that address. A recipient who
// was accepted and cannot be written to would wait for ever for a mail.
func FuzzAddresses(f *testing.F) {
	for _, s := range []string{
		"owner@studio.example", "o.w+n_er@studio.example", "zoë@stúdio.example", "owner@localhost",
		"Owner <owner@studio.example>", "=?utf-8?q?x=0D=0ABcc:_a?= <a@b.example>",
		"a@b.example\r\nBcc: c@d.example", "a@b.example,c@d.example", `"o w"@studio.example`, "a@[127.0.0.1]",
		"a@b..example", "a@b.example.", "-a@-b.example", "a\u200b@b.example", "a@\u202eb.example",
		"a@xn--stdio-0ra.example", "a%b@c.example", "a!b@c.example", "a@b\u3002example", "ａ@b.example",
		strings.Repeat("a", 64) + "@" + strings.Repeat("b", 181) + ".example",
	} {
		f.Add(s)
	}
	secret := []byte("0123456789abcdef0123456789abcdef")
	v, err := httpapi.NewVerifier(httpapi.VerifierOptions{Secrets: [][]byte{secret}})
	if err != nil {
		f.Fatal(err)
	}
	box := &letterbox{}
	api, err := httpapi.New(httpapi.Options{
		Stores:   httpapi.Stores{Jobs: box, Controls: box, Erasures: box, Merges: box, Selections: box, Clients: box, Retention: box},
		Waiter:   box,
		Feed:     box,
		Verifier: v,
		Limits:   httpapi.Limits{Requests: -1, Bytes: -1, Failures: -1},
	})
	if err != nil {
		f.Fatal(err)
	}
	letter := func(t *testing.T, from, to string) *mail.Message {
		m, err := mailer.New(mailer.Options{Host: "mail.example.org", From: from, HELO: "test"})
		if err != nil {
			t.Fatalf("%q is a sender for the settings and not for the mailer: %v", from, err)
		}
		msg, err := m.Render(jobs.ReportMail{ID: "id", To: to, Report: jobs.Report{State: jobs.Completed, FinishedAt: time.Unix(1e9, 0)}})
		if err != nil {
			t.Fatalf("%q was accepted and cannot be written to: %v", to, err)
		}
		read, err := mail.ReadMessage(bytes.NewReader(msg.Bytes()))
		if err != nil {
			t.Fatalf("%q makes no message: %v", to, err)
		}
		return read
	}
	f.Fuzz(func(t *testing.T, address string) {
		for _, email := range []string{"owner@studio.example", address} {
			token, err := httpapi.Mint(secret, jobs.Caller{Subject: "s", Email: email, Tenant: "1", Role: jobs.Admin}, time.Hour)
			if err != nil {
				continue
			}
			body := map[string]any{"client_ids": []int{1}, "reason": "inactivity"}
			if email != address {
				body["notify"] = []string{address}
			}
			text, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			box.notify = nil
			req := httptest.NewRequest(http.MethodPost, "/v1/erasures", bytes.NewReader(text))
			req.Header.Set("Authorization", "Bearer "+token)
			req.Header.Set("Idempotency-Key", "k")
			w := httptest.NewRecorder()
			api.ServeHTTP(w, req)
			if w.Code == http.StatusUnprocessableEntity && len(box.notify) == 0 && email != address {
				continue
			}
			if w.Code != http.StatusAccepted || len(box.notify) != 1 || box.notify[0] != address {
				t.Fatalf("%q: %d %s, and %q are notified", address, w.Code, w.Body, box.notify)
			}
			to, err := letter(t, "oubli@example.org", address).Header.AddressList("To")
			if err != nil || len(to) != 1 || to[0].Address != sentTo(address) {
				t.Fatalf("%q: the letter goes to %v, %v", address, to, err)
			}
		}
		cfg, err := config.Load([]string{"OUBLI_MAIL_FROM=" + address}, nil)
		if err != nil || cfg.MailFrom == "" {
			return
		}
		read := letter(t, cfg.MailFrom, "a@b.example")
		parsed, err := mail.ParseAddress(address)
		if err != nil {
			t.Fatal(err)
		}
		from, err := read.Header.AddressList("From")
		if err != nil || len(from) != 1 || from[0].Address != parsed.Address || len(read.Header["Bcc"]) > 0 {
			t.Fatalf("%q: the letter comes from %v, %v", address, from, err)
		}
	})
}
