package httpapi

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/oubli/oubli/internal/testlog"
	"github.com/oubli/oubli/jobs"
)

var testSecret = []byte("a secret of more than thirty-two bytes")

// marker represents personal data in requests. No answer and no log line
// may ever contain it.
const marker = "Zorro"

// testAPI is an API with a store in memory, served over a real connection.
type testAPI struct {
	*httptest.Server
	store *memoryStore
	log   *testlog.Buffer
}

func newTestAPI(t *testing.T) *testAPI {
	t.Helper()
	v, err := NewVerifier(VerifierOptions{Secrets: [][]byte{testSecret}})
	if err != nil {
		t.Fatal(err)
	}
	b := &testAPI{store: newMemoryStore(), log: &testlog.Buffer{}}
	h, err := New(Options{Stores: b.store.stores(), Verifier: v, Waiter: b.store, Feed: b.store, Console: b.store,
		Log: zerolog.New(b.log), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	b.Server = httptest.NewServer(h)
	t.Cleanup(b.Close)
	return b
}

func mustToken(t *testing.T, tenant string, role jobs.Role) string {
	t.Helper()
	token, err := Mint(testSecret, jobs.Caller{Subject: "u1", Email: "owner@studio.example", Tenant: tenant, Role: role}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// answer is an answer with its whole body.
type answer struct {
	*http.Response
	body string
}

func (a answer) problem(t *testing.T) Problem {
	t.Helper()
	var p Problem
	dec := json.NewDecoder(strings.NewReader(a.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		t.Fatalf("%d %s is no problem document: %s", a.StatusCode, a.Header.Get("Content-Type"), a.body)
	}
	return p
}

func (a answer) job(t *testing.T) jobs.Job {
	t.Helper()
	var j jobs.Job
	if err := json.Unmarshal([]byte(a.body), &j); err != nil || j.ID == "" {
		t.Fatalf("%d %s is no job: %s", a.StatusCode, a.Header.Get("Content-Type"), a.body)
	}
	return j
}

// ask sends a request, with headers as "Name: value" lines, and checks the rules
// that apply to every answer.
func (b *testAPI) ask(t *testing.T, method, path, token, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	resp, err := b.Client().Transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{resp, string(data)}
	b.checkAnswer(t, a)
	return a
}

func (b *testAPI) checkAnswer(t *testing.T, a answer) {
	t.Helper()
	if a.Header.Get("X-Request-Id") == "" || a.Header.Get("X-Content-Type-Options") != "nosniff" ||
		a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers are missing: %v", a.Header)
	}
	if strings.Contains(a.body, marker) || strings.Contains(b.log.String(), marker) {
		t.Errorf("what was sent is in the answer\n%s\nor in the log\n%s", a.body, b.log)
	}
	if a.StatusCode < 400 || a.Request.Method == http.MethodHead {
		return
	}
	p := a.problem(t)
	switch {
	case a.Header.Get("Content-Type") != "application/problem+json":
		t.Errorf("the problem's type is %s", a.Header.Get("Content-Type"))
	case p.Status != a.StatusCode || p.Code == "" || p.Title == "" || p.Detail == "" || p.Type != "urn:oubli:problem:"+p.Code:
		t.Errorf("the problem to status %d is incomplete: %s", a.StatusCode, a.body)
	case p.RequestID != a.Header.Get("X-Request-Id"):
		t.Errorf("the problem has request id %q, the header %q", p.RequestID, a.Header.Get("X-Request-Id"))
	case codes[p.Code].meaning != "" && statusOf(codes[p.Code].kind, p.Code) != p.Status:
		t.Errorf("code %s comes with status %d, documented is %d", p.Code, p.Status, statusOf(codes[p.Code].kind, p.Code))
	}
}
