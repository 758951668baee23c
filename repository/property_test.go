package repository_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// TestWhateverHappensInWhateverOrderTheInvariantsHold walks at random through
// everything that dispatchers, workers, dead and undead ones, operators and
// strangers can do, then drives all jobs to their end. A failure names its
// seed, and the same seed takes the same walk.
func TestWhateverHappensInWhateverOrderTheInvariantsHold(t *testing.T) {
	t.Parallel()
	seeds := []uint64{1, 2, 3, 4}
	if testing.Short() {
		seeds = seeds[:2]
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			w := newWalk(t, seed)
			steps := []func(){w.dispatch, w.claim, w.claim, w.claimNext, w.yield, w.chunk, w.chunk, w.chunk, w.finish, w.crash, w.undead, w.undead,
				w.recover, w.loseHints, w.lock, w.unlock, w.pause, w.resume, w.sweep, w.mail}
			for range 250 {
				steps[w.IntN(len(steps))]()
				w.keysAreTheSame()
			}
			w.toTheEnd()
			w.check()
		})
	}
}

// walk is the world of one walk.
type walk struct {
	*rand.Rand
	t  *testing.T
	db *bookingdb.DB
	s  *repository.Store

	jobs      []jobs.Job
	clients   []string // all that any job asks for
	untouched []booking.TableDigest
	keys      string         // of all tasks, sorted
	hints     []string       // tasks; they may come in any order, twice, late
	held      []*jobs.Claim  // by workers who live
	dead      []*jobs.Claim  // by workers who do not know that they are dead
	sent      map[string]int // mails by letter
	let       []func()       // ends of other transactions
}

func newWalk(t *testing.T, seed uint64) *walk {
	t.Helper()
	w := &walk{Rand: rand.New(rand.NewPCG(seed, 0)), t: t, db: bookingdb.New(t, 600), sent: map[string]int{}}
	w.s = open(t, w.db, func(o *repository.Options) { o.BatchClients, o.LockTimeout = 12, 50*time.Millisecond })
	for i := range 5 {
		tenant := fmt.Sprint(i%2 + 1)
		all := w.db.Clients(t, int64(i%2+1), 60)
		w.Shuffle(len(all), func(a, b int) { all[a], all[b] = all[b], all[a] })
		keys := append(all[:5+w.IntN(30)], "99999999") // jobs overlap, and somebody never was
		if i == 4 {
			keys = keys[:1]
		}
		w.jobs = append(w.jobs, accept(t, w.s, tenant, keys, func(r *jobs.ErasureRequest) {
			r.Notify = []string{"a@studio.example", "b@studio.example"}
		}))
		w.clients = append(w.clients, keys...)
	}
	slices.Sort(w.clients)
	w.clients = slices.Compact(w.clients)
	w.untouched = w.db.Untouched(t, w.clients)
	w.keys = w.allKeys()
	return w
}

func (w *walk) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// mayFail lets pass what a living or dead worker can be told.
func (w *walk) mayFail(err error) {
	w.t.Helper()
	e, ok := errors.AsType[*jobs.Error](err)
	if err != nil && !errors.Is(err, jobs.ErrFenced) && !(ok && e.Code == jobs.CodeContention) {
		w.t.Fatal(err)
	}
}

func (w *walk) dispatch() {
	due, err := w.s.Dispatch(w.t.Context())
	w.must(err)
	for _, d := range due {
		w.hints = append(w.hints, d.TaskID)
	}
}

func (w *walk) claim() {
	if len(w.hints) == 0 {
		return
	}
	i := w.IntN(len(w.hints))
	c, err := w.s.Claim(w.t.Context(), w.hints[i])
	w.must(err)
	w.hold(c)
	if w.IntN(3) > 0 { // else it comes again
		w.hints = slices.Delete(w.hints, i, i+1)
	}
}

func (w *walk) claimNext() {
	c, err := w.s.ClaimNext(w.t.Context(), fmt.Sprint(1+w.IntN(2)), w.IntN(4) == 0)
	w.must(err)
	w.hold(c)
}

func (w *walk) hold(c *jobs.Claim) {
	if c != nil {
		w.held = append(w.held, c)
	}
}

// batch picks a batch out of held or dead.
func (w *walk) batch(from []*jobs.Claim) (int, *jobs.Claim) {
	for _, i := range w.Perm(len(from)) {
		if from[i].Kind == jobs.BatchTask {
			return i, from[i]
		}
	}
	return 0, nil
}

func (w *walk) chunk() {
	i, c := w.batch(w.held)
	if c == nil || c.Left() == 0 {
		return
	}
	_, err := w.s.EraseChunk(w.t.Context(), c, 1+w.IntN(8))
	w.mayFail(err)
	if errors.Is(err, jobs.ErrFenced) {
		w.must(w.s.Release(w.t.Context(), c, 0, false, "fenced"))
		w.held = slices.Delete(w.held, i, i+1)
	}
}

func (w *walk) yield() {
	i, c := w.batch(w.held)
	if c == nil {
		return
	}
	given, err := w.s.Yield(w.t.Context(), c)
	w.must(err)
	if given {
		w.held = slices.Delete(w.held, i, i+1)
		w.dead = append(w.dead, c)
	}
}

func (w *walk) finish() {
	i, c := w.batch(w.held)
	if c == nil || c.Left() > 0 {
		return
	}
	w.mayFail(w.s.Finish(w.t.Context(), c))
	w.held = slices.Delete(w.held, i, i+1)
	w.dead = append(w.dead, c)
}

func (w *walk) crash() {
	if len(w.held) > 0 {
		i := w.IntN(len(w.held))
		w.dead = append(w.dead, w.held[i])
		w.held = slices.Delete(w.held, i, i+1)
	}
}

// undead lets somebody act who was given up, or who has finished already.
func (w *walk) undead() {
	_, c := w.batch(w.dead)
	if c == nil {
		return
	}
	switch n := w.IntN(6); {
	case n == 0:
		w.mayFail(w.s.Finish(w.t.Context(), c))
	case n == 1:
		w.must(w.s.Release(w.t.Context(), c, 0, true, "late"))
	case c.Left() == 0:
	case n == 2:
		w.mayFail(w.s.DeferClient(w.t.Context(), c))
	default:
		_, err := w.s.EraseChunk(w.t.Context(), c, 1+w.IntN(8))
		w.mayFail(err)
	}
}

func (w *walk) recover() {
	w.db.Exec(w.t, `UPDATE oubli.tasks SET lease_until = now() - interval '1 second'
		WHERE state = 'running' AND hashtext(id::text || $1) % 2 = 0`, fmt.Sprint(w.Uint64()))
	_, err := w.s.Recover(w.t.Context())
	w.must(err)
}

// loseHints empties Redis, and lets the reconciler find out.
func (w *walk) loseHints() {
	w.hints = nil
	lost, err := w.s.Overdue(w.t.Context(), 0)
	w.must(err)
	w.must(w.s.Undispatch(w.t.Context(), lost))
}

func (w *walk) lock() {
	if len(w.let) < 3 {
		keys := []string{w.clients[w.IntN(len(w.clients))], w.clients[w.IntN(len(w.clients))]}
		w.let = append(w.let, hold(w.t, w.db, "SELECT FROM clients WHERE id = ANY($1::text[]::bigint[]) FOR UPDATE SKIP LOCKED", keys))
	}
}

func (w *walk) unlock() {
	for _, let := range w.let {
		let()
	}
	w.let = nil
}

func (w *walk) pause() {
	_, err := w.s.Pause(w.t.Context(), jobs.Erasure, jobs.AnyTenant, w.jobs[w.IntN(len(w.jobs))].ID)
	if jobs.KindOf(err) != jobs.Conflict {
		w.must(err)
	}
}

func (w *walk) resume() {
	for _, j := range w.jobs {
		if _, err := w.s.Resume(w.t.Context(), jobs.Erasure, jobs.AnyTenant, j.ID); jobs.KindOf(err) != jobs.Conflict {
			w.must(err)
		}
	}
}

func (w *walk) sweep() { w.must(w.s.Tidy(w.t.Context())) }

// mail delivers the first mail held; a dead worker's may be next.
func (w *walk) mail() {
	for _, from := range []*[]*jobs.Claim{&w.held, &w.dead} {
		for i, c := range *from {
			if c.Kind != jobs.MailTask {
				continue
			}
			*from = slices.Delete(*from, i, i+1)
			w.mayFail(w.s.Deliver(w.t.Context(), c, func(context.Context) error {
				w.sent[c.Mail.ID]++
				return nil
			}))
			return
		}
	}
}

func (w *walk) allKeys() string {
	return fmt.Sprint(w.db.Strings(w.t, "SELECT id::text || k FROM oubli.tasks, unnest(keys) AS k ORDER BY 1"))
}

func (w *walk) keysAreTheSame() {
	w.t.Helper()
	if now := w.allKeys(); now != w.keys {
		w.t.Fatalf("the tasks' keys were\n%s\nand are\n%s", w.keys, now)
	}
}

// toTheEnd lets good workers do what is left.
func (w *walk) toTheEnd() {
	w.unlock()
	for range 100 {
		w.resume()
		expire(w.t, w.db)
		w.recover()
		w.loseHints()
		w.dispatch()
		if len(w.hints) == 0 {
			return
		}
		for len(w.hints) > 0 {
			w.claim()
		}
		for len(w.held) > 0 {
			for range 10 {
				w.chunk()
			}
			w.finish()
			w.mail()
		}
		w.keysAreTheSame()
	}
	w.t.Fatal("the jobs do not end")
}

func (w *walk) check() {
	gone := without(w.clients, w.db.Existing(w.t, w.clients))
	gone = slices.DeleteFunc(gone, func(k string) bool { return k == "99999999" })
	erased := 0
	for _, j := range w.jobs {
		got := job(w.t, w.s, j.ID)
		if !got.State.Final() || got.Counts.Pending != 0 || got.Counts.Total() != j.Requested || got.Mail.State != jobs.MailSent {
			w.t.Errorf("job: %+v", got)
		}
		erased += got.Counts.Erased + got.Counts.ErasedRetained
		for _, o := range []jobs.Outcome{jobs.ErasedRetained, jobs.Skipped, jobs.NotFound, jobs.FailedOutcome} {
			if n := w.db.Int(w.t, "SELECT count(*) FROM oubli.exceptions WHERE job_id = $1 AND outcome = $2", j.ID, o); n != got.Counts.Of(o) {
				w.t.Errorf("job %s counts %d %s and lists %d", j.ID, got.Counts.Of(o), o, n)
			}
		}
	}
	if erased != len(gone) {
		w.t.Errorf("%d clients are gone, the jobs say %d", len(gone), erased)
	}
	if n := w.db.Int(w.t, `SELECT count(*) FROM oubli.exceptions AS e JOIN clients AS c ON c.id::text = e.client_id
		WHERE outcome IN ('erased_retained', 'not_found')`); n != 0 {
		w.t.Errorf("%d clients are said to be gone and are not", n)
	}
	if n := w.db.Int(w.t, "SELECT count(*) FROM oubli.tasks WHERE kind = 'mail'"); n != 2*len(w.jobs) || len(w.sent) != n {
		w.t.Errorf("%d mail tasks and %d mails sent for %d jobs of two recipients", n, len(w.sent), len(w.jobs))
	}
	for id, n := range w.sent {
		if n != 1 {
			w.t.Errorf("letter %s was sent %d times", id, n)
		}
	}
	w.db.NoTraces(w.t, gone)
	w.db.SameTotals(w.t)
	for i, now := range w.db.Untouched(w.t, w.clients) {
		if now != w.untouched[i] {
			w.t.Errorf("rows of others changed: %+v, before %+v", now, w.untouched[i])
		}
	}
	w.t.Logf("%d clients of %d erased in %d jobs; %d late claims", len(gone), len(w.clients), len(w.jobs), len(w.dead))
}
