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
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/oubli/oubli/internal/testlog"
)

// A handler may have chosen a status and written a part of the body when it panics.
// Until the first byte is sent, the caller gets a problem. Either way the request
// counts as 500, in the metrics and in the log.
func TestAPanicIsCountedAndLoggedAs500WheneverItHappens(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		problem bool
	}{
		"before anything": {func(http.ResponseWriter, *http.Request) { panic("v") }, true},
		"after the status": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusOK)
			panic("v")
		}, true},
		"in the middle of the body": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("x", 1<<16))
			panic("v")
		}, false},
		"after a flush": {func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			panic("v")
		}, false},
	} {
		var log testlog.Buffer
		counted := make(chan int, 1)
		o := &Options{Tracer: noop.NewTracerProvider().Tracer(""), Log: zerolog.New(&log)}
		o.Observe = func(_, _ string, status int, _ time.Duration) { counted <- status }
		server := httptest.NewServer(observe(o, c.handler))
		defer server.Close()
		answer, err := http.Get(server.URL)
		if status := <-counted; status != http.StatusInternalServerError {
			t.Errorf("%s: counted as %d", name, status)
		}
		if c.problem {
			var p struct {
				Code      string `json:"code"`
				RequestID string `json:"request_id"`
			}
			if err != nil || answer.StatusCode != 500 || json.NewDecoder(answer.Body).Decode(&p) != nil || p.Code != "internal" ||
				p.RequestID == "" || p.RequestID != answer.Header.Get("X-Request-Id") {
				t.Errorf("%s: got %v, %v, %+v", name, answer, err, p)
			}
		} else if err == nil {
			if _, err := io.Copy(io.Discard, answer.Body); err == nil {
				t.Errorf("%s: the answer looks complete", name)
			}
		}
		if err == nil {
			_ = answer.Body.Close()
		}
		server.Close() // waits for the handler, which logs last
		if !strings.Contains(log.String(), `"status":500`) || !strings.Contains(log.String(), "request panicked") {
			t.Errorf("%s: the log says\n%s", name, log.String())
		}
	}
}
