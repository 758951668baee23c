package local

import (
	"context"
	"errors"
	"net/smtp"
	"net/textproto"
	"strings"
	"testing"
)

func TestTheInboxKeepsWhatItAccepts(t *testing.T) {
	t.Parallel()
	in := mustStartInbox(t)
	if err := send(in, "one@example.com", "two@example.com"); err != nil {
		t.Fatal(err)
	}
	mails, err := in.Wait(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	m := mails[0]
	if m.From != "oubli@example.com" || len(m.To) != 2 || m.To[1] != "two@example.com" {
		t.Errorf("envelope: got %q to %q", m.From, m.To)
	}
	if !strings.Contains(string(m.Data), "Subject: done\r\n") {
		t.Errorf("data: got %q", m.Data)
	}
}

func TestAnAddressMakesTheInboxRefuse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		to    string
		codes []int // of successive tries; 0: accepted
	}{
		{"anna@example.com", []int{0, 0}},
		{"anna+451@example.com", []int{451, 451, 451}},
		{"anna+550@example.com", []int{550}},
		{"anna+451x2@example.com", []int{451, 451, 0, 0}},
		{"anna+data452@example.com", []int{452, 452}},
		{"anna+data554x1@example.com", []int{554, 0}},
		{"anna+news@example.com", []int{0}},
		{"anna+999@example.com", []int{0}},
		{"anna+451.x@example.com", []int{0}},
	} {
		t.Run(c.to, func(t *testing.T) {
			t.Parallel()
			in := mustStartInbox(t)
			kept := 0
			for try, want := range c.codes {
				err := send(in, c.to)
				got := 0
				if reply, ok := errors.AsType[*textproto.Error](err); ok {
					got = reply.Code
				} else if err != nil {
					t.Fatal(err)
				}
				if got != want {
					t.Errorf("try %d: got %d, want %d", try+1, got, want)
				}
				if want == 0 {
					kept++
				}
			}
			if got := len(in.Mails()); got != kept {
				t.Errorf("mails: got %d, want %d", got, kept)
			}
		})
	}
}

func TestADroppedMailIsKeptAndItsSenderCannotKnow(t *testing.T) {
	t.Parallel()
	in := mustStartInbox(t)
	err := send(in, "anna+dropx1@example.com")
	if err == nil {
		t.Error("the sender got an answer")
	}
	if _, ok := errors.AsType[*textproto.Error](err); ok {
		t.Errorf("the sender got a reply: %v", err)
	}
	if got := len(in.Mails()); got != 1 {
		t.Errorf("mails: got %d, want 1", got)
	}
	if err := send(in, "anna+dropx1@example.com"); err != nil {
		t.Errorf("the second try: %v", err)
	}
}

func TestTheInboxComesBackWithItsMails(t *testing.T) {
	t.Parallel()
	in := mustStartInbox(t)
	if err := send(in, "one@example.com"); err != nil {
		t.Fatal(err)
	}
	in.Stop()
	if err := send(in, "one@example.com"); err == nil {
		t.Error("the stopped inbox took a mail")
	}
	if err := in.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := send(in, "one@example.com"); err != nil {
		t.Fatal(err)
	}
	if got := len(in.Mails()); got != 2 {
		t.Errorf("mails: got %d, want 2", got)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	in := mustStartInbox(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := in.Wait(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func mustStartInbox(t *testing.T) *Inbox {
	t.Helper()
	in, err := StartInbox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	return in
}

func send(in *Inbox, to ...string) error {
	return smtp.SendMail(in.Addr(), nil, "oubli@example.com", to, []byte("Subject: done\r\n\r\nbody\r\n"))
}
