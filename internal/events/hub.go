package events

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/oubli/oubli/jobs"
)

// Store has the events and the progress of jobs.
type Store interface {
	// NumberEvents gives numbers to new events and returns the last number.
	NumberEvents(ctx context.Context) (int64, error)
	// EventsAfter returns events of a tenant, or of jobs.AnyTenant, in order, and
	// whether later ones than after were deleted.
	EventsAfter(ctx context.Context, tenant string, after int64, limit int) ([]jobs.JobEvent, bool, error)
	Progress(ctx context.Context, ids []string) (map[string]jobs.JobProgress, error)
}

// Limits of those who wait, in one process.
const (
	maxReaders          = 512
	maxReadersOfTenant  = 20
	maxWaiting          = 512
	maxWaitingForTenant = 100
	readAtOnce          = 100
)

// HubOptions are the parts and settings of a Hub. A zero duration means its default.
type HubOptions struct {
	Store     Store
	Log       zerolog.Logger
	Interval  time.Duration // between two looks while somebody waits; 300 ms
	Heartbeat time.Duration // between two signs of life to a reader; 15 s
}

// Hub wakes those who wait for events or for one job.
type Hub struct {
	o    HubOptions
	done chan struct{} // closed by Stop
	stop sync.Once
	work sync.WaitGroup

	mu       sync.Mutex
	admitted map[string]int // readers by tenant, before and while they follow
	readers  map[*reader]bool
	waiting  map[*waiter]bool
	looking  bool // a goroutine looks
}

type reader struct {
	wake chan struct{} // holds one
}

type waiter struct {
	tenant, job string
	seen        jobs.JobProgress
	changed     chan struct{} // holds one
}

// NewHub returns a hub. Stop ends it.
func NewHub(o HubOptions) *Hub {
	if o.Interval == 0 {
		o.Interval = 300 * time.Millisecond
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 15 * time.Second
	}
	return &Hub{o: o, done: make(chan struct{}), admitted: map[string]int{}, readers: map[*reader]bool{}, waiting: map[*waiter]bool{}}
}

// Stop ends all streams and waits. Those who wait get an answer at once.
func (h *Hub) Stop() {
	h.stop.Do(func() { close(h.done) })
	h.work.Wait()
}

// tooMany is the error for a caller who has to come back later.
func tooMany(what string) error {
	return &jobs.Error{Kind: jobs.Unavailable, Code: "too_many_waiting",
		Msg: "too many " + what + " are open: close some, or try again later"}
}

// Wait returns when the state or the counts of a job differ from what the caller has
// seen, when ctx ends, or when the hub stops. Only too many waiting callers are an error.
func (h *Hub) Wait(ctx context.Context, tenant, job string, seen jobs.JobProgress) error {
	w := &waiter{tenant: tenant, job: job, seen: seen, changed: make(chan struct{}, 1)}
	h.mu.Lock()
	n := 0
	for other := range h.waiting {
		if other.tenant == tenant {
			n++
		}
	}
	if len(h.waiting) >= maxWaiting || n >= maxWaitingForTenant {
		h.mu.Unlock()
		return tooMany("waiting requests")
	}
	h.waiting[w] = true
	h.look()
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.waiting, w)
		h.mu.Unlock()
	}()
	select {
	case <-w.changed:
	case <-ctx.Done():
	case <-h.done:
	}
	return nil
}

// Admit reserves a place for a reader of a tenant's events. The caller releases it.
func (h *Hub) Admit(tenant string) (release func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := 0
	for _, n := range h.admitted {
		all += n
	}
	if all >= maxReaders || h.admitted[tenant] >= maxReadersOfTenant {
		return nil, tooMany("streams of events")
	}
	h.admitted[tenant]++
	return sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.admitted[tenant]--; h.admitted[tenant] == 0 {
			delete(h.admitted, tenant)
		}
	}), nil
}

// Follow sends a tenant's events after a number, or with a negative one those from now
// on, until ctx ends, the hub stops or send fails. Without events it calls send with
// none from time to time. expired says that events were deleted before they were sent.
func (h *Hub) Follow(ctx context.Context, tenant string, after int64, send func(events []jobs.JobEvent, expired bool) error) error {
	r := &reader{wake: make(chan struct{}, 1)}
	h.mu.Lock()
	h.readers[r] = true
	h.look()
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.readers, r)
		h.mu.Unlock()
	}()
	if after < 0 {
		last, err := h.o.Store.NumberEvents(ctx)
		if err != nil {
			return err
		}
		after = last
	}
	beat := time.NewTicker(h.o.Heartbeat)
	defer beat.Stop()
	if err := send(nil, false); err != nil { // the stream has begun
		return err
	}
	for {
		events, expired, err := h.o.Store.EventsAfter(ctx, tenant, after, readAtOnce)
		if err != nil {
			return err
		}
		if len(events) > 0 || expired {
			if err := send(events, expired); err != nil {
				return err
			}
		}
		if n := len(events); n > 0 {
			after = events[n-1].Number
			if n == readAtOnce {
				continue
			}
		}
		select {
		case <-r.wake:
		case <-beat.C:
			if err := send(nil, false); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		case <-h.done:
			return nil
		}
	}
}

// look starts the goroutine that looks, if it does not run. The caller holds the lock.
func (h *Hub) look() {
	if h.looking {
		return
	}
	select {
	case <-h.done:
		return
	default:
	}
	h.looking = true
	h.work.Go(h.run)
}

// run looks until nobody waits any more.
func (h *Hub) run() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-h.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	tick := time.NewTicker(h.o.Interval)
	defer tick.Stop()
	last, failing := int64(-1), false
	for {
		select {
		case <-h.done:
			return
		case <-tick.C:
		}
		readers, jobIDs, nobody := h.who()
		if nobody {
			return
		}
		err := h.wakeWaiting(ctx, jobIDs)
		if err == nil && readers {
			last, err = h.wakeReaders(ctx, last)
		}
		if err != nil && !failing && ctx.Err() == nil {
			h.o.Log.Warn().Err(err).Msg("cannot look for events; trying again")
		}
		failing = err != nil
	}
}

// who says what to look for. If nobody waits, the next one starts a new goroutine.
func (h *Hub) who() (readers bool, jobIDs []string, nobody bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.readers) == 0 && len(h.waiting) == 0 {
		h.looking = false
		return false, nil, true
	}
	of := map[string]bool{}
	for w := range h.waiting {
		if !of[w.job] {
			of[w.job] = true
			jobIDs = append(jobIDs, w.job)
		}
	}
	return len(h.readers) > 0, jobIDs, false
}

func (h *Hub) wakeWaiting(ctx context.Context, jobIDs []string) error {
	if len(jobIDs) == 0 {
		return nil
	}
	now, err := h.o.Store.Progress(ctx, jobIDs)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.waiting {
		if now[w.job] != w.seen {
			poke(w.changed)
		}
	}
	return nil
}

// wakeReaders wakes the readers of tenants that have new events.
func (h *Hub) wakeReaders(ctx context.Context, last int64) (int64, error) {
	now, err := h.o.Store.NumberEvents(ctx)
	if err != nil || now == last {
		return last, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for r := range h.readers {
		poke(r.wake)
	}
	return now, nil
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
