package ops

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/oubli/oubli/internal/testlog"
	"github.com/oubli/oubli/jobs"
)

func TestReadinessNamesEachCheckAndNoValue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log testlog.Buffer
		var trouble atomic.Pointer[error]
		var runs atomic.Int32
		logger := zerolog.New(&log)
		r := newReadiness([]Check{
			{"database", func(context.Context) error {
				runs.Add(1)
				if err := trouble.Load(); err != nil {
					return *err
				}
				return nil
			}},
			{"map", func(context.Context) error { return nil }},
		}, 3*time.Second, &logger)
		ask := func() (int, string) {
			w := httptest.NewRecorder()
			r.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
			return w.Code, strings.TrimSpace(w.Body.String())
		}

		const ready = `{"status":"ready","checks":[{"name":"database","status":"ok"},{"name":"map","status":"ok"}]}`
		if code, body := ask(); code != 200 || body != ready {
			t.Errorf("got %d %s", code, body)
		}
		refused := fmt.Errorf("connect to %s: refused", marker)
		trouble.Store(&refused)
		if code, _ := ask(); code != 200 || runs.Load() != 1 {
			t.Errorf("within a second: got %d after %d runs", code, runs.Load())
		}
		for range 3 {
			time.Sleep(2 * readyCache)
			code, body := ask()
			if code != 503 || strings.Contains(body, marker) ||
				!strings.Contains(body, `{"name":"database","status":"failing","cause":"failed; the log has the cause"}`) {
				t.Errorf("got %d %s", code, body)
			}
		}
		if n := strings.Count(log.String(), marker); n != 1 {
			t.Errorf("a cause that stays is logged %d times:\n%s", n, &log)
		}
		var gaps error = &jobs.Error{Kind: jobs.Conflict, Msg: "the map does not cover clients.iban", Err: errors.New(marker)}
		trouble.Store(&gaps)
		time.Sleep(2 * readyCache)
		code, body := ask()
		if code != 503 || !strings.Contains(body, `"cause":"the map does not cover clients.iban"`) || strings.Contains(body, marker) {
			t.Errorf("got %d %s", code, body)
		}
		trouble.Store(nil)
		time.Sleep(2 * readyCache)
		if code, body := ask(); code != 200 || body != ready || !strings.Contains(log.String(), "check passes again") {
			t.Errorf("got %d %s, the log is\n%s", code, body, &log)
		}
	})
}

func TestACheckThatHangsDoesNotHangReadiness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		defer close(stuck)
		logger := zerolog.Nop()
		r := newReadiness([]Check{
			{"stuck", func(context.Context) error { <-stuck; return nil }},
			{"slow", func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("ping: %w", ctx.Err()) }},
			{"quick", func(context.Context) error { return nil }},
		}, 3*time.Second, &logger)
		start := time.Now()
		v := r.answer(t.Context())
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %s", took)
		}
		want := readyAnswer{"not_ready", []checkResult{{"stuck", "failing", "timed out"}, {"slow", "failing", "timed out"}, {"quick", "ok", ""}}}
		if fmt.Sprint(v) != fmt.Sprint(want) {
			t.Errorf("got %+v", v)
		}
	})
}

func TestAProberThatHangsUpLeavesNoVerdict(t *testing.T) {
	t.Parallel()
	logger := zerolog.Nop()
	r := newReadiness([]Check{{"database", func(ctx context.Context) error { return ctx.Err() }}}, time.Second, &logger)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if v := r.answer(ctx); v.Status != "ready" {
		t.Errorf("got %+v", v)
	}
}
