package ops

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/oubli/oubli/jobs"
)

func TestAnotherSitesPageMayLinkToTheDashboardAndNothingElse(t *testing.T) {
	t.Parallel()
	s := mustServe(t, Options{Addr: "0.0.0.0:9090", Password: "correct horse", Redis: nowhere})
	from := func(site, mode, dest string) []string {
		return []string{"Password: correct horse", "Sec-Fetch-Site: " + site, "Sec-Fetch-Mode: " + mode, "Sec-Fetch-Dest: " + dest}
	}
	for _, c := range []struct {
		name, path string
		headers    []string
		want       int
	}{
		{"its own page", "/metrics", from("same-origin", "cors", "empty"), 200},
		{"typed by hand", "/metrics", from("none", "navigate", "document"), 200},
		{"a link in a chat", "/monitoring/", from("cross-site", "navigate", "document"), 200},
		{"a link in a wiki", "/metrics", from("same-site", "navigate", "document"), 200},
		{"an image", "/metrics", from("cross-site", "no-cors", "image"), 403},
		{"a script", "/monitoring/api/queues", from("cross-site", "no-cors", "script"), 403},
		{"a fetch from a neighbour", "/metrics", from("same-site", "cors", "empty"), 403},
		{"a frame", "/monitoring/", from("cross-site", "navigate", "iframe"), 403},
		{"a profile by an image", "/debug/pprof/profile?seconds=1", from("cross-site", "no-cors", "image"), 403},
		{"a profile by a link", "/debug/pprof/profile?seconds=1", from("cross-site", "navigate", "document"), 403},
		{"a probe that says nothing", "/healthz", nil, 200},
	} {
		if resp, body := mustAsk(t, s, "GET", c.path, c.headers...); resp.StatusCode != c.want {
			t.Errorf("%s: got %d %s, want %d", c.name, resp.StatusCode, body, c.want)
		}
	}
}

func TestGuessingThePasswordEndsSoonAndEvenARightGuessIsNotTold(t *testing.T) {
	t.Parallel()
	s := mustServe(t, Options{Addr: "0.0.0.0:9090", Password: "correct horse", Redis: nowhere, Failures: 3})
	for range 10 { // the first request of a browser has no password and does not count
		if resp, _ := mustAsk(t, s, "GET", "/metrics"); resp.StatusCode != http.StatusUnauthorized {
			t.Fatalf("without a password: got %d", resp.StatusCode)
		}
	}
	for i, want := range []int{401, 401, 401, 429, 429} {
		resp, _ := mustAsk(t, s, "GET", "/metrics", "Password: wrong")
		if resp.StatusCode != want || (want == 429) != (resp.Header.Get("Retry-After") != "") {
			t.Errorf("guess %d: got %d %v, want %d", i+1, resp.StatusCode, resp.Header, want)
		}
	}
	if resp, _ := mustAsk(t, s, "GET", "/metrics", "Password: correct horse"); resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a right guess among many: got %d", resp.StatusCode)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if resp, _ := mustAsk(t, s, "GET", path); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: got %d", path, resp.StatusCode)
		}
	}
}

func TestManyGuessesAtOnceAreNotOneTooMany(t *testing.T) {
	t.Parallel()
	check := &passwordCheck{want: sha256.Sum256([]byte("correct horse")), failures: failureLimiter(5)}
	var checked atomic.Int32
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			if _, wait := check.check("192.0.2.1", "wrong"); wait == 0 {
				checked.Add(1)
			}
		})
	}
	all.Wait()
	if n := checked.Load(); n != 5 {
		t.Errorf("%d guesses at once were checked, want 5", n)
	}
}

func TestNoTimeLimitEndsAProfileThatIsBeingTaken(t *testing.T) {
	t.Parallel()
	s := NewServer(http.NotFoundHandler(), "")
	if s.ReadHeaderTimeout <= 0 || s.IdleTimeout <= 0 || s.WriteTimeout <= 0 || s.MaxHeaderBytes <= 0 {
		t.Errorf("a time or a size without limit: %+v", s)
	}
	if s.ReadTimeout < s.WriteTimeout {
		t.Errorf("the time to read, %s, ends what may be written for %s", s.ReadTimeout, s.WriteTimeout)
	}
}

func TestHostilePathsLeadNowhere(t *testing.T) {
	t.Parallel()
	opt := mustRedis(t)
	enqueue(t, opt, jobs.Dispatch{TaskID: "a", Kind: jobs.BatchTask, Queue: jobs.Bulk, No: 1})
	s := mustServe(t, Options{Redis: opt})
	for _, path := range []string{
		"/monitoring/..%2f..%2f..%2fetc%2fpasswd",
		"/monitoring/static/..%2f..%2f..%2f..%2fetc%2fpasswd",
		"/monitoring/static/%2e%2e/%2e%2e/etc/passwd",
		"/monitoring/static/..%5c..%5cetc%5cpasswd",
		"/monitoring/static/js/%00",
		"/debug/pprof/..%2f..%2f..%2fetc%2fpasswd",
		"/debug/pprof/%00",
		"/metrics/../../etc/passwd",
		"/monitoring/api/queues/%00",
		"/monitoring/api/queues/';DROP",
		"/monitoring/api/queues/<script>" + marker,
		"/monitoring/api/queues/bulk/pending_tasks?size=99999999999999999999&page=-1",
		"/debug/pprof/" + marker,
		"/readyz/" + marker,
	} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "TRACE"} {
			resp, body := mustAsk(t, s, method, path, "X-HTTP-Method-Override: POST")
			if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Content-Security-Policy") == "" {
				t.Errorf("%s %s: headers %v", method, path, resp.Header)
			}
			html := strings.Contains(resp.Header.Get("Content-Type"), "html")
			if strings.Contains(body, "root:") || html && strings.Contains(body, "<script>"+marker) {
				t.Errorf("%s %s: got %d %s", method, path, resp.StatusCode, body)
			}
			redirect := resp.StatusCode == http.StatusMovedPermanently || resp.StatusCode == http.StatusTemporaryRedirect
			if method != "GET" && resp.StatusCode < 400 && !redirect {
				t.Errorf("%s %s: got %d", method, path, resp.StatusCode)
			}
		}
	}
	if q, err := mustInspector(t, opt).GetQueueInfo("bulk"); err != nil || q.Pending != 1 || q.Paused {
		t.Errorf("the queue is %+v, %v", q, err)
	}
}
