package httpapi

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/oubli/oubli/jobs"
)

// swappableStore is a store that a fuzz target replaces for each request. The
// handler stays the same, because building one takes long.
type swappableStore struct{ *memoryStore }

func (s *swappableStore) stores() Stores {
	return Stores{Jobs: s, Controls: s, Erasures: s, Merges: s, Selections: s, Clients: s, Retention: s}
}

// mustSwappableAPI returns the API with a swappableStore, a valid token, and the
// operations of the OpenAPI document in a fixed order.
func mustSwappableAPI(tb testing.TB) (http.Handler, *swappableStore, string, []route) {
	tb.Helper()
	v, err := NewVerifier(VerifierOptions{Secrets: [][]byte{testSecret}})
	if err != nil {
		tb.Fatal(err)
	}
	c := &swappableStore{newMemoryStore()}
	h, err := New(Options{Stores: c.stores(), Verifier: v, Waiter: c, Feed: c, Console: c, Limits: Limits{Requests: -1, Bytes: -1,
		Failures: -1}})
	if err != nil {
		tb.Fatal(err)
	}
	token, err := Mint(testSecret, jobs.Caller{Subject: "u1", Email: "owner@studio.example", Tenant: "studio", Role: jobs.Admin},
		24*time.Hour)
	if err != nil {
		tb.Fatal(err)
	}
	return h, c, token, routesOf(tb, h)
}

// storeWithJob returns a store with one job, whose id is the one that route.at
// puts into paths.
func storeWithJob() *memoryStore {
	s := newMemoryStore()
	s.jobs[selectionID] = jobs.Job{ID: selectionID, TenantID: "studio", State: jobs.Running}
	return s
}

// checkFuzzed checks the answer to an arbitrary request: its status must be
// documented, it must be JSON, and a refused request must not reach the store.
func checkFuzzed(w *httptest.ResponseRecorder, store *memoryStore, responses map[string]bool) error {
	for name, values := range w.Header() {
		if strings.ContainsAny(name+strings.Join(values, ""), "\r\n\x00") {
			return fmt.Errorf("header %q: %q", name, values)
		}
	}
	if w.Code >= 500 || responses != nil && !responses[strconv.Itoa(w.Code)] {
		return fmt.Errorf("status %d, which is not documented", w.Code)
	}
	streams := w.Code == http.StatusOK && w.Header().Get("Content-Type") == "text/event-stream"
	if !streams && !json.Valid(w.Body.Bytes()) || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		return fmt.Errorf("not an answer of ours: %v", w.Header())
	}
	if w.Code < 400 {
		return checkTexts(reflect.ValueOf(store).Elem())
	}
	var p Problem
	err := json.Unmarshal(w.Body.Bytes(), &p)
	if err != nil || p.Status != w.Code || codes[p.Code].meaning == "" ||
		statusOf(codes[p.Code].kind, p.Code) != w.Code || len(p.Errors) > maxFaults {
		return fmt.Errorf("not a problem with a code of ours: %v", err)
	}
	if wasAsked(store) {
		return fmt.Errorf("status %d, and the store has been asked", w.Code)
	}
	return nil
}

// wasAsked reports whether anything of a request has reached the store, which
// keeps every kind of request in a slice.
func wasAsked(store *memoryStore) bool {
	v := reflect.ValueOf(store).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Slice && f.Len() > 0 {
			return true
		}
	}
	return false
}

// checkTexts checks every text that has reached the store: PostgreSQL must be able
// to store it, and its length must be bounded.
func checkTexts(v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		s := v.String()
		odd := func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\n\r\t", r) }
		if !utf8.ValidString(s) || strings.ContainsFunc(s, odd) || utf8.RuneCountInString(s) > jobs.MaxComment {
			return fmt.Errorf("the store was given %q", s)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := checkTexts(v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return nil
		}
		for i := range v.NumField() {
			if err := checkTexts(v.Field(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if err := checkTexts(v.MapIndex(key)); err != nil {
				return err
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			return checkTexts(v.Elem())
		}
	}
	return nil
}

// FuzzBodies sends any bytes to any route that takes a body. The routes are read
// from the OpenAPI document, so that new routes are included.
func FuzzBodies(f *testing.F) {
	h, c, token, routes := mustSwappableAPI(f)
	routes = slices.DeleteFunc(routes, func(r route) bool { return r.example == "" })
	for i, r := range routes {
		f.Add(uint8(i), []byte(r.example))
		for _, s := range []string{
			`{}`, `null`, `[[[[`, `{"a":{"b":[{}]}}`, "{\"comment\":\"\xff\"}",
			`{"client_ids":["\ud800"],"reason":"inactivity"}`, `{"reason":1e999}`,
			`{"client_ids":[1,"b",-0,9223372036854775808],"reason":"inactivity"}`,
			`{"client_ids":["a"],"client_ids":["b"],"reason":"inactivity"}`,
			`{"client_ids":["a"],"reason":"subject_request","notify":["a@b.example","A@B.example","x@y\r\nBcc: z@y"],` +
				`"locale":"de-AT","not_before":"9999-12-31T23:59:60Z","comment":"\u0007\u202e","override":["g"],` +
				`"tenant_id":"t","dry_run":true}`,
			`{"selection_id":"0199B4A2-7C1E-7D53-9A1F-00000000ABCD","expected_count":2147483648,"reason":"inactivity"}`,
			`{"period":"P999Y9999M9999W99999D","without":["appointments","' OR 1=1 --"],"include_new_clients":true}`,
			`{"period":"PT1S"}`, `{"period":"P"}`,
			`{"exclude":["1",2],"include":["1"]}`, `{"include":[` + strings.Repeat("1,", 10_000) + `1]}`,
			`{"source_client_ids":["1",2],"target":{"client_id":"3"},"delete_source":true,"fill_blanks":true,"conflicts":"keep_target"}`,
			`{"source_client_ids":["1"],"target":{"anonymous":true,"anonymous":false,"client_id":null}}`,
		} {
			f.Add(uint8(i), []byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, body []byte) {
		r, store := routes[int(i)%len(routes)], storeWithJob()
		c.memoryStore = store
		req := httptest.NewRequest(r.method, r.at(selectionID), bytes.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Idempotency-Key", "k")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if err := checkFuzzed(w, store, r.responses); err != nil {
			t.Fatalf("%s: %v\n%q\n%d %s", r, err, body, w.Code, w.Body)
		}
	})
}

// FuzzRequests sends any method, target and header lines: paths, ids, limits,
// cursors, states and keys.
func FuzzRequests(f *testing.F) {
	h, c, token, routes := mustSwappableAPI(f)
	for _, r := range routes {
		f.Add(r.method, r.at(selectionID), "", "")
		f.Add(r.method, r.at("../../etc/passwd"), "Idempotency-Key", "' OR 1=1 --")
		f.Add(r.method, r.at(selectionID)+"?limit=1000&cursor=%ff&state=running&outcome=failed&tenant_id=studio", "Content-Encoding",
			"gzip")
		f.Add(r.method, r.at("%00"), "Content-Type", "text/plain; charset=utf-16")
	}
	f.Add("GET", "/v1/erasures?cursor=0199b4a2-7c1e-7d53-9a1f-00000000abcd&limit=-1", "X-Request-Id", "Zorro")
	f.Add("GET", "/v1/erasures?limit=9223372036854775808&limit=1&;=;&%zz", "Transfer-Encoding", "chunked, gzip")
	f.Add("GET", "/v1/erasures?tenant_id=*", "X-HTTP-Method-Override", "DELETE")
	f.Add("POST", "/v1/erasures/"+selectionID+"/cancel?_method=GET", "Expect", "100-continue")
	f.Add("OPTIONS", "*", "Origin", "https://evil.example")
	f.Add("GET", "http://evil.example/v1/erasures", "Host", "evil.example")
	f.Add("GET", "/v1/./erasures//%2e%2e/%2fopenapi.json", "Authorization", "Basic eDp5")
	f.Fuzz(func(t *testing.T, method, target, name, value string) {
		raw := method + " " + target + " HTTP/1.1\r\nHost: oubli\r\nAuthorization: Bearer " + token + "\r\n" + name + ": " +
			value + "\r\n\r\n"
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			return
		}
		store := storeWithJob()
		c.memoryStore = store
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if req.Method == http.MethodHead || w.Code < 400 && w.Body.Len() == 0 {
			return
		}
		if err := checkFuzzed(w, store, nil); err != nil {
			t.Fatalf("%v\n%q\n%d %s", err, raw, w.Code, w.Body)
		}
	})
}

// FuzzTokens signs any header and payload with the right key. If the token is
// accepted, the caller must be the one that a simple decoder reads from the
// payload, by exact names.
func FuzzTokens(f *testing.F) {
	v, err := NewVerifier(VerifierOptions{Secrets: [][]byte{testSecret}, Now: func() time.Time { return noon }})
	if err != nil {
		f.Fatal(err)
	}
	payload := func(c jwt.MapClaims) string {
		text, err := json.Marshal(c)
		if err != nil {
			f.Fatal(err)
		}
		return string(text)
	}
	f.Add(`{"alg":"HS256","typ":"JWT"}`, payload(goodClaims()))
	f.Add(`{"alg":"HS256","alg":"none"}`, payload(with("exp", 1e300)))
	f.Add(`{"alg":"HS256","kid":"x","jwk":{}}`, payload(with("aud", []string{"a", "oubli"})))
	f.Add(`{"alg":"HS256","crit":[]}`, strings.Replace(payload(goodClaims()), `"role":`, `"ROLE":"admin","role":`, 1))
	f.Add(`{"alg":"none"}`, strings.Replace(payload(goodClaims()), `"tenant":`, `"tenant":"*","tenant":`, 1))
	f.Fuzz(func(t *testing.T, header, payload string) {
		caller, err := v.Verify(mustSignText(t, header, payload))
		if err != nil {
			return
		}
		var plain map[string]any
		if err := json.Unmarshal([]byte(payload), &plain); err != nil {
			t.Fatalf("%q is admitted, but %v", payload, err)
		}
		said := jobs.Caller{}
		said.Subject, _ = plain["sub"].(string)
		said.Email, _ = plain["email"].(string)
		said.Tenant, _ = plain["tenant"].(string)
		role, _ := plain["role"].(string)
		said.Role = jobs.Role(role)
		audience, many := plain["aud"].([]any)
		exp, _ := plain["exp"].(float64)
		if caller != said || plain["aud"] != Audience && !(many && slices.Contains(audience, any(Audience))) ||
			exp <= float64(noon.Unix()) {
			t.Fatalf("%q is admitted as %+v", payload, caller)
		}
		for _, claim := range []string{"nbf", "iat"} {
			if at, ok := plain[claim].(float64); ok && at > float64(noon.Add(tokenSkew+time.Second).Unix()) {
				t.Fatalf("%q is admitted before its %s", payload, claim)
			}
		}
		if !bareAddress(caller.Email) || hasControl(caller.Subject+caller.Tenant+string(caller.Role)) ||
			len(caller.Tenant) > jobs.MaxTenantLength {
			t.Fatalf("%q is admitted as %+v", payload, caller)
		}
	})
}
