//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// fault is one kind of trouble.
type fault struct {
	name string
	// bring lets it happen from its begin to its end, and says when the system
	// has got over it.
	bring func(ctx context.Context, r *round) (relief, error)
}

// relief is what tells that the system has got over a fault.
type relief struct {
	since time.Time
	done  func(ctx context.Context) bool // nil: there was nothing to get over
}

// errNotMet says that nobody came by where the fault was waiting.
var errNotMet = errors.New("nobody came by")

// faults lists every kind.
func faults() []fault {
	return slices.Concat(deaths(), standstills(), redisFaults(), databaseFaults(), mailFaults(), hintFaults(), operatorFaults())
}

// Kinds names every kind of fault.
func Kinds() []string {
	var names []string
	for _, f := range faults() {
		names = append(names, f.name)
	}
	return names
}

// bringTrouble brings faults until the round's time is over or, without a
// duration of the whole, until each kind has come once. Some come before the last has been got over.
func (r *round) bringTrouble(ctx context.Context) error {
	all := slices.DeleteFunc(faults(), func(f fault) bool { return len(r.o.Only) > 0 && !slices.Contains(r.o.Only, f.name) })
	if len(all) == 0 {
		return fmt.Errorf("no fault of these names; there are %q", Kinds())
	}
	end := time.Now().Add(r.o.Round)
	for once := true; ; once = false {
		for _, i := range r.Perm(len(all)) {
			if time.Now().After(end) || r.o.Duration == 0 && !once {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Duration(r.Int64N(int64(r.o.Pause)))):
			}
			if err := r.bring(ctx, all[i], r.IntN(r.o.Piles) == 0); err != nil {
				return fmt.Errorf("%s: %w", all[i].name, err)
			}
		}
	}
}

// bring brings one fault and, unless it is piled upon by the next, waits until
// it is got over.
func (r *round) bring(ctx context.Context, f fault, piled bool) error {
	for _, p := range r.processes() {
		p.signal(syscall.SIGCONT) // two may have stopped where one was to
	}
	after, err := f.bring(ctx, r)
	switch {
	case errors.Is(err, errNotMet):
		r.say("%-36s  nobody came by", f.name)
		return nil
	case err != nil:
		return err
	}
	if after.done == nil || piled {
		r.figures.count(f.name, 0)
		r.say("%s", f.name)
		return nil
	}
	if !eventually(ctx, r.o.Patience, func() bool { return after.done(ctx) }) {
		r.figures.count(f.name, 0)
		r.violated("%s was not got over within %s", f.name, r.o.Patience)
		return ctx.Err()
	}
	took := time.Since(after.since)
	r.figures.count(f.name, took)
	r.say("%-36s  got over in %.1fs", f.name, took.Seconds())
	return nil
}

// progress is the relief from trouble that concerned everybody: work that was
// done after it ended. There is always some to do.
func (r *round) progress(ctx context.Context) relief {
	since := time.Now()
	before, ok := r.done(ctx)
	r.feeder.nudge(ctx)
	return relief{since, func(ctx context.Context) bool {
		if !ok { // the database was not back yet when it was asked
			before, ok = r.done(ctx)
			return false
		}
		now, ok := r.done(ctx)
		return ok && now > before
	}}
}

// done counts what was done by workers since the round began.
func (r *round) done(ctx context.Context) (n int, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err := r.pool.QueryRow(ctx, "SELECT coalesce(sum(position), 0) + count(*) FILTER (WHERE state IN ('done', 'failed')) FROM oubli.tasks").Scan(&n)
	return n, err == nil
}

// takenOver is the relief from trouble of one process: all that it held, and
// all hints that were under way, have come to somebody since.
func (r *round) takenOver(ctx context.Context, held map[string]int, since time.Time) relief {
	tasks, attempts := pairs(held)
	// Nothing of a paused job is anybody's.
	const stuck = `FROM oubli.tasks AS t JOIN oubli.jobs AS j ON j.id = t.job_id WHERE (t.kind = 'mail' OR j.state IN ('scheduled', 'running')) AND `
	var ids []string
	var nos []int
	known := false
	left := func(ctx context.Context) (n int, err error) {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if !known {
			err := r.pool.QueryRow(ctx, `SELECT coalesce(array_agg(t.id::text), '{}'), coalesce(array_agg(t.attempt + t.dispatch_no), '{}') `+stuck+`
				(t.state = 'pending' AND t.dispatched_at IS NOT NULL OR t.state = 'running' AND EXISTS (
				  SELECT FROM unnest($1::uuid[], $2::int[]) AS held (id, attempt) WHERE held.id = t.id AND held.attempt = t.attempt))`, tasks, attempts).Scan(&ids, &nos)
			if err != nil {
				return 0, err
			}
			known = true
		}
		err = r.pool.QueryRow(ctx, `SELECT count(*) `+stuck+` t.state IN ('pending', 'running')
			AND (t.state = 'running' OR t.dispatched_at IS NOT NULL)
			AND EXISTS (SELECT FROM unnest($1::uuid[], $2::int[]) AS was (id, no) WHERE was.id = t.id AND was.no = t.attempt + t.dispatch_no)`, ids, nos).Scan(&n)
		return n, err
	}
	if n, err := left(ctx); err == nil && n == 0 {
		return relief{}
	}
	return relief{since, func(ctx context.Context) bool {
		n, err := left(ctx)
		return err == nil && n == 0
	}}
}

// outage is how long a server is away.
func (r *round) outage() time.Duration {
	if r.o.Long && r.IntN(3) == 0 {
		return 31 * time.Second
	}
	return r.o.Outage/4 + time.Duration(r.Int64N(int64(3*r.o.Outage/4)))
}

// wait lets time pass in which a fault lasts.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
