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

// Check is one thing that must work before this process is of use.
type Check struct {
	Name string // as /readyz shows it: "database"
	// Run fails while the thing does not work. It honours ctx.
	Run func(ctx context.Context) error
}

// freshness is how long an answer of /readyz stands: anybody may ask, and a
// check may cost queries.
const freshness = time.Second

// healthz says that the process answers at all.
func healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// readiness answers /readyz.
type readiness struct {
	checks  []Check
	timeout time.Duration
	log     *zerolog.Logger

	mu   sync.Mutex // held while the checks run, so that they run once at a time
	last verdict
	at   time.Time
	bad  map[string]bool
}

type verdict struct {
	Status string        `json:"status"` // ready or not_ready
	Checks []checkResult `json:"checks"`
}

type checkResult struct {
	Name   string `json:"name"`
	Status string `json:"status"` // ok or failing
	Cause  string `json:"cause,omitempty"`
}

func newReadiness(checks []Check, timeout time.Duration, log *zerolog.Logger) *readiness {
	return &readiness{checks: checks, timeout: timeout, log: log, bad: map[string]bool{}}
}

// ServeHTTP answers 200 when every check passes, else 503.
func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	v := r.verdict(req.Context())
	status := http.StatusOK
	if v.Status != "ready" {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, v)
}

func (r *readiness) verdict(ctx context.Context) verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.at.IsZero() && time.Since(r.at) < freshness {
		return r.last
	}
	// A prober that hangs up must not leave a verdict of its own making.
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
	r.last, r.at = r.judge(errs), time.Now()
	return r.last
}

// judge turns errors into a verdict, and logs each check when it changes.
func (r *readiness) judge(errs []error) verdict {
	v := verdict{Status: "ready", Checks: []checkResult{}}
	for i, c := range r.checks {
		result := checkResult{Name: c.Name, Status: "ok"}
		if errs[i] != nil {
			result.Status, result.Cause = "failing", cause(errs[i])
			v.Status = "not_ready"
		}
		v.Checks = append(v.Checks, result)
		switch failing := errs[i] != nil; {
		case failing && !r.bad[c.Name]:
			r.log.Error().Err(errs[i]).Str("check", c.Name).Msg("check fails")
		case !failing && r.bad[c.Name]:
			r.log.Info().Str("check", c.Name).Msg("check passes again")
		}
		r.bad[c.Name] = errs[i] != nil
	}
	return v
}

// cause says why a check fails to anybody who asks. Only our own messages are
// known to hold no value, no host and no name.
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
	_ = json.NewEncoder(w).Encode(v) // the prober is gone; there is nobody to tell
}
