package ops

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestAProfileOrTraceOfMoreThanAMinuteIsRefused(t *testing.T) {
	t.Parallel()
	s := mustServe(t, Options{Redis: nowhere})
	for _, path := range []string{"/debug/pprof/profile", "/debug/pprof/trace", "/debug/pprof/heap", "/debug/pprof/goroutine"} {
		for _, seconds := range []string{"100000", "60.001", "9223372036854775807", "1e300", "Inf", "NaN", "0", "-1", "many"} {
			resp, body := mustAsk(t, s, "GET", path+"?seconds="+url.QueryEscape(seconds))
			if resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, "at most 60") {
				t.Errorf("%s for %s seconds: got %d %q, want 400 with the limit", path, seconds, resp.StatusCode, body)
			}
		}
	}
}

func TestAShortTraceIsTaken(t *testing.T) {
	t.Parallel()
	s := mustServe(t, Options{Redis: nowhere})
	if resp, body := mustAsk(t, s, "GET", "/debug/pprof/trace?seconds=0.01"); resp.StatusCode != http.StatusOK || body == "" {
		t.Errorf("got %d and %d bytes", resp.StatusCode, len(body))
	}
}
