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

// fault is one kind of fault that the driver injects.
type fault struct {
	name string
	// inject makes the fault happen, until it ends, and returns how to see that
	// the system has recovered.
	inject func(ctx context.Context, r *round) (recovery, error)
}

// recovery tells whether the system has recovered from a fault.
type recovery struct {
	since time.Time
	done  func(ctx context.Context) bool // nil: there was nothing to recover from
}

// errNotMet means that no process reached the failpoint of the fault.
var errNotMet = errors.New("no process reached it")

// faults lists every kind.
func faults() []fault {
	return slices.Concat(kills(), pauses(), redisFaults(), databaseFaults(), mailFaults(), hintFaults(), operatorFaults())
}

// Kinds names every kind of fault.
func Kinds() []string {
	var names []string
	for _, f := range faults() {
		names = append(names, f.name)
	}
	return names
}

// injectFaults injects faults until the round's time is over or, without a
// duration, until each kind has happened once. Some begin before the system has
// recovered from the last.
func (r *round) injectFaults(ctx context.Context) error {
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
			if err := r.inject(ctx, all[i], r.IntN(r.o.Overlap) == 0); err != nil {
				return fmt.Errorf("%s: %w", all[i].name, err)
			}
		}
	}
}

// inject injects one fault and, unless the next one should overlap it, waits until
// the system has recovered.
func (r *round) inject(ctx context.Context, f fault, overlapped bool) error {
	for _, p := range r.processes() {
		p.signal(syscall.SIGCONT) // two processes may have stopped instead of one
	}
	after, err := f.inject(ctx, r)
	switch {
	case errors.Is(err, errNotMet):
		r.say("%-36s  not reached", f.name)
		return nil
	case err != nil:
		return err
	}
	if after.done == nil || overlapped {
		r.figures.count(f.name, 0)
		r.say("%s", f.name)
		return nil
	}
	if !eventually(ctx, r.o.Patience, func() bool { return after.done(ctx) }) {
		r.figures.count(f.name, 0)
		r.violated("%s was not recovered from within %s", f.name, r.o.Patience)
		return ctx.Err()
	}
	took := time.Since(after.since)
	r.figures.count(f.name, took)
	r.say("%-36s  recovered in %.1fs", f.name, took.Seconds())
	return nil
}

// progress is the recovery from a fault that concerned all processes: work was
// done after it ended. There is always work to do.
func (r *round) progress(ctx context.Context) recovery {
	since := time.Now()
	before, ok := r.done(ctx)
	r.feeder.requestSmall(ctx)
	return recovery{since, func(ctx context.Context) bool {
		if !ok { // the database was not available yet when the fault ended
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
	err := r.pool.QueryRow(ctx, `SELECT coalesce(sum(position), 0) + count(*) FILTER (WHERE state IN ('done', 'failed'))
		FROM oubli.tasks`).Scan(&n)
	return n, err == nil
}

// takenOver is the recovery from a fault of one process: other claims have been
// made since of all tasks that it had and of all hints that were under way.
func (r *round) takenOver(ctx context.Context, held map[string]int, since time.Time) recovery {
	tasks, attempts := pairs(held)
	// Nobody claims tasks of a paused job.
	const stuck = `FROM oubli.tasks AS t JOIN oubli.jobs AS j ON j.id = t.job_id
		WHERE (t.kind = 'mail' OR j.state IN ('scheduled', 'running')) AND `
	var ids []string
	var nos []int
	known := false
	left := func(ctx context.Context) (n int, err error) {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if !known {
			err := r.pool.QueryRow(ctx, `
				SELECT coalesce(array_agg(t.id::text), '{}'), coalesce(array_agg(t.attempt + t.dispatch_no), '{}') `+stuck+`
				(t.state = 'pending' AND t.dispatched_at IS NOT NULL OR t.state = 'running' AND EXISTS (
				  SELECT FROM unnest($1::uuid[], $2::int[]) AS held (id, attempt)
				  WHERE held.id = t.id AND held.attempt = t.attempt))`, tasks, attempts).Scan(&ids, &nos)
			if err != nil {
				return 0, err
			}
			known = true
		}
		err = r.pool.QueryRow(ctx, `SELECT count(*) `+stuck+` t.state IN ('pending', 'running')
			AND (t.state = 'running' OR t.dispatched_at IS NOT NULL)
			AND EXISTS (SELECT FROM unnest($1::uuid[], $2::int[]) AS was (id, no)
			  WHERE was.id = t.id AND was.no = t.attempt + t.dispatch_no)`, ids, nos).Scan(&n)
		return n, err
	}
	if n, err := left(ctx); err == nil && n == 0 {
		return recovery{}
	}
	return recovery{since, func(ctx context.Context) bool {
		n, err := left(ctx)
		return err == nil && n == 0
	}}
}

// outage is how long a server is unavailable.
func (r *round) outage() time.Duration {
	if r.o.Long && r.IntN(3) == 0 {
		return 31 * time.Second
	}
	return r.o.Outage/4 + time.Duration(r.Int64N(int64(3*r.o.Outage/4)))
}

// wait waits while a fault lasts.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
