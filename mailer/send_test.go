package mailer

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/oubli/oubli/jobs"
)

func TestAMailArrivesAsRendered(t *testing.T) {
	t.Parallel()
	s := (&server{}).start(t)
	m := s.mailer(t)
	l := sample("fr", jobs.CompletedWithExceptions)

	if err := m.Send(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	got := <-s.received
	want, err := m.Render(l)
	if err != nil {
		t.Fatal(err)
	}
	if got.from != "no-reply@example.org" || got.to != l.To {
		t.Errorf("envelope from %q to %q", got.from, got.to)
	}
	if got.raw != string(want.Bytes()) {
		t.Errorf("the server received other bytes:\n%s", got.raw)
	}
}

func TestARepeatIsTheSameMessageByteForByte(t *testing.T) {
	t.Parallel()
	s := (&server{}).start(t)
	l := sample("de", jobs.CompletedWithExceptions)
	var got [2]receivedMail
	for i := range got {
		// Use a new mailer each time, because another process may send the repeat.
		if err := s.mailer(t).Send(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		got[i] = <-s.received
	}
	if got[0] != got[1] {
		t.Errorf("the repeat differs:\n%s\n---\n%s", got[0].raw, got[1].raw)
	}
	if !strings.Contains(got[0].raw, "\r\nMessage-ID: <"+l.ID+"@example.org>\r\n") {
		t.Errorf("no Message-ID made from the mail's id in\n%s", got[0].raw)
	}
}

// reply is a server's reply that quotes the recipient.
func reply(code int, enhanced ...int) *smtp.SMTPError {
	e := &smtp.SMTPError{Code: code, Message: "<marie@studio.example> secret words"}
	if len(enhanced) == 3 {
		e.EnhancedCode = smtp.EnhancedCode(enhanced)
	} else {
		e.EnhancedCode = smtp.NoEnhancedCode
	}
	return e
}

func TestTheServersAnswerDecidesWhetherToTryAgain(t *testing.T) {
	t.Parallel()
	at := func(e *smtp.SMTPError) func(*smtp.Conn) error { return func(*smtp.Conn) error { return e } }
	atData := func(e *smtp.SMTPError) func(*smtp.Conn, io.Reader) error {
		return func(_ *smtp.Conn, r io.Reader) error { io.Copy(io.Discard, r); return e }
	}
	for name, c := range map[string]struct {
		server *server
		kind   jobs.ErrorKind
		code   string
		msg    string
	}{
		"recipient later": {&server{rcpt: at(reply(450, 4, 2, 1))}, jobs.Unavailable,
			"smtp_450", "the mail server refuses the recipient (450 4.2.1)"},
		"recipient never": {&server{rcpt: at(reply(550, 5, 1, 1))}, jobs.Invalid,
			"smtp_550", "the mail server refuses the recipient (550 5.1.1)"},
		"never, without status": {&server{rcpt: at(reply(553))}, jobs.Invalid, "smtp_553", "the mail server refuses the recipient (553)"},
		"message later": {&server{data: atData(reply(451, 4, 3, 0))}, jobs.Unavailable,
			"smtp_451", "the mail server refuses the message (451 4.3.0)"},
		"message never": {&server{data: atData(reply(554, 5, 6, 0))}, jobs.Invalid,
			"smtp_554", "the mail server refuses the message (554 5.6.0)"},
		"server closes down": {&server{rcpt: at(reply(421, 4, 3, 2))}, jobs.Unavailable,
			"smtp_421", "the mail server refuses the recipient (421 4.3.2)"},
		"sender not allowed": {&server{mail: at(reply(553, 5, 7, 1))}, jobs.Unavailable,
			"smtp_553", "the mail server refuses the sender (553 5.7.1)"},
		"login wanted, said late": {&server{rcpt: at(reply(530, 5, 7, 0))}, jobs.Unavailable,
			"smtp_530", "the mail server refuses the recipient (530 5.7.0)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.server.start(t).mailer(t).Send(t.Context(), sample("en", jobs.Completed))
			wantError(t, err, c.kind, c.code)
			if err.Error() != c.msg {
				t.Errorf("got  %q\nwant %q", err, c.msg)
			}
		})
	}
}

func TestALostConnectionIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		server *server
		code   string
	}{
		"before the recipient": {&server{rcpt: drop}, "smtp_broken"},
		// The code depends on how much the network buffers.
		"before the final dot": {&server{data: func(c *smtp.Conn, _ io.Reader) error { return drop(c) }}, "smtp_broken or smtp_in_doubt"},
		"behind the final dot": {&server{data: func(c *smtp.Conn, r io.Reader) error {
			io.Copy(io.Discard, r)
			return drop(c)
		}}, "smtp_in_doubt"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.server.start(t).mailer(t).Send(t.Context(), sample("en", jobs.Completed))
			wantError(t, err, jobs.Unavailable, c.code)
		})
	}
}

func TestWhatHappensAtQuitChangesNothing(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"drop", "421 4.3.2 going down", "500 5.5.1 what"} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			s := (&server{onQuit: answer}).start(t)
			if err := s.mailer(t).Send(t.Context(), sample("en", jobs.Completed)); err != nil {
				t.Fatalf("accepted at DATA, yet: %v", err)
			}
			if len(s.received) != 1 {
				t.Errorf("%d mails arrived, want 1", len(s.received))
			}
		})
	}
}

func TestARefusedConnectionIsTriedAgain(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{host: "127.0.0.1", port: listener.Addr().(*net.TCPAddr).Port}
	listener.Close()
	err = s.mailer(t).Send(t.Context(), sample("en", jobs.Completed))
	wantError(t, err, jobs.Unavailable, "smtp_unreachable")
}

func TestASilentServerEndsInATimeout(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // nobody ever accepts
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	s := &server{host: "127.0.0.1", port: listener.Addr().(*net.TCPAddr).Port}
	err = s.mailer(t, func(o *Options) { o.Timeout = 20 * time.Millisecond }).Send(t.Context(), sample("en", jobs.Completed))
	wantError(t, err, jobs.Unavailable, "smtp_timeout")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cause of %v is not the deadline", err)
	}
}

func TestCancellationEndsADialogue(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	hold := make(chan struct{})
	t.Cleanup(func() { close(hold) })
	s := (&server{rcpt: func(*smtp.Conn) error { cancel(); <-hold; return nil }}).start(t)

	err := s.mailer(t).Send(ctx, sample("en", jobs.Completed))
	wantError(t, err, jobs.Unavailable, "smtp_cancelled")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cause of %v is not the cancellation", err)
	}
}

func TestAfterATimeoutBehindTheFinalDotTheDeliveryIsInDoubt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	hold := make(chan struct{})
	t.Cleanup(func() { close(hold) })
	s := (&server{data: func(_ *smtp.Conn, r io.Reader) error {
		io.Copy(io.Discard, r)
		cancel()
		<-hold
		return nil
	}}).start(t)
	wantError(t, s.mailer(t).Send(ctx, sample("en", jobs.Completed)), jobs.Unavailable, "smtp_in_doubt")
}

func TestAnAddressBeyondASCIINeedsAServerThatTakesIt(t *testing.T) {
	t.Parallel()
	l := sample("de", jobs.Completed)
	l.To = "jörg@studio.example"
	wantError(t, (&server{}).start(t).mailer(t).Send(t.Context(), l), jobs.Invalid, "smtp_utf8")
}

// wantError checks the kind and the code of an error of Send, and that it contains
// neither the address nor the server's text.
func wantError(t *testing.T, err error, kind jobs.ErrorKind, code string) {
	t.Helper()
	e, ok := errors.AsType[*jobs.Error](err)
	if !ok {
		t.Fatalf("got %v, want a jobs.Error %s %s", err, kind, code)
	}
	if e.Kind != kind || e.Code == "" || !slices.Contains(strings.Split(code, " or "), e.Code) {
		t.Errorf("got %s %s (%v), want %s %s", e.Kind, e.Code, err, kind, code)
	}
	for _, leak := range []string{"marie", "studio.example", "secret"} {
		if strings.Contains(err.Error(), leak) {
			t.Errorf("%q is in the error: %v", leak, err)
		}
	}
}
