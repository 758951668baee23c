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

// The defaults of [Limits]. A caller who erases a million clients in bodies of
// a thousand, as fast as workers can, stays far below.
const (
	DefaultRequests = 200
	DefaultBytes    = 8 << 20
	DefaultFailures = 60
)

// Limits is what one caller may take before it is told to wait. A zero field
// stands for its default, a negative one for no limit.
type Limits struct {
	// Requests a second, for each subject of each tenant; ten seconds' worth
	// may come at once.
	Requests int
	// Bytes of bodies a second, for each subject of each tenant; eight seconds'
	// worth may come at once, so that any body fits from 1 MiB on. It bounds
	// the memory that one caller's requests can hold.
	Bytes int
	// Failures of authentication a minute, from each network address; a
	// minute's worth may come at once. It makes guessing slow and keeps it from
	// filling the log. A good token always passes, whoever else shares the
	// address, and one that has only expired is told so, not counted.
	Failures int
}

// limiters are limits at work; nil ones refuse nobody.
type limiters struct{ requests, bytes, failures *limit.Limiter }

func (l Limits) start() limiters {
	of := func(n, standard int, seconds, burst float64) *limit.Limiter {
		if n == 0 {
			n = standard
		}
		if n < 0 {
			return nil
		}
		return limit.New(float64(n)/seconds, int(float64(n)*burst))
	}
	return limiters{
		requests: of(l.Requests, DefaultRequests, 1, 10),
		bytes:    of(l.Bytes, DefaultBytes, 1, 8),
		failures: of(l.Failures, DefaultFailures, 60, 1),
	}
}

// refuse is the answer to a request without a good token; once an address has
// had its share of those, it is only told to wait.
func (l limiters) refuse(r *http.Request, p *Problem) *Problem {
	if p.Code != "unauthenticated" {
		return p
	}
	if wait := l.failures.Take(limit.Address(r.RemoteAddr), 1); wait > 0 {
		return tooMany("Too many requests without a valid token come from this address; get one and wait.", wait)
	}
	return p
}

// admit counts a request of a known caller.
func (l limiters) admit(c jobs.Caller) *Problem {
	if wait := l.requests.Take(keyspace(c), 1); wait > 0 {
		return tooMany("This caller sends more requests a second than the service is configured to take.", wait)
	}
	return nil
}

// tooMany tells to come back after wait, in whole seconds.
func tooMany(detail string, wait time.Duration) *Problem {
	seconds := int(math.Ceil(wait.Seconds()))
	return newProblem("too_many_requests", detail).with("Retry-After", strconv.Itoa(max(1, seconds)))
}

// metered is a body whose bytes are counted as they come, so that nothing is
// believed about a length that was only announced.
type metered struct {
	body    io.Reader
	limiter *limit.Limiter
	who     string
	wait    time.Duration // once it is too much
}

// meterStep is how much is read between two looks at the meter, in bytes.
const meterStep = 32 << 10

var errMetered = errors.New("the caller has sent its share of bytes")

// Read fails with errMetered when the caller has to wait.
func (m *metered) Read(p []byte) (int, error) {
	n, err := m.body.Read(p[:min(len(p), meterStep)])
	if n > 0 {
		if m.wait = m.limiter.Take(m.who, n); m.wait > 0 {
			return 0, errMetered
		}
	}
	return n, err
}
