package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/oubli/oubli/jobs"
)

func TestTheStoresCodeAndTextReachTheCaller(t *testing.T) {
	t.Parallel()
	b := newTestAPI(t)
	b.store.fail = &jobs.Error{Kind: jobs.Conflict, Code: "idempotency_in_flight",
		Msg: "The first request is still being answered.", Err: errors.New("lock not available")}
	a := b.ask(t, "POST", "/v1/erasures", mustToken(t, "studio", jobs.Admin), goodBody, "Idempotency-Key: k")
	p := a.problem(t)
	if a.StatusCode != 409 || p.Code != "idempotency_in_flight" || p.Detail != "The first request is still being answered." ||
		a.Header.Get("Retry-After") == "" {
		t.Errorf("got %d %v %s", a.StatusCode, a.Header, a.body)
	}
	if strings.Contains(a.body, "lock not available") {
		t.Errorf("the answer contains the cause: %s", a.body)
	}
}

func TestTheCauseOfAFailureIsLoggedOnceAndNeverInTheAnswer(t *testing.T) {
	t.Parallel()
	const cause = "SQLSTATE XX000 on jobs"
	for name, err := range map[string]error{
		"bare":        errors.New(cause),
		"internal":    &jobs.Error{Code: "secret_code", Msg: cause},
		"unavailable": &jobs.Error{Kind: jobs.Unavailable, Msg: cause, Err: errors.New("dial")},
	} {
		b := newTestAPI(t)
		b.store.fail = err
		for _, r := range []struct{ method, path, body string }{
			{"POST", "/v1/erasures", goodBody}, {"GET", "/v1/erasures", ""},
		} {
			a := b.ask(t, r.method, r.path, mustToken(t, "studio", jobs.Admin), r.body, "Idempotency-Key: k")
			if a.StatusCode < 500 || strings.Contains(a.body, "SQLSTATE") || strings.Contains(a.body, "secret_code") {
				t.Errorf("%s: got %d %s", name, a.StatusCode, a.body)
			}
		}
		if n := strings.Count(b.log.String(), cause); n != 2 {
			t.Errorf("%s: the cause of two failures is logged %d times:\n%s", name, n, b.log)
		}
	}
}

func TestAPanicIsAProblemAndTheNextRequestIsServed(t *testing.T) {
	t.Parallel()
	b := newTestAPI(t)
	token := mustToken(t, "studio", jobs.Admin)
	for _, v := range []any{marker, errors.New(marker), fmt.Errorf("%w", context.Canceled)} {
		b.store.mu.Lock()
		b.store.panics = v
		b.store.mu.Unlock()
		if a := b.ask(t, "POST", "/v1/erasures", token, goodBody, "Idempotency-Key: k"); a.StatusCode != 500 || a.problem(t).Code != "internal" {
			t.Errorf("panic with %T: got %d %s", v, a.StatusCode, a.body)
		}
	}
	b.store.mu.Lock()
	b.store.panics = nil
	b.store.mu.Unlock()
	if !strings.Contains(b.log.String(), "request panicked") || !strings.Contains(b.log.String(), "memory_store_test.go") {
		t.Errorf("the log does not say where:\n%s", b.log)
	}
	if a := b.ask(t, "POST", "/v1/erasures", token, goodBody, "Idempotency-Key: k"); a.StatusCode != 202 {
		t.Errorf("the next request: got %d %s", a.StatusCode, a.body)
	}
}

func TestWhatTheRouterRefusesIsAProblemToo(t *testing.T) {
	t.Parallel()
	b := newTestAPI(t)
	token := mustToken(t, "studio", jobs.Admin)
	for _, c := range []struct {
		method, path, code string
		status             int
	}{
		{"GET", "/", "route_not_found", 404},
		{"GET", "/v1/" + marker, "route_not_found", 404},
		{"GET", "//v1/erasures", "route_not_found", 404},
		{"GET", "/v1/../v1/erasures", "route_not_found", 404},
		{"GET", "/v1/erasures/", "route_not_found", 404},
		{"PUT", "/v1/erasures", "method_not_allowed", 405},
		{"DELETE", "/v1/erasures/0199b4a2-7c1e-7d53-9a1f-000000000001", "method_not_allowed", 405},
		{"ZORRO", "/v1/erasures", "method_not_allowed", 405},
		{"GET", "/openapi.yaml", "route_not_found", 404},
		{"GET", "/docs", "route_not_found", 404},
		{"GET", "/v1/erasures?" + marker + "=1", "validation_failed", 422},
		{"GET", "/v1/erasures?limit=0", "validation_failed", 422},
		{"GET", "/v1/erasures?limit=1001", "validation_failed", 422},
		{"GET", "/v1/erasures?limit=" + marker, "validation_failed", 422},
		{"GET", "/v1/erasures?state=" + marker, "validation_failed", 422},
		{"GET", "/v1/erasures?cursor=%00" + marker, "bad_cursor", 422},
		{"GET", "/v1/erasures?cursor=%ff" + marker, "bad_cursor", 422},
		{"GET", "/v1/erasures?cursor=" + strings.Repeat("x", 513), "validation_failed", 422},
		{"GET", "/v1/erasures/" + marker, "not_found", 404},
		{"GET", "/v1/erasures/0199b4a2-7c1e-7d53-9a1f-00000000000%00", "not_found", 404},
		{"GET", "/v1/erasures/0199b4a27c1e7d539a1f000000000001", "not_found", 404},
		{"GET", "/v1/erasures/" + marker + "/clients", "not_found", 404},
		{"GET", "/v1/erasures/0199b4a2-7c1e-7d53-9a1f-000000000001/clients?outcome=erased", "validation_failed", 422},
	} {
		a := b.ask(t, c.method, c.path, token, "")
		if a.StatusCode != c.status || a.problem(t).Code != c.code {
			t.Errorf("%s %s: got %d %s, want %d %s", c.method, c.path, a.StatusCode, a.body, c.status, c.code)
		}
		if c.status == 405 && !strings.Contains(a.Header.Get("Allow"), "GET") {
			t.Errorf("%s %s: Allow is %q", c.method, c.path, a.Header.Get("Allow"))
		}
	}
	if a := b.ask(t, "GET", "/v1/erasures?tenant_id=%00", mustToken(t, "*", jobs.Admin), ""); a.StatusCode != 422 {
		t.Errorf("NUL in tenant_id: got %d %s", a.StatusCode, a.body)
	}
	if strings.Contains(b.log.String(), "ZORRO") {
		t.Errorf("a method of the caller's own making is logged:\n%s", b.log)
	}
}

func TestTheAccessLogHasOneLineForEachRequest(t *testing.T) {
	t.Parallel()
	b := newTestAPI(t)
	b.ask(t, "GET", "/v1/erasures?cursor=abc", mustToken(t, "studio", jobs.Viewer), "", "X-Request-Id: "+marker)
	b.ask(t, http.MethodHead, "/openapi.json", "", "")
	lines := strings.Split(strings.TrimSpace(b.log.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("two requests leave\n%s", b.log)
	}
	for _, want := range []string{`"route":"GET /v1/erasures"`, `"method":"GET"`, `"status":200`, `"duration_ms":`, `"request_id":"`} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("no %s in %s", want, lines[0])
		}
	}
	if strings.Contains(lines[0], "cursor") {
		t.Errorf("the query is logged: %s", lines[0])
	}
}

func TestACallerWhoDisconnectsIsNotAFailureOfTheService(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if p := translate(ctx, fmt.Errorf("read: %w", ctx.Err())); p.Status != statusClientGone {
		t.Errorf("cancelled: got %d", p.Status)
	}
	late, stop := context.WithTimeout(t.Context(), 0)
	defer stop()
	if p := translate(late, errors.New("x")); p.Status != 503 || p.Code != "timeout" {
		t.Errorf("out of time: got %d %s", p.Status, p.Code)
	}
	if p := translate(late, &jobs.Error{Kind: jobs.Missing}); p.Status != 404 {
		t.Errorf("an answer that was found all the same: got %d", p.Status)
	}
}
