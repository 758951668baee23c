package ops

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/oubli/oubli/internal/testdb"
)

// marker represents personal data, which must not appear anywhere.
const marker = "Zorro"

func mustRedis(t *testing.T) asynq.RedisConnOpt {
	t.Helper()
	opt, err := asynq.ParseRedisURI(testdb.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	return opt
}

// nowhere is the address of a Redis that is never used.
var nowhere = asynq.RedisClientOpt{Addr: "127.0.0.1:1"}

func mustServe(t *testing.T, o Options) *httptest.Server {
	t.Helper()
	if o.Addr == "" {
		o.Addr = "127.0.0.1:9090"
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.Close()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// mustAsk sends a request with headers as "Name: value" lines; Password means
// basic authentication.
func mustAsk(t *testing.T, s *httptest.Server, method, path string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		switch name, value, _ := strings.Cut(h, ": "); name {
		case "Password":
			req.SetBasicAuth("anybody", value)
		case "Host":
			req.Host = value
		default:
			req.Header.Set(name, value)
		}
	}
	resp, err := s.Client().Transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestTheListenerStaysOnLoopbackWithoutAPassword(t *testing.T) {
	t.Parallel()
	for addr, loopback := range map[string]bool{
		"127.0.0.1:9090": true, "127.8.9.1:0": true, "[::1]:9090": true, "localhost:9090": true,
		":9090": false, "0.0.0.0:9090": false, "[::]:9090": false, "10.0.0.1:9090": false,
		"ops.example:9090": false, "localhost.example:9090": false,
	} {
		for _, password := range []string{"", "secret"} {
			h, err := New(Options{Addr: addr, Password: password, Redis: nowhere, Registry: prometheus.NewRegistry()})
			if want := loopback || password != ""; want != (err == nil) {
				t.Errorf("%s with password %q: got %v", addr, password, err)
			}
			if err == nil {
				_ = h.Close()
			}
		}
	}
	_, err := New(Options{Addr: "9090", CheckTimeout: -1})
	for _, want := range []string{"Addr", "Redis", "Registry", "CheckTimeout"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named: %v", want, err)
		}
	}
}

func TestThePasswordOpensAllAndProbesNeedNone(t *testing.T) {
	t.Parallel()
	s := mustServe(t, Options{Addr: "0.0.0.0:9090", Password: "correct horse", Redis: nowhere})
	for _, path := range []string{"/", "/monitoring", "/monitoring/api/queues", "/metrics", "/debug/pprof/", "/debug/pprof/cmdline", "/nix"} {
		for _, headers := range [][]string{
			nil, {"Password: wrong"}, {"Password: correct horsE"}, {"Password: "}, {"Authorization: Bearer correct horse"},
		} {
			resp, body := mustAsk(t, s, "GET", path, headers...)
			if resp.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Basic ") {
				t.Errorf("%s with %v: got %d %s", path, headers, resp.StatusCode, body)
			}
		}
	}
	for _, path := range []string{"/", "/monitoring", "/metrics", "/debug/pprof/", "/debug/pprof/heap?debug=1"} {
		if resp, body := mustAsk(t, s, "GET", path, "Password: correct horse", "Host: ops.example"); resp.StatusCode != http.StatusOK {
			t.Errorf("%s with the password: got %d %s", path, resp.StatusCode, body)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if resp, body := mustAsk(t, s, "GET", path, "Host: 10.0.0.7:9090"); resp.StatusCode != http.StatusOK {
			t.Errorf("%s for a probe: got %d %s", path, resp.StatusCode, body)
		}
	}
}

func TestAForeignHostNameIsRefusedWhereNoPasswordProtects(t *testing.T) {
	t.Parallel()
	s := mustServe(t, Options{Redis: nowhere})
	for host, want := range map[string]int{
		"localhost:9090": 200, "127.0.0.1": 200, "[::1]:9090": 200, "[::1]": 200,
		"evil.example": 421, "127.0.0.1.evil.example:9090": 421, "[": 421,
	} {
		for _, path := range []string{"/", "/healthz", "/monitoring/"} {
			if resp, _ := mustAsk(t, s, "GET", path, "Host: "+host); resp.StatusCode != want && !(host == "[" && resp.StatusCode == 400) {
				t.Errorf("%s as %s: got %d, want %d", path, host, resp.StatusCode, want)
			}
		}
	}
}

func TestTheIndexLinksToWhatThereIs(t *testing.T) {
	t.Parallel()
	s := mustServe(t, Options{Redis: nowhere})
	_, page := mustAsk(t, s, "GET", "/")
	links := strings.Split(page, `href="`)[1:]
	if len(links) != 5 {
		t.Errorf("%d links in\n%s", len(links), page)
	}
	for _, l := range links {
		path, _, _ := strings.Cut(l, `"`)
		if resp, _ := mustAsk(t, s, "GET", path); resp.StatusCode != http.StatusOK || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: got %d %v", path, resp.StatusCode, resp.Header)
		}
	}
}
