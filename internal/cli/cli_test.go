package cli

import (
	"bytes"
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/httpapi"
	"github.com/oubli/oubli/internal/terminal"
	"github.com/oubli/oubli/jobs"
)

const (
	authSecret = "0123456789abcdef0123456789abcdef"
	jobID      = "0198c0de-7c1e-7a52-9d0e-3f6b8f2c4a11"
)

// noStore has every method that the API needs of a store, and none works.
type noStore struct {
	httpapi.JobStore
	httpapi.JobControls
	httpapi.ErasureStore
	httpapi.MergeStore
	httpapi.SelectionStore
	httpapi.RetentionStore
	httpapi.ClientStore
	httpapi.EventFeed
}

// desk is the store behind a real HTTP API: it takes one erasure and lets it
// come on by one step with every look.
type desk struct {
	noStore // what no command of these tests uses

	steps      []jobs.Job // the last one stays
	exceptions []jobs.Exception
	refusal    error  // of every erasure
	looked     func() // called with every look
	shown      jobs.Job

	mu       sync.Mutex
	accepted []jobs.ErasureRequest
	keys     []string
}

func (d *desk) AcceptErasure(_ context.Context, r jobs.ErasureRequest, k jobs.IdempotencyKey) (jobs.Job, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refusal != nil {
		return jobs.Job{}, false, d.refusal
	}
	d.accepted = append(d.accepted, r)
	d.keys = append(d.keys, k.Key)
	return jobs.Job{
		ID:        jobID,
		TenantID:  r.TenantID,
		State:     jobs.Scheduled,
		Requested: len(r.ClientIDs),
		Counts:    jobs.Counts{Pending: len(r.ClientIDs)},
	}, false, nil
}

func (d *desk) Job(_ context.Context, _ jobs.Kind, _, id string) (jobs.Job, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if id != jobID || len(d.steps) == 0 {
		return jobs.Job{}, &jobs.Error{Kind: jobs.Missing, Code: "not_found", Msg: "There is no such erasure."}
	}
	if d.looked != nil {
		d.looked()
	}
	j := d.steps[0]
	d.shown = j
	if len(d.steps) > 1 {
		d.steps = d.steps[1:]
	}
	return j, nil
}

// Wait does not wait, and the look after it shows the state before it once more.
func (d *desk) Wait(context.Context, string, string, jobs.JobProgress) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.steps = append([]jobs.Job{d.shown}, d.steps...)
	return nil
}

func (d *desk) Jobs(_ context.Context, f jobs.Filter) (jobs.List[jobs.Job], error) {
	l := jobs.List[jobs.Job]{Items: []jobs.Job{}}
	for _, j := range d.steps {
		if f.State == "" || f.State == j.State {
			l.Items = append(l.Items, j)
		}
	}
	if len(l.Items) > f.Limit {
		l.Items, l.Next = l.Items[:f.Limit], "more"
	}
	return l, nil
}

func (d *desk) Exceptions(context.Context, jobs.ExceptionFilter) (jobs.List[jobs.Exception], error) {
	return jobs.List[jobs.Exception]{Items: d.exceptions}, nil
}

// console is what a person gets to see of one run.
type console struct {
	code     int
	out, err string
}

// sitting is a person at the program.
type sitting struct {
	ctx   context.Context
	env   []string
	typed string // into a terminal; see asks
	asks  bool
}

// open serves the desk and seats somebody with a good token.
func (d *desk) open(t *testing.T) sitting {
	t.Helper()
	verifier, err := httpapi.NewVerifier(httpapi.VerifierOptions{Secrets: [][]byte{[]byte(authSecret)}})
	if err != nil {
		t.Fatal(err)
	}
	stores := httpapi.Stores{Jobs: d, Controls: d, Erasures: d, Merges: d, Selections: d, Clients: d, Retention: d}
	handler, err := httpapi.New(httpapi.Options{Stores: stores, Verifier: verifier, Waiter: d, Feed: d})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return sitting{ctx: t.Context(), env: []string{"OUBLI_URL=" + srv.URL, "OUBLI_TOKEN=" + mustMint(t, "7", jobs.Admin)}}
}

func mustMint(t *testing.T, tenant string, role jobs.Role) string {
	t.Helper()
	caller := jobs.Caller{Subject: "ops", Email: "ops@example.com", Tenant: tenant, Role: role}
	token, err := httpapi.Mint([]byte(authSecret), caller, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// run runs the program and holds it to showing no token and no secret.
func (s sitting) run(t *testing.T, args ...string) console {
	t.Helper()
	var out, errs bytes.Buffer
	var code int
	if s.asks {
		c := &cli{environ: s.env, readFile: noFile, stdin: strings.NewReader(s.typed), stdout: &out, stderr: &errs, asks: true}
		code = c.run(s.ctx, args)
	} else {
		code = Run(s.ctx, args, s.env, strings.NewReader(s.typed), &out, &errs)
	}
	c := console{code, out.String(), errs.String()}
	for _, v := range s.env {
		key, value, _ := strings.Cut(v, "=")
		if (key == "OUBLI_TOKEN" || key == "OUBLI_AUTH_SECRET") && value != "" && strings.Contains(c.out+c.err, value) {
			t.Errorf("%q shows %s:\n%s%s", args, key, c.out, c.err)
		}
	}
	return c
}

func noFile(string) ([]byte, error) { return nil, io.ErrUnexpectedEOF }

// expect compares the exit code and looks for texts in what was shown.
func (c console) expect(t *testing.T, code int, texts ...string) {
	t.Helper()
	if c.code != code {
		t.Errorf("exit code %d, want %d", c.code, code)
	}
	for _, text := range texts {
		if !strings.Contains(c.out+c.err, text) {
			t.Errorf("want %q", text)
		}
	}
	if t.Failed() {
		t.Fatalf("stdout:\n%s\nstderr:\n%s", c.out, c.err)
	}
}

func TestTheProgramAloneExplainsItself(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"--help"}, {"help"}} {
		c := sitting{ctx: t.Context()}.run(t, args...)
		c.expect(t, ExitDone, "erases clients' personal data in bulk", "Exit codes:", "erase ", "status ", "token ", "version ")
		if c.err != "" {
			t.Errorf("%q: help goes to standard output, got %q", args, c.err)
		}
	}
}

func TestEveryCommandHasHelpAndThoseOfTheAPIAnExample(t *testing.T) {
	t.Parallel()
	c := &cli{stdout: io.Discard, stderr: io.Discard}
	for _, cmd := range c.root().Commands() {
		if cmd.Short == "" || cmd.RunE == nil && !cmd.HasSubCommands() {
			t.Errorf("%s: no help or no work", cmd.Name())
		}
		if cmd.GroupID == groupUse && cmd.Example == "" {
			t.Errorf("%s: no example", cmd.Name())
		}
	}
}

func TestAMistakeInTheCommandLineIsOneLineAndExits2(t *testing.T) {
	t.Parallel()
	s := (&desk{}).open(t)
	for want, args := range map[string][]string{
		`unknown command "eras" for "oubli"; did you mean erase`:  {"eras"},
		"unknown flag: --forever":                                 {"erase", "--forever"},
		"--forever":                                               {"--forever"},
		"want clients to erase":                                   {"erase", "--yes"},
		"want --client before client ids":                         {"erase", "4711"},
		"client id 1: want 1..255 bytes, got 256":                 {"erase", "--yes", "--client", strings.Repeat("x", 256)},
		"--reason: want subject_request or inactivity, got spite": {"erase", "--yes", "--client", "1", "--reason", "spite"},
		"--not-before: want a time":                               {"erase", "--yes", "--client", "1", "--not-before", "soon"},
		"--not-before: want a time such as": {
			"erase", "--yes", "--client", "1", "--not-before", "24h", "--idempotency-key", "k"},
		"--idempotency-key: want up to 255":    {"erase", "--yes", "--client", "1", "--idempotency-key", "a b"},
		"--client-file: open /no/such/file":    {"erase", "--yes", "--client-file", "/no/such/file"},
		"want the id of an erasure":            {"status", "7"},
		"--watch and --clients want the id":    {"status", "--watch"},
		"--state: want one of":                 {"status", "--state", "asleep"},
		"--limit: want 1..1000, got 0":         {"status", "--limit", "0"},
		"want --json or --clients":             {"status", jobID, "--json", "--clients"},
		"accepts at most 1 arg(s), received 2": {"status", jobID, jobID},
		"required flag(s)":                     {"token"},
		"--role: want admin or viewer, got root": {
			"token", "--tenant", "1", "--role", "root", "--subject", "s", "--email", "e@x.org"},
	} {
		c := s.run(t, args...)
		if c.code != ExitUsage || c.out != "" || !strings.Contains(c.err, want) ||
			!strings.HasPrefix(c.err, "oubli: ") || strings.Count(c.err, "\n") != 1 {
			t.Errorf("%q: exit %d, stdout %q, stderr %q, want %q", args, c.code, c.out, c.err, want)
		}
	}
}

func TestMistakesInTheEnvironmentAreListedAndExit2(t *testing.T) {
	t.Parallel()
	s := sitting{ctx: t.Context(), env: []string{"OUBLI_URL=nowhere", "OUBLI_TOKN=x"}}
	c := s.run(t, "status")
	c.expect(t, ExitUsage)
	want := `oubli: OUBLI_URL: want http://host:port or https://host, without user, query and fragment, got nowhere
oubli: OUBLI_TOKEN: not set; want a bearer token (or its file in OUBLI_TOKEN_FILE)
oubli: OUBLI_TOKN: unknown key; the most similar known key is OUBLI_TOKEN
`
	if c.err != want {
		t.Errorf("got:\n%s\nwant:\n%s", c.err, want)
	}
}

func TestVersionNamesTheBuild(t *testing.T) {
	t.Parallel()
	c := sitting{ctx: t.Context()}.run(t, "version")
	c.expect(t, ExitDone, "oubli ", "go1.")
}

func TestAMintedTokenIsAcceptedByTheAPI(t *testing.T) {
	t.Parallel()
	s := sitting{ctx: t.Context(), env: []string{"OUBLI_AUTH_SECRET=" + authSecret}}
	c := s.run(t, "token", "--tenant", "7", "--role", "viewer", "--subject", "me", "--email", "me@example.com", "--ttl", "5m")
	c.expect(t, ExitDone)
	verifier, err := httpapi.NewVerifier(httpapi.VerifierOptions{Secrets: [][]byte{[]byte(authSecret)}})
	if err != nil {
		t.Fatal(err)
	}
	caller, err := verifier.Verify(strings.TrimSuffix(c.out, "\n"))
	want := jobs.Caller{Subject: "me", Email: "me@example.com", Tenant: "7", Role: jobs.Viewer}
	if err != nil || caller != want {
		t.Errorf("got %+v, %v, want %+v", caller, err, want)
	}
	s.env = nil
	s.run(t, "token", "--tenant", "7", "--role", "viewer", "--subject", "me", "--email", "me@example.com").
		expect(t, ExitUsage, "oubli: OUBLI_AUTH_SECRET: not set")
	s.run(t, "token", "--tenant", "7", "--role", "viewer", "--subject", "me", "--email", "me@example.com", "--ttl", "0s").
		expect(t, ExitUsage, "--ttl: want 1s..720h0m0s, got 0s")
}

func TestTextFromTheNetworkCannotControlTheTerminal(t *testing.T) {
	t.Parallel()
	if got := terminal.Printable("a\x1b[2J\r\nb\u202ec\x00 \u009bd"); got != "a[2J bc d" {
		t.Errorf("got %q", got)
	}
}
