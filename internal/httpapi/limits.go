package httpapi

import (
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/oubli/oubli/internal/limit"
	"github.com/oubli/oubli/jobs"
)

// The defaults of [Limits]. A caller who erases a million clients, a thousand per
// request and as fast as the workers can, stays far below them.
const (
	DefaultRequests = 200
	DefaultBytes    = 8 << 20
	DefaultFailures = 60
)

// Limits are what one caller may use before it gets 429. A zero field means its
// default, a negative one no limit.
type Limits struct {
	// Requests per second, for each subject of each tenant. A burst may be as
	// large as ten seconds allow.
	Requests int
	// Bytes of request bodies per second, for each subject of each tenant. A
	// burst may be as large as eight seconds allow, so that with 1 MiB or more
	// the largest body fits. It bounds the memory that one caller's requests
	// can use.
	Bytes int
	// Failures of authentication per minute, from each network address. A
	// burst may be as large as one minute allows. It slows down guessing and
	// bounds what guessing writes to the log. A valid token is always accepted, even if
	// other callers at its address have exceeded the limit. An expired token
	// does not count as a failure.
	Failures int
}

// limiters enforce [Limits]. A nil limiter refuses nobody.
type limiters struct{ requests, bytes, failures *limit.Limiter }

func (l Limits) start() limiters {
	limiter := func(n, standard int, seconds, burst float64) *limit.Limiter {
		if n == 0 {
			n = standard
		}
		if n < 0 {
			return nil
		}
		return limit.New(float64(n)/seconds, int(float64(n)*burst))
	}
	return limiters{
		requests: limiter(l.Requests, DefaultRequests, 1, 10),
		bytes:    limiter(l.Bytes, DefaultBytes, 1, 8),
		failures: limiter(l.Failures, DefaultFailures, 60, 1),
	}
}

// refuse returns the answer to a request without a valid token: p, or 429 if its
// network address has sent too many such requests.
func (l limiters) refuse(r *http.Request, p *Problem) *Problem {
	if p.Code != "unauthenticated" {
		return p
	}
	if wait := l.failures.Take(limit.Address(r.RemoteAddr), 1); wait > 0 {
		return tooMany("Too many requests without a valid token come from this address; get one and wait.", wait)
	}
	return p
}

// admit counts a request of an authenticated caller.
func (l limiters) admit(c jobs.Caller) *Problem {
	if wait := l.requests.Take(keyspace(c), 1); wait > 0 {
		return tooMany("This caller sends more requests a second than the service is configured to take.", wait)
	}
	return nil
}

// tooMany returns the problem that tells the caller to repeat the request after
// wait, rounded up to whole seconds.
func tooMany(detail string, wait time.Duration) *Problem {
	seconds := int(math.Ceil(wait.Seconds()))
	return newProblem("too_many_requests", detail).with("Retry-After", strconv.Itoa(max(1, seconds)))
}

// limitedBody is a request body whose bytes count against the caller's limit as
// they arrive. The announced length does not count, because it may be wrong.
type limitedBody struct {
	body    io.Reader
	limiter *limit.Limiter
	caller  string
	wait    time.Duration // how long to wait, after Read has failed with errByteLimit
}

// readStep is the number of bytes read between two checks of the limit.
const readStep = 32 << 10

var errByteLimit = errors.New("the caller has reached its limit of bytes")

// Read fails with errByteLimit when the caller has to wait.
func (m *limitedBody) Read(p []byte) (int, error) {
	n, err := m.body.Read(p[:min(len(p), readStep)])
	if n > 0 {
		if m.wait = m.limiter.Take(m.caller, n); m.wait > 0 {
			return 0, errByteLimit
		}
	}
	return n, err
}
