package ops

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/oubli/oubli/jobs"
)

// Check is one condition for /readyz.
type Check struct {
	Name string // as /readyz shows it: "database"
	// Run returns an error while the condition does not hold. It honours ctx.
	Run func(ctx context.Context) error
}

// readyCache is how long an answer of /readyz is reused: anybody may request it,
// and a check may run queries.
const readyCache = time.Second

// healthz answers 200, which shows that the process is alive.
func healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// readiness answers /readyz.
type readiness struct {
	checks  []Check
	timeout time.Duration
	log     *zerolog.Logger

	mu      sync.Mutex // held while the checks run, so that they run once at a time
	last    readyAnswer
	at      time.Time // of last
	failing map[string]bool
}

type readyAnswer struct {
	Status string        `json:"status"` // ready or not_ready
	Checks []checkResult `json:"checks"`
}

type checkResult struct {
	Name   string `json:"name"`
	Status string `json:"status"` // ok or failing
	Cause  string `json:"cause,omitempty"`
}

func newReadiness(checks []Check, timeout time.Duration, log *zerolog.Logger) *readiness {
	return &readiness{checks: checks, timeout: timeout, log: log, failing: map[string]bool{}}
}

// ServeHTTP answers 200 when every check passes, else 503.
func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	v := r.answer(req.Context())
	status := http.StatusOK
	if v.Status != "ready" {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, v)
}

// answer returns the last answer while it is new enough, or runs the checks.
func (r *readiness) answer(ctx context.Context) readyAnswer {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.at.IsZero() && time.Since(r.at) < readyCache {
		return r.last
	}
	// If the caller disconnects, the checks must not fail because of it: other
	// callers get the same answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.timeout)
	defer cancel()
	results := make(chan struct {
		i   int
		err error
	}, len(r.checks))
	for i, c := range r.checks {
		go func() {
			results <- struct {
				i   int
				err error
			}{i, c.Run(ctx)}
		}()
	}
	errs := make([]error, len(r.checks))
	for i := range errs {
		errs[i] = context.DeadlineExceeded
	}
wait:
	for range r.checks {
		select {
		case got := <-results:
			errs[got.i] = got.err
		case <-ctx.Done():
			break wait
		}
	}
	r.last, r.at = r.summarize(errs), time.Now()
	return r.last
}

// summarize turns the errors of the checks into an answer, and logs each check
// when its state changes.
func (r *readiness) summarize(errs []error) readyAnswer {
	v := readyAnswer{Status: "ready", Checks: []checkResult{}}
	for i, c := range r.checks {
		result := checkResult{Name: c.Name, Status: "ok"}
		if errs[i] != nil {
			result.Status, result.Cause = "failing", cause(errs[i])
			v.Status = "not_ready"
		}
		v.Checks = append(v.Checks, result)
		switch failing := errs[i] != nil; {
		case failing && !r.failing[c.Name]:
			r.log.Error().Err(errs[i]).Str("check", c.Name).Msg("check fails")
		case !failing && r.failing[c.Name]:
			r.log.Info().Str("check", c.Name).Msg("check passes again")
		}
		r.failing[c.Name] = errs[i] != nil
	}
	return v
}

// cause returns why a check fails, for anybody who requests /readyz. It quotes
// only the messages of [jobs.Error], which contain no value, host or name.
func cause(err error) string {
	if e, ok := errors.AsType[*jobs.Error](err); ok && e.Msg != "" {
		return e.Msg
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "timed out"
	}
	return "failed; the log has the cause"
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // this fails only if the caller has closed the connection
}
