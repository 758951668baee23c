package limit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// generation is how many callers are remembered before the older half of
// memory is let go. A caller that is forgotten begins with a full bucket, so
// whoever comes under ten thousand names gains a burst for each; that many
// names are not to be had for a token's subject, and for addresses no count
// would be enough.
const generation = 5_000

// Limiter gives every caller a bucket that fills at a steady rate. It is safe
// for use by many goroutines. A nil Limiter refuses nobody.
type Limiter struct {
	rate  rate.Limit
	burst int

	mu         sync.Mutex
	young, old map[string]*rate.Limiter
}

// New gives each caller perSecond units a second, and burst of them at once.
func New(perSecond float64, burst int) *Limiter {
	return &Limiter{rate: rate.Limit(perSecond), burst: burst, young: map[string]*rate.Limiter{}}
}

// Take takes n units out of who's bucket and gives zero, or takes nothing and
// says how long it is until they are there. More than the burst are never
// there; whoever asks for them is told to wait for a whole bucket.
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

// Left says, without taking any, how long it is until one unit is in who's
// bucket: zero when there is one.
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
	if b := l.young[who]; b != nil {
		return b
	}
	b := l.old[who]
	if b == nil {
		b = rate.NewLimiter(l.rate, l.burst)
	}
	if len(l.young) >= generation {
		l.old, l.young = l.young, map[string]*rate.Limiter{}
	}
	l.young[who] = b
	return b
}
