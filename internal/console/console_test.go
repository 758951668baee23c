package console_test

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/console"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// now does not wait.
type now struct{}

func (now) Wait(context.Context, string, string, jobs.JobProgress) error { return nil }

// browser is somebody with a session of the console.
type browser struct {
	*http.Client
	url string
}

func open(t *testing.T, db *bookingdb.DB) (*repository.Store, *httptest.Server) {
	t.Helper()
	s, err := repository.Open(t.Context(), repository.Options{URL: db.APIURL, Map: bookingdb.Map(t), BatchClients: 100})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	h, err := console.New(console.Options{
		Sessions: s, Jobs: s, Steps: s, Waiter: now{}, Kept: s, Environment: "staging",
		Formats: console.Formats{
			Reason: func(_, code string) string { return "because " + code },
			Number: func(_ string, n int) string { return strings.Repeat("I", n) },
			Date:   func(_ string, d time.Time) string { return d.Format(time.DateOnly) },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return s, srv
}

func signIn(t *testing.T, s *repository.Store, srv *httptest.Server, role jobs.Role, tenant, locale string) browser {
	t.Helper()
	_, code, _, err := s.OfferConsole(t.Context(), jobs.ConsoleRequest{
		Caller: jobs.Caller{Tenant: tenant, Subject: "u1", Email: "u1@studio.example", Role: role},
		Locale: locale, Until: time.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := browser{&http.Client{Jar: jar}, srv.URL}
	if status, body, _ := b.do(t, "POST", "/console/session", `{"code":"`+code+`"}`); status != 200 || !strings.Contains(body,
		"/console/") {
		t.Fatalf("signing in: %d %s", status, body)
	}
	if status, _, _ := b.do(t, "POST", "/console/session", `{"code":"`+code+`"}`); status != http.StatusUnauthorized {
		t.Errorf("the code was good twice: %d", status)
	}
	return b
}

func (b browser) do(t *testing.T, method, path, body string, headers ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := b.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if p := resp.Header.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") || strings.Contains(p, "unsafe") ||
		!strings.Contains(p, "require-trusted-types-for 'script'") || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s %s: headers %v", method, path, resp.Header)
	}
	return resp.StatusCode, string(text), resp.Header
}

func accept(t *testing.T, s *repository.Store, db *bookingdb.DB, comment string) jobs.Job {
	t.Helper()
	j, _, err := s.AcceptErasure(t.Context(), jobs.ErasureRequest{
		TenantID: "1", ClientIDs: db.Clients(t, 1, 3), Reason: jobs.SubjectRequest, CreatedBy: "u1", Comment: comment,
	}, jobs.IdempotencyKey{Key: comment, Caller: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestAnAdminSeesAJobAndChangesItAndAViewerOnlySees(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s, srv := open(t, db)
	j := accept(t, s, db, `<script>alert(1)</script>`)
	admin, viewer := signIn(t, s, srv, jobs.Admin, "1", "de"), signIn(t, s, srv, jobs.Viewer, "1", "fr")
	page := "/console/jobs/" + j.ID
	status, body, _ := admin.do(t, "GET", page, "")
	if status != 200 || !strings.Contains(body, "Löschung: geplant") || !strings.Contains(body, "Anhalten") || !strings.Contains(body,
		"staging") ||
		strings.Contains(body, "<script>alert") || !strings.Contains(body, `lang="de"`) {
		t.Errorf("%d %s", status, body)
	}
	if status, body, _ = viewer.do(t, "GET", page, ""); status != 200 || strings.Contains(body, page+"/pause") ||
		!strings.Contains(body, "planifié") {
		t.Errorf("a viewer: %d %s", status, body)
	}
	if status, _, _ = viewer.do(t, "POST", page+"/pause", ""); status != http.StatusForbidden {
		t.Errorf("a viewer's pause: %d", status)
	}
	for _, evil := range []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"} {
		if status, _, _ = admin.do(t, "POST", page+"/pause", "", evil); status != http.StatusForbidden {
			t.Errorf("%s: %d", evil, status)
		}
	}
	for _, step := range []string{"pause", "resume", "cancel"} {
		if status, _, _ = admin.do(t, "POST", page+"/"+step, "", "Sec-Fetch-Site: same-origin"); status != 200 {
			t.Errorf("%s: %d", step, status)
		}
	}
	if status, _, _ = admin.do(t, "POST", page+"/cancel", ""); status != http.StatusConflict {
		t.Errorf("a second cancel: %d", status)
	}
	if got, err := s.Job(t.Context(), jobs.Erasure, "1", j.ID); err != nil || got.State != jobs.Cancelled {
		t.Errorf("%+v, %v", got, err)
	}
	stranger := signIn(t, s, srv, jobs.Admin, "2", "")
	for _, path := range []string{page, page + "/progress", "/console/jobs/x", "/console/nothing"} {
		if status, _, _ = stranger.do(t, "GET", path, ""); status != http.StatusNotFound {
			t.Errorf("another tenant's %s: %d", path, status)
		}
	}
	for _, path := range []string{"/console/", "/console/jobs?state=cancelled", "/console/jobs?kind=merge", "/console/retention",
		page + "/progress"} {
		if status, body, _ = admin.do(t, "GET", path, ""); status != 200 || strings.Contains(body, "<no value>") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestWhoSignsOutOrWasIdleSeesNothingMore(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s, srv := open(t, db)
	nobody := browser{&http.Client{}, srv.URL}
	if status, _, _ := nobody.do(t, "GET", "/console/jobs", ""); status != http.StatusUnauthorized {
		t.Errorf("without a cookie: %d", status)
	}
	b := signIn(t, s, srv, jobs.Admin, "1", "")
	at, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	cookies := b.Jar.Cookies(at)
	if len(cookies) != 1 || cookies[0].Name != "oubli" {
		t.Fatalf("cookies %v", cookies)
	}
	if status, _, _ := b.do(t, "POST", "/console/sign-out", ""); status != 200 || len(b.Jar.Cookies(at)) != 0 {
		t.Errorf("sign-out: %d, cookies %v", status, b.Jar.Cookies(at))
	}
	b.Jar.SetCookies(at, cookies)
	if status, _, _ := b.do(t, "GET", "/console/", ""); status != http.StatusUnauthorized {
		t.Errorf("the old cookie after the sign-out: %d", status)
	}
}

func TestEveryLanguageHasEveryText(t *testing.T) {
	t.Parallel()
	all := console.Words()
	for tag, words := range all {
		for key := range maps.Keys(all["en"]) {
			if words[key] == "" {
				t.Errorf("%s has no text for %s", tag, key)
			}
		}
		if len(words) != len(all["en"]) {
			t.Errorf("%s has %d texts, want %d", tag, len(words), len(all["en"]))
		}
	}
}
