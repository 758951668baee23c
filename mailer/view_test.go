package mailer

import (
	"bytes"
	"html"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/golden"
	"github.com/oubli/oubli/jobs"
)

// sample returns a mail in which all numbers differ, so that a test can recognise
// each.
func sample(locale string, s jobs.State) jobs.ReportMail {
	started := time.Date(2026, time.March, 1, 23, 58, 4, 0, time.FixedZone("CET", 3600))
	l := jobs.ReportMail{
		ID: "0197f3a2-5c1e-7d40-9a6b-2f8e4c1d7b30",
		To: "marie@studio.example",
		Report: jobs.Report{
			JobID:      "0197f39f-11aa-7c02-8e55-6d0b9a3f4e21",
			Kind:       jobs.Erasure,
			State:      s,
			Locale:     locale,
			CreatedAt:  started.Add(-2 * time.Second),
			StartedAt:  &started,
			FinishedAt: started.Add(2*time.Minute + 14*time.Second),
		},
	}
	switch s {
	case jobs.Completed:
		l.Counts = jobs.Counts{Erased: 20_000}
	case jobs.CompletedWithExceptions:
		until := jobs.Date{Time: time.Date(2035, time.December, 31, 0, 0, 0, 0, time.UTC)}
		l.RetainedUntil = &until
		l.Counts = jobs.Counts{Erased: 17_431, ErasedRetained: 2_204, Skipped: 361, Failed: 1, NotFound: 3}
		l.Exceptions = map[string]int{
			"future_appointment": 212, "unpaid_balance": 96, "open_invoice": 31, "legal_hold": 14,
			"vip_customers": 8, "23503:fk_loyalty_card": 1, "not_found": 3,
		}
	case jobs.Failed:
		l.Counts = jobs.Counts{Failed: 2}
		l.Exceptions = map[string]int{"23514:clients_balance_check": 1, "XX000": 1}
	case jobs.Cancelled:
		l.Counts = jobs.Counts{Erased: 4_500, Skipped: 12, Pending: 15_488}
		l.Exceptions = map[string]int{"recent_activity": 12}
	}
	l.Requested = l.Counts.Total()
	return l
}

func TestAMailSaysWhatTheSearchForLateRowsHasLeft(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		late *jobs.LateReport
		want string
	}{
		{nil, ""},
		{&jobs.LateReport{Looking: true}, english.LateLooking},
		{&jobs.LateReport{Refused: map[string]int{"23514:letters_check": 1}},
			"For 1 client, data that was written during the job could not be removed yet."},
		{&jobs.LateReport{Refused: map[string]int{"23514:letters_check": 1, "not_erased": 6}}, "For 7 clients, data that was written"},
	} {
		r := sample("en", jobs.Completed).Report
		r.LateRows = c.late
		lines := english.summary(&english.Erasure, r)
		if last := lines[len(lines)-1]; c.want == "" && len(lines) != 1 || !strings.Contains(last, c.want) {
			t.Errorf("of %+v the mail says %q, want %q", c.late, lines, c.want)
		}
	}
}

func TestMailsReadAsTheGoldenOnes(t *testing.T) {
	t.Parallel()
	m := (&server{host: "mail.example.org", port: 587}).mailer(t)
	for _, w := range catalogues {
		for _, s := range jobs.States() {
			if !s.Final() {
				continue
			}
			for _, kind := range []jobs.Kind{jobs.Erasure, jobs.Merge} {
				if kind == jobs.Merge && s != jobs.CompletedWithExceptions {
					continue
				}
				name := strings.Join([]string{string(kind), string(s), w.Language}, ".")
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					l := sample(w.Language, s)
					l.Kind = kind
					golden.File(t, filepath.Join("testdata", name+".eml"), string(render(t, m, l).Bytes()))
				})
			}
		}
	}
}

func render(t *testing.T, m *Mailer, l jobs.ReportMail) *Message {
	t.Helper()
	msg, err := m.Render(l)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// decoded reads a message back as a mail client does.
func decoded(t *testing.T, raw []byte) (header mail.Header, text, htmlPart string) {
	t.Helper()
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("content type %q: %v", kind, err)
	}
	parts := multipart.NewReader(msg.Body, params["boundary"])
	var bodies []string
	for _, want := range []string{"text/plain; charset=UTF-8", "text/html; charset=UTF-8"} {
		part, err := parts.NextPart() // undoes quoted-printable
		if err != nil {
			t.Fatal(err)
		}
		if got := part.Header.Get("Content-Type"); got != want {
			t.Errorf("part is %q, want %q", got, want)
		}
		body, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, strings.ReplaceAll(string(body), "\r\n", "\n"))
	}
	return msg.Header, bodies[0], bodies[1]
}

func TestEveryCountIsInEveryMailInEveryLanguage(t *testing.T) {
	t.Parallel()
	m := (&server{host: "mail.example.org", port: 587}).mailer(t)
	for _, w := range catalogues {
		for _, s := range []jobs.State{jobs.Completed, jobs.CompletedWithExceptions, jobs.Failed, jobs.Cancelled} {
			t.Run(w.Language+"/"+string(s), func(t *testing.T) {
				t.Parallel()
				l := sample(w.Language, s)
				header, text, page := decoded(t, render(t, m, l).Bytes())

				c := l.Counts
				wants := []string{l.JobID, "https://booking.example/erasures/" + l.JobID, "UTC", "2026", "2 min 14 s"}
				for _, n := range []int{l.Requested, c.Erased, c.ErasedRetained, c.Skipped, c.Failed, c.NotFound, c.Pending} {
					wants = append(wants, w.number(n))
				}
				for code, n := range l.Exceptions {
					wants = append(wants, w.reason(code), w.number(n))
				}
				if l.RetainedUntil != nil {
					wants = append(wants, w.date(l.RetainedUntil.Time))
				}
				for part, body := range map[string]string{"text": text, "html": html.UnescapeString(page)} {
					flat := strings.Join(strings.Fields(strings.ReplaceAll(body, "\u00a0", "_")), " ")
					for _, want := range wants {
						if !strings.Contains(flat, strings.ReplaceAll(want, "\u00a0", "_")) {
							t.Errorf("%q is not in the %s:\n%s", want, part, body)
						}
					}
				}
				if !strings.Contains(page, `<html lang="`+w.Language+`"`) || header.Get("Content-Language") != w.Language {
					t.Errorf("the mail does not say that it is in %q", w.Language)
				}
				if strings.Contains(page+text, "<no value>") || strings.Contains(page+text, "ZgotmplZ") {
					t.Error("a template hole is left open")
				}
			})
		}
	}
}

func TestHeadersSayWhatTheMessageIs(t *testing.T) {
	t.Parallel()
	m := (&server{host: "mail.example.org", port: 587}).mailer(t)
	l := sample("fr", jobs.CompletedWithExceptions)
	header, _, _ := decoded(t, render(t, m, l).Bytes())
	subject, err := new(mime.WordDecoder).DecodeHeader(header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]string{
		"From":                     {header.Get("From"), `"oubli" <no-reply@example.org>`},
		"To":                       {header.Get("To"), "<marie@studio.example>"},
		"Subject":                  {subject, "Suppression de clients terminée, avec exceptions"},
		"Date":                     {header.Get("Date"), "Sun, 01 Mar 2026 23:00:18 +0000"},
		"Message-ID":               {header.Get("Message-ID"), "<" + l.ID + "@example.org>"},
		"Auto-Submitted":           {header.Get("Auto-Submitted"), "auto-generated"},
		"X-Auto-Response-Suppress": {header.Get("X-Auto-Response-Suppress"), "All"},
		"Mime-Version":             {header.Get("Mime-Version"), "1.0"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %q, want %q", name, pair[0], pair[1])
		}
	}
}

func TestAMailNeverReportsAnEndThatDidNotHappen(t *testing.T) {
	t.Parallel()
	m := (&server{host: "mail.example.org", port: 587}).mailer(t)
	for _, w := range catalogues {
		for _, kind := range []jobs.Kind{jobs.Erasure, jobs.Merge} {
			words := w.of(kind)
			for name, c := range map[string]struct {
				change   func(*jobs.ReportMail)
				sentence string
			}{
				"cancelled half way": {func(l *jobs.ReportMail) {}, words.CancelledSome},
				"cancelled at once":  {func(l *jobs.ReportMail) { l.Counts = jobs.Counts{Pending: 7}; l.StartedAt = nil }, words.CancelledNone},
				"failed altogether":  {func(l *jobs.ReportMail) { l.State = jobs.Failed; l.Counts = jobs.Counts{Failed: 7} }, words.FailedNone},
				"failed half way":    {func(l *jobs.ReportMail) { l.State = jobs.Failed }, words.FailedSome},
				"everybody was spared": {func(l *jobs.ReportMail) {
					l.State = jobs.CompletedWithExceptions
					l.Counts = jobs.Counts{Skipped: 7}
				}, words.DoneNone},
			} {
				l := sample(w.Language, jobs.Cancelled)
				l.Kind = kind
				c.change(&l)
				msg := render(t, m, l)
				if flat := strings.ReplaceAll(msg.Text, "\n", " "); !strings.HasPrefix(flat, c.sentence) {
					t.Errorf("%s %s %s: the mail does not begin with %q:\n%s", w.Language, kind, name, c.sentence, msg.Text)
				}
				if strings.Contains(msg.Text, words.Done) || strings.Contains(msg.HTML, words.Done) || msg.Subject == words.Complete {
					t.Errorf("%s %s %s: the mail claims that all is done:\n%s", w.Language, kind, name, msg.Text)
				}
			}
		}
	}
}

func TestWithoutAPublicURLThereIsNoLink(t *testing.T) {
	t.Parallel()
	m := (&server{host: "mail.example.org", port: 587}).mailer(t, func(o *Options) { o.PublicURL = "" })
	msg := render(t, m, sample("en", jobs.Completed))
	if strings.Contains(msg.Text+msg.HTML, "http") || strings.Contains(msg.Text+msg.HTML, english.Open) {
		t.Errorf("a link without an address:\n%s", msg.Text)
	}
}

func TestTheHTMLLoadsNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	m := (&server{host: "mail.example.org", port: 587}).mailer(t)
	page := render(t, m, sample("en", jobs.CompletedWithExceptions)).HTML
	for _, tag := range []string{"<img", "<script", "<link", "<iframe", "src=", "url(", "@import"} {
		if strings.Contains(page, tag) {
			t.Errorf("%s in\n%s", tag, page)
		}
	}
}
