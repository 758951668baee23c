package httpapi

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oubli/oubli/jobs"
)

// mustLimit returns a function that sends requests, without a network, to an API
// with these limits.
func mustLimit(t *testing.T, l Limits) func(method, path, token, address, body string) (int, Problem, http.Header) {
	t.Helper()
	v, err := NewVerifier(VerifierOptions{Secrets: [][]byte{testSecret}})
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(Options{Stores: newMemoryStore().stores(), Waiter: newMemoryStore(), Feed: newMemoryStore(), Verifier: v, Limits: l})
	if err != nil {
		t.Fatal(err)
	}
	return func(method, path, token, address, body string) (int, Problem, http.Header) {
		t.Helper()
		req := httptest.NewRequest(method, path, strings.NewReader(body))
		req.RemoteAddr = address + ":4711"
		req.Header.Set("Idempotency-Key", "k")
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		var p Problem
		if w.Code >= 400 {
			p = answer{w.Result(), w.Body.String()}.problem(t)
		}
		return w.Code, p, w.Header()
	}
}

func checkRetryAfter(t *testing.T, p Problem, h http.Header) {
	t.Helper()
	if n, err := strconv.Atoi(h.Get("Retry-After")); p.Code != "too_many_requests" || err != nil || n < 1 || n > 100 {
		t.Errorf("told to wait by %+v with %v", p, h)
	}
}

func TestACallerWhoSendsTooManyRequestsWaitsAndNobodyElseDoes(t *testing.T) {
	t.Parallel()
	ask := mustLimit(t, Limits{Requests: 1})
	greedy, other := mustToken(t, "studio", jobs.Viewer), mustToken(t, "other", jobs.Viewer)
	refused := 0
	for range 30 {
		status, p, h := ask("GET", "/v1/erasures", greedy, "192.0.2.1", "")
		if status == http.StatusTooManyRequests {
			checkRetryAfter(t, p, h)
			refused++
		} else if status != http.StatusOK {
			t.Errorf("got %d", status)
		}
	}
	if refused < 15 || refused > 20 {
		t.Errorf("of 30 requests at once %d were refused, want about 20", refused)
	}
	if status, _, _ := ask("GET", "/v1/erasures", other, "192.0.2.1", ""); status != http.StatusOK {
		t.Errorf("the same subject of another tenant, from the same address: got %d", status)
	}
	// A request that its role does not allow counts too.
	if status, _, _ := ask("POST", "/v1/erasures", greedy, "192.0.2.2", goodBody); status != http.StatusTooManyRequests {
		t.Errorf("from another address: got %d", status)
	}
}

func TestACallerWhoSendsTooMuchWaits(t *testing.T) {
	t.Parallel()
	ask := mustLimit(t, Limits{Bytes: 1000})
	token, other := mustToken(t, "studio", jobs.Admin), mustToken(t, "other", jobs.Admin)
	full := goodBody + strings.Repeat(" ", 3000)
	var got []int
	for range 5 {
		status, p, h := ask("POST", "/v1/erasures", token, "192.0.2.1", full)
		if status == http.StatusTooManyRequests {
			checkRetryAfter(t, p, h)
			if h.Get("Connection") != "close" {
				t.Error("the rest of the body is waited for")
			}
		}
		got = append(got, status)
	}
	if got[0] != 202 || got[1] != 202 || got[4] != http.StatusTooManyRequests {
		t.Errorf("bodies of 3 kB, where 8 may come at once: got %d", got)
	}
	if status, _, _ := ask("POST", "/v1/erasures", other, "192.0.2.1", full); status != 202 {
		t.Errorf("somebody else: got %d", status)
	}
	if status, _, _ := ask("GET", "/v1/erasures", token, "192.0.2.1", ""); status != 200 {
		t.Errorf("a request without a body: got %d", status)
	}
}

func TestAnAddressThatGuessesMustWaitAndAValidTokenAlwaysPasses(t *testing.T) {
	t.Parallel()
	ask := mustLimit(t, Limits{Failures: 5})
	good := mustToken(t, "studio", jobs.Viewer)
	expired := mustSignText(t, `{"alg":"HS256"}`, fmt.Sprintf(
		`{"aud":"oubli","exp":%d,"sub":"u","email":"a@b.example","tenant":"studio","role":"viewer"}`,
		time.Now().Add(-time.Hour).Unix()))
	for range 20 {
		if status, p, _ := ask("GET", "/v1/erasures", expired, "192.0.2.1", ""); status != 401 || p.Code != "token_expired" {
			t.Fatalf("an expired token: got %d %+v", status, p)
		}
	}
	for i, want := range []int{401, 401, 401, 401, 401, 429, 429} {
		token := "x.y.z"
		if i%2 == 0 {
			token = ""
		}
		status, p, h := ask("GET", "/v1/erasures", token, "192.0.2.1", "")
		if status != want {
			t.Errorf("failure %d: got %d, want %d", i+1, status, want)
		}
		if status == 429 {
			checkRetryAfter(t, p, h)
		}
	}
	if status, _, _ := ask("GET", "/v1/erasures", good, "192.0.2.1", ""); status != 200 {
		t.Errorf("a good token from there: got %d", status)
	}
	if status, _, _ := ask("GET", "/v1/erasures", "", "192.0.2.2", ""); status != 401 {
		t.Errorf("another address: got %d", status)
	}
}

func TestTheDefaultsLetABulkCallerWork(t *testing.T) {
	t.Parallel()
	l := Limits{}.start()
	for i := range 10 * DefaultRequests {
		if wait := l.requests.Take("bulk", 1); wait > 0 {
			t.Fatalf("request %d at once waits %s", i+1, wait)
		}
	}
	// The largest bodies, one after the other as they are read.
	for i := range 2 * clientsBody / readStep {
		if wait := l.bytes.Take("bulk", readStep); wait > 0 {
			t.Fatalf("of two largest bodies at once, byte %d waits %s", i*readStep, wait)
		}
	}
}
