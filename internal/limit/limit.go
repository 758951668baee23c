package limit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxRecent is the number of buckets in the map of recent callers. When it is
// full, it becomes the map of older callers, and the previous older map is dropped.
// A dropped caller starts again with a full bucket, so somebody with more than ten
// thousand names could exceed the limit. Nobody has that many token subjects, and
// for network addresses no number would be large enough.
const maxRecent = 5_000

// Limiter gives each caller a token bucket. It is safe for concurrent use. A nil
// Limiter refuses nobody.
type Limiter struct {
	rate  rate.Limit
	burst int

	mu            sync.Mutex
	recent, older map[string]*rate.Limiter
}

// New returns a Limiter that allows each caller perSecond units per second, and a
// burst of up to burst units.
func New(perSecond float64, burst int) *Limiter {
	return &Limiter{rate: rate.Limit(perSecond), burst: burst, recent: map[string]*rate.Limiter{}}
}

// Take takes n units from the caller's bucket and returns zero. If there are not
// enough, it takes nothing and returns how long to wait for them. A bucket never
// has more than the burst: for a larger n, Take returns the time to fill it.
func (l *Limiter) Take(who string, n int) (wait time.Duration) {
	if l == nil {
		return 0
	}
	now := time.Now()
	r := l.bucket(who).ReserveN(now, n)
	if !r.OK() {
		return time.Duration(float64(l.burst) / float64(l.rate) * float64(time.Second))
	}
	wait = r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// Left returns how long to wait until the caller's bucket has one unit, without
// taking it; zero if there is one.
func (l *Limiter) Left(who string) (wait time.Duration) {
	if l == nil {
		return 0
	}
	if missing := 1 - l.bucket(who).Tokens(); missing > 0 {
		return time.Duration(missing / float64(l.rate) * float64(time.Second))
	}
	return 0
}

func (l *Limiter) bucket(who string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.recent[who]; b != nil {
		return b
	}
	b := l.older[who]
	if b == nil {
		b = rate.NewLimiter(l.rate, l.burst)
	}
	if len(l.recent) >= maxRecent {
		l.older, l.recent = l.recent, map[string]*rate.Limiter{}
	}
	l.recent[who] = b
	return b
}
