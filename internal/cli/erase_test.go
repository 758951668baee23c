package cli

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/terminal"
	"github.com/oubli/oubli/jobs"
)

// goes is a job of three clients that ends well.
func goes() []jobs.Job {
	return []jobs.Job{
		{ID: jobID, TenantID: "7", State: jobs.Scheduled, Requested: 3, Counts: jobs.Counts{Pending: 3}},
		{ID: jobID, TenantID: "7", State: jobs.Running, Requested: 3, Counts: jobs.Counts{Pending: 2, Erased: 1}},
		{ID: jobID, TenantID: "7", State: jobs.Completed, Requested: 3, Counts: jobs.Counts{Erased: 3},
			Mail: jobs.MailStatus{State: jobs.MailSent, Attempts: 1}},
	}
}

// withExceptions is a job of three clients of whom one is skipped.
func withExceptions() []jobs.Job {
	return []jobs.Job{{
		ID: jobID, TenantID: "7", State: jobs.CompletedWithExceptions, Requested: 3,
		Counts: jobs.Counts{Erased: 2, Skipped: 1}, Exceptions: map[string]int{"legal_hold": 1},
		Rows: map[string]int64{"clients": 2, "appointments": 1234},
	}}
}

func TestEraseSubmitsFollowsAndReports(t *testing.T) {
	t.Parallel()
	d := &desk{steps: goes()}
	start := time.Now().Add(24 * time.Hour).Truncate(time.Second)
	c := d.open(t).run(t, "erase", "--yes", "--client", "11", "12", "13", "11",
		"--comment", "RGPD", "--notify", "a@example.com,b@example.com", "--locale", "fr", "--override", "future_appointment",
		"--not-before", start.Format(time.RFC3339), "--idempotency-key", "mine")
	c.expect(t, ExitDone, "To be erased: 3 clients. This cannot be undone.", "11, 12, 13", "RGPD", "a@example.com, b@example.com",
		"Accepted as erasure "+jobID, "running: 1/3 clients", "completed: 3/3 clients",
		"Erasure "+jobID+": completed\n", "sent, 1 attempt")
	if strings.Contains(c.out, "To be erased") || !strings.HasPrefix(c.out, "Erasure ") {
		t.Errorf("only the outcome belongs on standard output, got:\n%s", c.out)
	}
	r := d.accepted[0]
	if !slices.Equal(r.ClientIDs, []string{"11", "12", "13"}) || r.Reason != jobs.SubjectRequest || r.Comment != "RGPD" || r.Locale != "fr" ||
		!slices.Equal(r.Notify, []string{"a@example.com", "b@example.com"}) || !slices.Equal(r.Override, []string{"future_appointment"}) ||
		!r.NotBefore.Equal(start) || r.TenantID != "7" || d.keys[0] != "mine" {
		t.Errorf("got %+v with key %s", r, d.keys[0])
	}
}

func TestEraseWithExceptionsExits1AndNamesThem(t *testing.T) {
	t.Parallel()
	d := &desk{steps: withExceptions()}
	c := d.open(t).run(t, "erase", "--yes", "--client", "1", "2", "3")
	c.expect(t, ExitExceptions, "completed with exceptions", "skipped by a guard", "legal_hold", "1,234")
	if strings.Contains(c.err, "oubli: ") {
		t.Errorf("the table says it all, got %q", c.err)
	}
	if len(d.keys) != 1 || len(d.keys[0]) < 20 {
		t.Errorf("want a key that nobody guesses, got %q", d.keys)
	}
}

func TestEraseWithoutAnybodyToAskIsRefused(t *testing.T) {
	t.Parallel()
	d := &desk{steps: goes()}
	s := d.open(t)
	s.typed = "1\n"
	s.run(t, "erase", "--client", "1").expect(t, ExitUsage, "oubli: nobody can be asked here; add --yes to erase without the question")
	s.asks = true
	s.run(t, "erase", "--client-file", "-").expect(t, ExitUsage, "add --yes")
	if len(d.accepted) != 0 {
		t.Errorf("got %+v", d.accepted)
	}
}

func TestEraseGoesOnOnlyWhenTheNumberIsTyped(t *testing.T) {
	t.Parallel()
	for typed, goesOn := range map[string]bool{"3\n": true, " 3 \n": true, "3": true, "2\n": false, "yes\n": false, "\n": false, "": false} {
		d := &desk{steps: goes()}
		s := d.open(t)
		s.asks, s.typed = true, typed
		c := s.run(t, "erase", "--client", "1", "2", "3")
		if goesOn {
			c.expect(t, ExitDone, "Type the number of clients to go on: ")
		} else {
			c.expect(t, ExitExceptions, "oubli: not confirmed: want 3; nothing was erased")
		}
		if accepted := len(d.accepted) == 1; accepted != goesOn {
			t.Errorf("typed %q: accepted is %v", typed, accepted)
		}
	}
}

// A signal is caught, so a blocked read would not notice it.
func TestCtrlCAtTheQuestionErasesNothing(t *testing.T) {
	t.Parallel()
	d := &desk{steps: goes()}
	s := d.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	never, open, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = open.Close() })
	var out, errs strings.Builder
	c := &cli{environ: s.env, readFile: noFile, stdin: never, stdout: &out, stderr: &errs, asks: true}
	code := c.run(ctx, []string{"erase", "--client", "1"})
	if code != ExitExceptions || !strings.Contains(errs.String(), "nothing was erased") {
		t.Errorf("exit %d, %s", code, errs.String())
	}
	if len(d.accepted) != 0 {
		t.Errorf("got %+v", d.accepted)
	}
}

func TestCtrlCStopsTheWatchingAndNotTheErasure(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	looks := 0
	d := &desk{steps: goes()[1:2]}
	d.looked = func() {
		if looks++; looks == 2 {
			cancel()
		}
	}
	s := d.open(t)
	s.ctx = ctx
	s.run(t, "erase", "--yes", "--client", "1", "2", "3").
		expect(t, ExitExceptions, "oubli: stopped watching; the job goes on. Look again with: oubli status "+jobID+" --watch")
}

func TestIdsAreReadFromFilesAndStandardInput(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "ids.txt")
	if err := os.WriteFile(name, []byte("\ufeff# former clients\r\n21\r\n\r\n 22 \r\n21\r\na,b"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &desk{steps: goes()}
	s := d.open(t)
	s.run(t, "erase", "--yes", "--no-wait", "--client-file", name, "--client", "23").expect(t, ExitDone, "To be erased: 4 clients")
	s.typed = "31\n#32\n33"
	c := s.run(t, "erase", "--yes", "--no-wait", "--client-file", "-")
	c.expect(t, ExitDone)
	if c.out != jobID+"\n" {
		t.Errorf("--no-wait prints the id for scripts, got %q", c.out)
	}
	got := [][]string{d.accepted[0].ClientIDs, d.accepted[1].ClientIDs}
	for _, ids := range got {
		slices.Sort(ids)
	}
	if !slices.Equal(got[0], []string{"21", "22", "23", "a,b"}) || !slices.Equal(got[1], []string{"31", "33"}) {
		t.Errorf("got %q", got)
	}
}

func TestMoreClientsThanARequestTakesAreRefusedBeforeItIsSent(t *testing.T) {
	t.Parallel()
	var ids strings.Builder
	for i := range jobs.MaxClients + 1 {
		ids.WriteString(strings.ReplaceAll(terminal.Thousands(int64(i)), ",", "") + "\n")
	}
	d := &desk{steps: goes()}
	s := d.open(t)
	s.typed = ids.String()
	s.run(t, "erase", "--yes", "--client-file", "-").
		expect(t, ExitUsage, "want at most 100,000 clients in one request, got 100,001; split them")
	s.typed = strings.Repeat("#", maxIDFile+1)
	s.run(t, "erase", "--yes", "--client-file", "-").expect(t, ExitUsage, "split the file")
	if len(d.accepted) != 0 {
		t.Errorf("got %d requests", len(d.accepted))
	}
}

func TestARefusalByTheAPIIsOneLineWithItsCodeAndExits1(t *testing.T) {
	t.Parallel()
	refusal := &jobs.Error{Kind: jobs.Invalid, Code: "bad_override", Msg: "The map does not call legal_hold overridable."}
	d := &desk{steps: goes(), refusal: refusal}
	s := d.open(t)
	s.run(t, "erase", "--yes", "--client", "1", "--override", "legal_hold").
		expect(t, ExitExceptions, "oubli: The map does not call legal_hold overridable. (bad_override)\n")
	s.run(t, "erase", "--yes", "--client", "1", "--notify", "nobody").
		expect(t, ExitExceptions, "oubli: ", "notify.0: ", "(validation_failed)\n")
}

func TestAnInvalidTokenIsNamedByItsKey(t *testing.T) {
	t.Parallel()
	s := (&desk{steps: goes()}).open(t)
	s.env[1] = "OUBLI_TOKEN=not.a.token"
	s.run(t, "erase", "--yes", "--client", "1").expect(t, ExitExceptions, "oubli: OUBLI_TOKEN: ", "(unauthenticated)\n")
	s.env[1] = "OUBLI_TOKEN=" + mustMint(t, "7", jobs.Viewer)
	s.run(t, "erase", "--yes", "--client", "1").expect(t, ExitExceptions, "oubli: ", "(forbidden)\n")
}

func TestAServiceNamesTheTenant(t *testing.T) {
	t.Parallel()
	d := &desk{steps: goes()}
	s := d.open(t)
	s.env[1] = "OUBLI_TOKEN=" + mustMint(t, jobs.AnyTenant, jobs.Admin)
	s.run(t, "erase", "--yes", "--client", "1").expect(t, ExitExceptions, "tenant_id: ")
	s.run(t, "erase", "--yes", "--client", "1", "--tenant", "9").expect(t, ExitDone, "tenant    9")
	if d.accepted[0].TenantID != "9" {
		t.Errorf("got %+v", d.accepted[0])
	}
}

func TestARequestThatMayHaveArrivedIsNamedWithItsKey(t *testing.T) {
	t.Parallel()
	s := sitting{ctx: t.Context(), env: []string{"OUBLI_URL=http://oubli.invalid", "OUBLI_TOKEN=a.b.c"}}
	s.run(t, "erase", "--yes", "--client", "1", "--not-before", "24h").
		expect(t, ExitExceptions, "oubli: cannot reach the API at http://oubli.invalid",
			"to repeat it without harm add --idempotency-key ", " --not-before 2", "(unreachable)\n")
}
