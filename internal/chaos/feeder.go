//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/jobs"
)

// order is a job that the feeder requested, and what is known of it from outside.
type order struct {
	id        string
	tenant    string
	number    int
	keys      []string // requested, sorted, without repeats
	notify    []string
	dry       bool
	cancelled bool // a cancellation was requested

	merge  bool
	target string // of a merge; empty: the anonymous profile
}

// path is where the API has the job.
func (o *order) path() string {
	if o.merge {
		return "/v1/merges/" + o.id
	}
	return "/v1/erasures/" + o.id
}

// String names the order and, once it has one, its job.
func (o *order) String() string { return strings.TrimSpace(fmt.Sprintf("order %d %s", o.number, o.id)) }

// lockedRand is a source of random numbers for several goroutines.
type lockedRand struct {
	mu   sync.Mutex
	rand *rand.Rand
}

func (d *lockedRand) IntN(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rand.IntN(n)
}

// feeder requests jobs of many sizes.
type feeder struct {
	r    *round
	rand *lockedRand
	busy sync.WaitGroup // requests under way

	mu     sync.Mutex
	fresh  map[int64][]string // by studio: clients not yet in a request
	used   map[int64][]string
	orders []*order
	asked  int
	apart  map[int64][]string // clients whom no guard protects, for single faults
	killer string             // a client at whom every worker dies, if there is one
}

const studios = 4

func newFeeder(ctx context.Context, r *round) (*feeder, error) {
	f := &feeder{
		r:     r,
		rand:  &lockedRand{rand: rand.New(rand.NewPCG(r.seed, 2))},
		fresh: map[int64][]string{},
		used:  map[int64][]string{},
		apart: map[int64][]string{},
	}
	for s := int64(1); s <= studios; s++ {
		rows, err := r.pool.Query(ctx, "SELECT id::text FROM clients WHERE studio_id = $1 AND NOT is_anonymous ORDER BY id", s)
		if err != nil {
			return nil, err
		}
		keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return nil, err
		}
		f.rand.rand.Shuffle(len(keys), func(a, b int) { keys[a], keys[b] = keys[b], keys[a] })
		if f.apart[s], err = f.plain(ctx, keys); err != nil {
			return nil, err
		}
		f.fresh[s] = slices.DeleteFunc(keys, func(k string) bool { return slices.Contains(f.apart[s], k) })
	}
	return f, nil
}

// plain are a few of these clients whom no guard protects.
func (f *feeder) plain(ctx context.Context, keys []string) ([]string, error) {
	rows, err := f.r.pool.Query(ctx, `
		SELECT c.id::text FROM clients AS c WHERE id::text = ANY($1) AND NOT legal_hold AND balance_cents = 0
		  AND NOT EXISTS (SELECT FROM appointments WHERE client_id = c.id AND starts_at > now())
		  AND NOT EXISTS (SELECT FROM invoices WHERE client_id = c.id AND status = 'open')
		ORDER BY id LIMIT 20`, keys)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// take picks clients of a studio, first those not yet in a request.
func (f *feeder) take(studio int64, n int) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	n = min(n, len(f.fresh[studio]))
	keys := slices.Clone(f.fresh[studio][:n])
	f.fresh[studio] = f.fresh[studio][n:]
	if len(f.used[studio]) > 0 && (n == 0 || f.rand.IntN(3) == 0) { // jobs overlap
		keys = append(keys, f.used[studio][f.rand.IntN(len(f.used[studio]))])
	}
	f.used[studio] = append(f.used[studio], keys...)
	return keys
}

// run requests jobs until ctx ends. It waits while more are open than the workers
// can do.
func (f *feeder) run(ctx context.Context) {
	for ctx.Err() == nil {
		var open int
		err := f.r.pool.QueryRow(ctx, "SELECT count(*) FROM oubli.jobs WHERE finished_at IS NULL").Scan(&open)
		if err == nil && open < 6 {
			f.next(ctx)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(100+f.rand.IntN(400)) * time.Millisecond):
		}
	}
}

// next requests a job of a random kind.
func (f *feeder) next(ctx context.Context) {
	studio := int64(1 + f.rand.IntN(studios))
	o := &order{tenant: fmt.Sprint(studio)}
	switch n := f.rand.IntN(26); {
	case n >= 20:
		f.merges(ctx, studio)
		return
	case n < 8:
		o.keys = f.take(studio, 1+f.rand.IntN(5))
	case n < 13:
		o.keys = f.take(studio, 10+f.rand.IntN(50))
	case n < 15:
		o.keys = f.take(studio, 100+f.rand.IntN(150))
	case n < 16: // a client that does not exist, and one of another studio
		o.keys = append(f.take(studio, 3), "99999999", f.foreign(studio))
	case n < 17:
		o.keys, o.dry = f.take(studio, 1+f.rand.IntN(60)), true
	default:
		f.selection(ctx, studio, n == 19)
		return
	}
	f.submit(ctx, o, apiclient.Erasure{DryRun: o.dry, Reason: jobs.SubjectRequest})
}

func (f *feeder) foreign(studio int64) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	others := f.used[studio%studios+1]
	if len(others) == 0 {
		return "99999998"
	}
	return others[f.rand.IntN(len(others))]
}

// requestSmall requests a small job in the background, so that every step of the
// protocol happens soon.
func (f *feeder) requestSmall(ctx context.Context) { f.busy.Go(func() { f.small(ctx) }) }

func (f *feeder) small(ctx context.Context) {
	studio := int64(1 + f.rand.IntN(studios))
	o := &order{tenant: fmt.Sprint(studio), keys: f.take(studio, 2)}
	f.submit(ctx, o, apiclient.Erasure{Reason: jobs.SubjectRequest})
}

// selection requests the inactive clients of a studio, or excludes them all.
func (f *feeder) selection(ctx context.Context, studio int64, nobody bool) {
	o := &order{tenant: fmt.Sprint(studio)}
	var s jobs.Selection
	try := func() (err error) {
		o.keys = nil
		s, err = f.r.client.CreateSelection(ctx, apiclient.Selection{TenantID: o.tenant, Period: "P1Y"})
		if err != nil {
			return err
		}
		var rest []string
		for c, err := range f.r.client.Candidates(ctx, s.ID) {
			if err != nil {
				return err
			}
			if c.Blocked != nil {
				continue
			}
			if nobody || len(o.keys) >= 90 {
				rest = append(rest, c.ClientID)
			} else {
				o.keys = append(o.keys, c.ClientID)
			}
		}
		if len(rest) > 0 {
			s, err = f.r.client.Untick(ctx, s.ID, rest)
		}
		return err
	}
	if !f.retry(ctx, "select", try) {
		return
	}
	count := len(o.keys)
	f.mu.Lock()
	f.used[studio] = append(f.used[studio], o.keys...)
	f.mu.Unlock()
	f.submit(ctx, o, apiclient.Erasure{SelectionID: s.ID, ExpectedCount: &count, Reason: jobs.Inactivity})
}

// submit sends the request until there is an answer, always with the same key.
func (f *feeder) submit(ctx context.Context, o *order, e apiclient.Erasure) {
	f.address(o)
	e.TenantID, e.Comment, e.Notify = o.tenant, o.comment(), o.notify
	f.note(o)
	if e.SelectionID == "" {
		e.ClientIDs = o.keys
	}
	// Wait for the answer even when the driver ends.
	ctx = context.WithoutCancel(ctx)
	f.retry(ctx, "submit", func() error {
		job, err := f.r.client.CreateErasure(ctx, e, f.key(o))
		return f.answered(o, job, err)
	})
}

// note records an order before it is sent: it may be accepted even when no answer
// arrives.
func (f *feeder) note(o *order) {
	slices.Sort(o.keys)
	o.keys = slices.Compact(o.keys)
	f.mu.Lock()
	f.orders = append(f.orders, o)
	f.mu.Unlock()
}

// key is the Idempotency-Key of an order.
func (f *feeder) key(o *order) string { return fmt.Sprintf("%d-%d", f.r.seed, o.number) }

func (f *feeder) answered(o *order, job jobs.Job, err error) error {
	if err == nil {
		f.mu.Lock()
		o.id = job.ID
		f.mu.Unlock()
	}
	return err
}

// address gives an order its number and recipients of its own.
func (f *feeder) address(o *order) {
	f.mu.Lock()
	f.asked++
	o.number = f.asked
	f.mu.Unlock()
	for i := range 1 + f.rand.IntN(2) {
		if o.dry { // a rehearsal sends no mail
			break
		}
		o.notify = append(o.notify, fmt.Sprintf("order%d.%d@studio.example", o.number, i))
	}
}

// comment marks the job of an order.
func (o *order) comment() string { return fmt.Sprintf("order %d", o.number) }

// retry calls try again as long as the error comes from the infrastructure.
func (f *feeder) retry(ctx context.Context, what string, try func() error) bool {
	var last error
	ok := eventually(ctx, f.r.o.Patience, func() bool {
		last = try()
		return last == nil || final(last)
	})
	if (!ok || last != nil) && ctx.Err() == nil {
		f.r.violated("%s: %v", what, last)
	}
	return last == nil
}

// final reports whether trying again cannot help.
func final(err error) bool {
	k := jobs.KindOf(err)
	return !errors.Is(err, context.Canceled) && k != jobs.Unavailable && k != jobs.Internal
}

func (f *feeder) all() []*order {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.orders)
}

// open returns a random order whose job has not ended, according to the database.
func (f *feeder) open(ctx context.Context) *order {
	rows, err := f.r.pool.Query(ctx, "SELECT id::text FROM oubli.jobs WHERE state IN ('running', 'scheduled') ORDER BY requested DESC, id")
	if err != nil {
		return nil
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(ids) == 0 {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.orders {
		if o.id == ids[0] {
			return o
		}
	}
	return nil
}

// step pauses, resumes or cancels a job as an administrator does, and reports
// whether it succeeded.
func (r *round) step(ctx context.Context, o *order, step string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.apiAddr+o.path()+"/"+step, nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err
	}
	_ = resp.Body.Close()
	return resp.StatusCode < 300, nil
}

// special returns a client of a studio not yet in a request and whom no guard
// protects; empty when there is none left.
func (f *feeder) special(studio int64) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.apart[studio]) == 0 {
		return ""
	}
	client := f.apart[studio][0]
	f.apart[studio] = f.apart[studio][1:]
	return client
}

// askFor requests one given client together with others.
func (f *feeder) askFor(ctx context.Context, studio int64, client string) {
	o := &order{tenant: fmt.Sprint(studio), keys: append(f.take(studio, 12), client)}
	f.submit(ctx, o, apiclient.Erasure{Reason: jobs.SubjectRequest})
}
