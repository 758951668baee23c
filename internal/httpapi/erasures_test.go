package httpapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oubli/oubli/jobs"
)

const goodBody = `{"client_ids":["a",7],"reason":"subject_request"}`

func TestAnErasureIsAcceptedAndCanBeRead(t *testing.T) {
	t.Parallel()
	b := newTestAPI(t)
	token := mustToken(t, "studio", jobs.Admin)
	a := b.ask(t, "POST", "/v1/erasures", token, goodBody, "Idempotency-Key: k", "Content-Type: application/json; charset=utf-8")
	job := a.job(t)
	if a.StatusCode != http.StatusAccepted ||
		a.Header.Get("Location") != "/v1/erasures/"+job.ID || a.Header.Get("Idempotency-Replayed") != "" {
		t.Errorf("got %d %v", a.StatusCode, a.Header)
	}
	for _, id := range []string{job.ID, strings.ToUpper(job.ID)} {
		if got := b.ask(t, "GET", "/v1/erasures/"+id, token, ""); got.StatusCode != http.StatusOK || got.body != a.body {
			t.Errorf("read %s, accepted was %s", got.body, a.body)
		}
	}
	for _, want := range []string{`"exceptions":{}`, `"rows":{}`, `"started_at":null`, `"finished_at":null`, `"pending":2`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("no %s in %s", want, a.body)
		}
	}
	if a := b.ask(t, "GET", a.Header.Get("Location")+"/clients?outcome=skipped&limit=5&cursor=c", token, ""); a.body != "{\"items\":[]}\n" {
		t.Errorf("a page without clients: %s", a.body)
	}
	want := jobs.ExceptionFilter{
		Kind:     jobs.Erasure,
		JobID:    job.ID,
		TenantID: "studio",
		Outcome:  jobs.Skipped,
		Page:     jobs.Page{Limit: 5, Cursor: "c"},
	}
	if got := b.store.clients[0]; got != want {
		t.Errorf("the store was asked for %+v, want %+v", got, want)
	}
}

func TestARequestArrivesAsItWasMeant(t *testing.T) {
	t.Parallel()
	soon := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	owner := []string{"owner@studio.example"}
	for _, c := range []struct {
		name, body string
		want       jobs.ErasureRequest
	}{
		{"least", `{"client_ids":["a"],"reason":"inactivity"}`,
			jobs.ErasureRequest{ClientIDs: []string{"a"}, Reason: jobs.Inactivity, Notify: owner}},
		{"most", `{
			"reason": "subject_request",
			"client_ids": ["a"],
			"comment": "Ticket\n4711 ✓",
			"notify": ["a@b.example", "A@B.example", "c@d.example"],
			"locale": "DE_at",
			"not_before": "` + soon.Format(time.RFC3339) + `",
			"override": ["future_appointment"],
			"tenant_id": "studio"
		}`, jobs.ErasureRequest{
			ClientIDs: []string{"a"},
			Reason:    jobs.SubjectRequest,
			Comment:   "Ticket\n4711 ✓",
			Notify:    []string{"a@b.example", "c@d.example"},
			Locale:    "de-AT",
			NotBefore: soon,
			Override:  []string{"future_appointment"},
		}},
		{"nobody to notify", `{"client_ids":["a"],"reason":"inactivity","notify":[]}`,
			jobs.ErasureRequest{ClientIDs: []string{"a"}, Reason: jobs.Inactivity}},
		{"numbers stay exact", `{
			"client_ids": [9007199254740993, -1, 0, 9223372036854775807, -9223372036854775808, "007", "1e3"],
			"reason": "inactivity"
		}`, jobs.ErasureRequest{
			ClientIDs: []string{"9007199254740993", "-1", "0", "9223372036854775807", "-9223372036854775808", "007", "1e3"},
			Reason:    jobs.Inactivity,
			Notify:    owner,
		}},
		{"a time that has passed", `{"client_ids":["a"],"reason":"inactivity","not_before":"2001-01-01T00:00:00+02:00"}`,
			jobs.ErasureRequest{ClientIDs: []string{"a"}, Reason: jobs.Inactivity, Notify: owner,
				NotBefore: time.Date(2000, 12, 31, 22, 0, 0, 0, time.UTC)}},
		{"SQL is a key like any other", `{"client_ids":["'; DROP TABLE clients; --"],"reason":"inactivity"}`,
			jobs.ErasureRequest{ClientIDs: []string{"'; DROP TABLE clients; --"}, Reason: jobs.Inactivity, Notify: owner}},
		{"escapes are read", `{"client\u005fids":["\u0061\u00e9"],"reason":"inactivity"}`,
			jobs.ErasureRequest{ClientIDs: []string{"aé"}, Reason: jobs.Inactivity, Notify: owner}},
	} {
		b := newTestAPI(t)
		a := b.ask(t, "POST", "/v1/erasures", mustToken(t, "studio", jobs.Admin), c.body, "Idempotency-Key: k")
		if a.StatusCode != http.StatusAccepted {
			t.Errorf("%s: got %d %s", c.name, a.StatusCode, a.body)
			continue
		}
		c.want.TenantID, c.want.CreatedBy = "studio", "u1"
		if got, want := fmt.Sprintf("%+v", b.store.requests[0]), fmt.Sprintf("%+v", c.want); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, want)
		}
	}
}

func TestARepeatGetsTheFirstAnswer(t *testing.T) {
	t.Parallel()
	b := newTestAPI(t)
	token := mustToken(t, "studio", jobs.Admin)
	first := b.ask(t, "POST", "/v1/erasures", token, goodBody, "Idempotency-Key: k")
	for _, body := range []string{goodBody, " {\n \"client_ids\": [\"a\",\t7], \"reason\": \"subject_request\" }\r\n"} {
		a := b.ask(t, "POST", "/v1/erasures", token, body, "Idempotency-Key: k")
		if a.StatusCode != 202 || a.body != first.body || a.Header.Get("Location") != first.Header.Get("Location") ||
			a.Header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("the repeat %s: got %d %v %s", body, a.StatusCode, a.Header, a.body)
		}
	}
	for _, body := range []string{
		`{"client_ids":["a",8],"reason":"subject_request"}`,
		`{"client_ids":["a","7"],"reason":"subject_request"}`,
		`{"client_ids":["a",7],"reason":"inactivity"}`,
	} {
		a := b.ask(t, "POST", "/v1/erasures", token, body, "Idempotency-Key: k")
		if a.StatusCode != 422 || a.problem(t).Code != "idempotency_key_reused" {
			t.Errorf("another request under the key: got %d %s", a.StatusCode, a.body)
		}
	}
	gym := mustToken(t, "gym", jobs.Admin)
	a := b.ask(t, "POST", "/v1/erasures", gym, `{"client_ids":["b"],"reason":"inactivity"}`, "Idempotency-Key: k")
	if a.StatusCode != 202 {
		t.Errorf("the same key of another tenant: got %d %s", a.StatusCode, a.body)
	}
}

func TestTheTenantOfAServicesRequestIsPartOfItsIdentity(t *testing.T) {
	t.Parallel()
	hash := func(method, path, tenant, body string) [32]byte {
		return requestHash(method, path, tenant, []byte(body))
	}
	base := hash("POST", "/v1/erasures", "a", `{}`)
	for name, other := range map[string][32]byte{
		"tenant": hash("POST", "/v1/erasures", "b", `{}`),
		"path":   hash("POST", "/v1/merges", "a", `{}`),
		"method": hash("PUT", "/v1/erasures", "a", `{}`),
		"body":   hash("POST", "/v1/erasures", "a", `{"a":1}`),
		"border": hash("POST", "/v1/erasuresa", "", `{}`),
	} {
		if other == base {
			t.Errorf("another %s has the same hash", name)
		}
	}
}

func TestAHundredIdenticalRequestsAtOnceAreOneJob(t *testing.T) {
	t.Parallel()
	b := newTestAPI(t)
	token := mustToken(t, "studio", jobs.Admin)
	locations := make([]string, 100)
	var all sync.WaitGroup
	for i := range locations {
		all.Go(func() {
			locations[i] = b.ask(t, "POST", "/v1/erasures", token, goodBody, "Idempotency-Key: k").Header.Get("Location")
		})
	}
	all.Wait()
	if slices.Sort(locations); locations[0] == "" || locations[0] != locations[99] || len(b.store.requests) != 1 {
		t.Errorf("%d jobs, from %q to %q", len(b.store.requests), locations[0], locations[99])
	}
}

func TestTheIdempotencyKeyIsNeededBeforeTheBody(t *testing.T) {
	t.Parallel()
	b := newTestAPI(t)
	token := mustToken(t, "studio", jobs.Admin)
	for _, c := range []struct {
		name, code string
		headers    []string
	}{
		{"none", "idempotency_key_missing", nil},
		{"empty", "idempotency_key_missing", []string{"Idempotency-Key: "}},
		{"too long", "idempotency_key_invalid", []string{"Idempotency-Key: " + strings.Repeat("x", 256)}},
		{"space", "idempotency_key_invalid", []string{"Idempotency-Key: a " + marker}},
		{"not ASCII", "idempotency_key_invalid", []string{"Idempotency-Key: é" + marker}},
		{"two", "idempotency_key_invalid", []string{"Idempotency-Key: a", "Idempotency-Key: b"}},
	} {
		if a := b.ask(t, "POST", "/v1/erasures", token, "{", c.headers...); a.StatusCode != 400 || a.problem(t).Code != c.code {
			t.Errorf("%s: got %d %s", c.name, a.StatusCode, a.body)
		}
	}
	if a := b.ask(t, "POST", "/v1/erasures", token, goodBody, "Idempotency-Key: "+strings.Repeat("x", 255)); a.StatusCode != 202 {
		t.Errorf("255 characters: got %d %s", a.StatusCode, a.body)
	}
}

func TestABodyOfTheWrongKindOrSizeIsRefused(t *testing.T) {
	t.Parallel()
	b := newTestAPI(t)
	token := mustToken(t, "studio", jobs.Admin)
	for _, c := range []struct {
		name, body, header, code string
		status                   int
	}{
		{"form", goodBody, "Content-Type: application/x-www-form-urlencoded", "unsupported_media_type", 415},
		{"text", goodBody, "Content-Type: text/plain", "unsupported_media_type", 415},
		{"merge patch", goodBody, "Content-Type: application/merge-patch+json", "unsupported_media_type", 415},
		{"no media type at all", goodBody, "Content-Type: " + marker, "unsupported_media_type", 415},
		{"compressed", goodBody, "Content-Encoding: gzip", "unsupported_media_type", 415},
		{"empty", "", "Content-Type: application/json", "body_missing", 400},
		{"blank", " \r\n", "Content-Type: application/json", "body_missing", 400},
		{"too large", `{"comment":"` + strings.Repeat("x", clientsBody) + `"}`, "Content-Type: application/json", "body_too_large", 413},
	} {
		a := b.ask(t, "POST", "/v1/erasures", token, c.body, "Idempotency-Key: k", c.header)
		if a.StatusCode != c.status || a.problem(t).Code != c.code {
			t.Errorf("%s: got %d %s, want %d %s", c.name, a.StatusCode, a.body, c.status, c.code)
		}
	}
	// Without Content-Length, the server finds the size only while it reads.
	long := io.MultiReader(strings.NewReader(strings.Repeat(" ", clientsBody)), strings.NewReader(goodBody))
	req, err := http.NewRequestWithContext(t.Context(), "POST", b.URL+"/v1/erasures", long)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Idempotency-Key", "k")
	resp, err := b.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 413 {
		t.Errorf("a stream that is too large: got %d", resp.StatusCode)
	}
}

func TestTheLargestRequestFits(t *testing.T) {
	t.Parallel()
	ids := make([]string, jobs.MaxClients)
	for i := range ids {
		ids[i] = fmt.Sprintf("%0255d", i)
	}
	body, err := json.Marshal(map[string]any{"client_ids": ids, "reason": "inactivity", "comment": strings.Repeat("é", jobs.MaxComment)})
	if err != nil {
		t.Fatal(err)
	}
	b := newTestAPI(t)
	token := mustToken(t, "studio", jobs.Admin)
	a := b.ask(t, "POST", "/v1/erasures", token, string(body), "Idempotency-Key: k")
	if a.StatusCode != 202 || len(b.store.requests[0].ClientIDs) != jobs.MaxClients {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	more := strings.Replace(string(body), `"client_ids":[`, `"client_ids":["one more",`, 1)
	a = b.ask(t, "POST", "/v1/erasures", token, more, "Idempotency-Key: l")
	if a.StatusCode != 422 || a.problem(t).Errors[0].Code != "too_many" || a.problem(t).Errors[0].Pointer != "/client_ids" {
		t.Errorf("one client more: got %d %s", a.StatusCode, a.body)
	}
}
