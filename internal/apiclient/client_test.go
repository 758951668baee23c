package apiclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oubli/oubli/jobs"
)

const token = "header.t0ken.signature"

// script answers the first request with the first answer, and so on. It repeats the
// last answer.
type script struct {
	mu      sync.Mutex
	answers []http.HandlerFunc
	asked   []asked
}

type asked struct{ method, uri, key, auth, body string }

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.asked = append(s.asked, asked{r.Method, r.RequestURI, r.Header.Get("Idempotency-Key"), r.Header.Get("Authorization"), string(body)})
	answer := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	s.mu.Unlock()
	answer(w, r)
}

func (s *script) requests() []asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// talk starts a server with these answers. It returns a client that records its
// waits instead of waiting, and these waits.
func talk(t *testing.T, answers ...http.HandlerFunc) (*Client, *script, *[]time.Duration) {
	t.Helper()
	s := &script{answers: answers}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	c := New(srv.URL+"/", token)
	var waits []time.Duration
	c.wait = func(ctx context.Context, d time.Duration) error {
		waits = append(waits, d)
		return ctx.Err()
	}
	return c, s, &waits
}

func ok(v any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
}

func refuse(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func breakOff(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

var job = jobs.Job{ID: "j1", State: jobs.Running, Requested: 2, Counts: jobs.Counts{Erased: 1, Pending: 1}}

func TestARequestThatMayHelpIsRepeatedWithTheSameKey(t *testing.T) {
	t.Parallel()
	c, s, waits := talk(t,
		breakOff,
		refuse(503, `{"code":"unavailable","detail":"no database"}`, "Retry-After", "7"),
		refuse(409, `{"code":"idempotency_in_flight","detail":"in a moment"}`),
		ok(job))
	got, err := c.CreateErasure(t.Context(), Erasure{ClientIDs: []string{"1", "2"}, Reason: jobs.SubjectRequest}, "")
	if err != nil || got.ID != "j1" {
		t.Fatalf("got %+v, %v", got, err)
	}
	all := s.requests()
	if len(all) != 4 {
		t.Fatalf("want 4 tries, got %+v", all)
	}
	for _, a := range all {
		if a != all[0] {
			t.Errorf("a repeated request differs: %+v and %+v", all[0], a)
		}
	}
	first := all[0]
	if len(first.key) < 20 || first.auth != "Bearer "+token || first.method != "POST" || first.uri != "/v1/erasures" {
		t.Errorf("got %+v", first)
	}
	if first.body != `{"client_ids":["1","2"],"reason":"subject_request"}` {
		t.Errorf("got body %s", first.body)
	}
	if (*waits)[1] != 7*time.Second || (*waits)[0] < firstWait || (*waits)[0] > 2*firstWait {
		t.Errorf("got waits %v", *waits)
	}
}

func TestTriesAreBounded(t *testing.T) {
	t.Parallel()
	c, s, waits := talk(t, refuse(429, `{"code":"slow_down","detail":"too many requests"}`, "Retry-After", "86400"))
	_, err := c.Get(t.Context(), "j1")
	if jobs.KindOf(err) != jobs.Unavailable || len(s.requests()) != maxTries {
		t.Errorf("got %v after %d tries", err, len(s.requests()))
	}
	for _, w := range *waits {
		if w > maxRetryAfter {
			t.Errorf("waits %v", *waits)
		}
	}
}

func TestARefusalIsNotRepeated(t *testing.T) {
	t.Parallel()
	for status, kind := range map[int]jobs.ErrorKind{
		400: jobs.Malformed, 401: jobs.Unauthenticated, 403: jobs.Forbidden, 404: jobs.Missing,
		409: jobs.Conflict, 413: jobs.TooLarge, 422: jobs.Invalid,
	} {
		c, s, _ := talk(t, refuse(status, `{"code":"some_code","detail":"Do this instead."}`))
		_, err := c.CreateErasure(t.Context(), Erasure{}, "k")
		e, ok := errors.AsType[*jobs.Error](err)
		if !ok || e.Kind != kind || e.Code != "some_code" || e.Error() != "Do this instead." {
			t.Errorf("%d: got %#v", status, err)
		}
		if got := s.requests(); len(got) != 1 || got[0].key != "k" {
			t.Errorf("%d: got %+v", status, got)
		}
	}
}

func TestAProblemSaysWhereTheMistakesAre(t *testing.T) {
	t.Parallel()
	c, _, _ := talk(t, refuse(422, `{"code":"validation_failed","detail":"The request breaks 5 rules; see errors.","errors":[
		{"detail":"Too long.","pointer":"/client_ids/3"},{"detail":"Unknown.","parameter":"limit"},
		{"detail":"All wrong."},{"detail":"d"},{"detail":"e"}]}`))
	_, err := c.Get(t.Context(), "j1")
	want := "The request breaks 5 rules; see errors.; client_ids.3: Too long.; limit: Unknown.; All wrong.; and 2 more"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestAFaultOfTheServiceCarriesItsRequestID(t *testing.T) {
	t.Parallel()
	c, _, _ := talk(t, refuse(500, `{"code":"internal","detail":"It broke.","request_id":"r-1"}`))
	_, err := c.Get(t.Context(), "j1")
	if err == nil || err.Error() != "It broke. [request r-1]" || jobs.KindOf(err) != jobs.Internal {
		t.Errorf("got %v", err)
	}
}

func TestNoErrorHoldsTheToken(t *testing.T) {
	t.Parallel()
	redirect := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://elsewhere.example.com/?"+token, http.StatusTemporaryRedirect)
	}
	for name, answer := range map[string]http.HandlerFunc{
		"a proxy that quotes headers": refuse(400, `{"code":"bad_`+token+`","detail":"header Authorization: Bearer `+token+`"}`),
		"a page":                      func(w http.ResponseWriter, _ *http.Request) { http.Error(w, token, http.StatusTeapot) },
		"a redirect":                  redirect,
		"a broken connection":         breakOff,
		"no JSON":                     func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, token) },
	} {
		c, s, _ := talk(t, answer)
		_, err := c.Get(t.Context(), "j1")
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, c), token) {
			t.Errorf("%s: got %v", name, err)
		}
		if e, ok := errors.AsType[*jobs.Error](err); !ok || strings.Contains(e.Code, token) {
			t.Errorf("%s: got %#v", name, err)
		}
		if name == "a redirect" && len(s.requests()) != 1 {
			t.Errorf("the redirect was followed: %+v", s.requests())
		}
	}
}

func TestAnAnswerOfSomebodyElseIsRecognised(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"a page":        func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>Welcome</html>") },
		"other JSON":    ok(map[string]string{"hello": "world"}),
		"a proxy's 404": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusNotFound) },
	} {
		c, _, _ := talk(t, answer)
		_, err := c.Get(t.Context(), "j1")
		if err == nil || !strings.Contains(err.Error(), "check the URL") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAnAPIThatIsAwayIsNamed(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	c := New(srv.URL, token)
	c.wait = func(context.Context, time.Duration) error { return nil }
	_, err := c.Get(t.Context(), "j1")
	e, ok := errors.AsType[*jobs.Error](err)
	if !ok || e.Kind != jobs.Unavailable || !strings.HasPrefix(e.Error(), "cannot reach the API at "+srv.URL+": ") {
		t.Errorf("got %v", err)
	}
}

func TestExceptionsAreReadPageByPage(t *testing.T) {
	t.Parallel()
	page := func(next string, ids ...string) http.HandlerFunc {
		l := jobs.List[jobs.Exception]{Next: next}
		for _, id := range ids {
			l.Items = append(l.Items, jobs.Exception{ClientID: id, Outcome: jobs.Skipped, Code: "legal_hold"})
		}
		return ok(l)
	}
	c, s, _ := talk(t, page("c2", "1", "2"), page("c3"), page("", "3"))
	var got []string
	for e, err := range c.Exceptions(t.Context(), "j/1", jobs.Skipped) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.ClientID)
	}
	if fmt.Sprint(got) != "[1 2 3]" {
		t.Errorf("got %v", got)
	}
	want := []string{
		"/v1/erasures/j%2F1/clients?limit=1000&outcome=skipped",
		"/v1/erasures/j%2F1/clients?cursor=c2&limit=1000&outcome=skipped",
		"/v1/erasures/j%2F1/clients?cursor=c3&limit=1000&outcome=skipped",
	}
	for i, a := range s.requests() {
		if a.uri != want[i] {
			t.Errorf("page %d: got %s, want %s", i+1, a.uri, want[i])
		}
	}
}

func TestExceptionsEndAtAnErrorAndWhenTheReaderHasEnough(t *testing.T) {
	t.Parallel()
	two := jobs.List[jobs.Exception]{Items: []jobs.Exception{{ClientID: "1"}, {ClientID: "2"}}, Next: "c2"}
	c, _, _ := talk(t, ok(two), refuse(404, `{"code":"not_found","detail":"There is no such thing."}`))
	seen, failed := 0, 0
	for _, err := range c.Exceptions(t.Context(), "j1", "") {
		if err != nil {
			failed++
			continue
		}
		seen++
	}
	if seen != 2 || failed != 1 {
		t.Errorf("got %d clients and %d errors", seen, failed)
	}
	c, s, _ := talk(t, ok(two))
	for range c.Exceptions(t.Context(), "j1", "") {
		break
	}
	if len(s.requests()) != 1 {
		t.Errorf("read on: %+v", s.requests())
	}
}

func TestListAsksForOnePage(t *testing.T) {
	t.Parallel()
	c, s, _ := talk(t, ok(jobs.List[jobs.Job]{Items: []jobs.Job{job}, Next: "n"}))
	l, err := c.List(t.Context(), jobs.Running, jobs.Page{Limit: 5, Cursor: "x"})
	if err != nil || len(l.Items) != 1 || l.Next != "n" {
		t.Errorf("got %+v, %v", l, err)
	}
	if _, err = c.List(t.Context(), "", jobs.Page{}); err != nil {
		t.Error(err)
	}
	if got := s.requests(); got[0].uri != "/v1/erasures?cursor=x&limit=5&state=running" || got[1].uri != "/v1/erasures" {
		t.Errorf("got %+v", got)
	}
}
