//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/oubli/oubli/jobs"
)

// Run injects faults into oubli and reports the results. Broken guarantees are in
// the figures; an error is the driver's own.
func Run(ctx context.Context, o Options) (*Figures, error) {
	o = o.withDefaults()
	f := &Figures{Seed: o.Seed}
	l, err := openLab(ctx, o)
	if err != nil {
		return f, err
	}
	end := time.Now().Add(o.Duration)
	for {
		err = l.round(ctx, f)
		if err != nil || len(f.Violations) > 0 || time.Now().After(end) {
			return f, errors.Join(err, l.Close())
		}
	}
}

// round runs one round.
func (l *lab) round(ctx context.Context, f *Figures) (err error) {
	r, err := l.openRound(ctx, f.Seed+uint64(f.Rounds), f, nil)
	if err != nil {
		return err
	}
	f.Rounds++
	defer func() { err = errors.Join(err, r.close()) }()
	feeding, stop := context.WithCancel(ctx)
	r.feeder.busy.Go(func() { r.feeder.run(feeding) })
	err = r.injectFaults(ctx)
	stop()
	r.feeder.busy.Wait()
	if err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	err = r.check(ctx)
	f.Violations = append(f.Violations, r.violations...)
	if len(r.violations) > 0 {
		r.writeLogs()
	}
	return err
}

// settle ends all faults and waits until nothing is left to do.
func (r *round) settle(ctx context.Context) error {
	since := time.Now()
	r.mails.behave(kind)
	for _, p := range r.processes() {
		p.signal(syscall.SIGCONT)
		for _, l := range []link{p.db, p.redis, p.mail} {
			if err := l.restore(); err != nil {
				return err
			}
		}
		p.mu.Lock()
		p.tuning.Killer, p.tuning.Skew = "", 0
		p.mu.Unlock()
	}
	for queue := range jobs.Queues() {
		_ = r.dashboard(ctx, "POST", fmt.Sprintf("queues/%s:resume", queue))
	}
	for _, o := range r.feeder.all() {
		_, _ = r.step(ctx, o, "resume") // in case an earlier resume was lost
	}
	left := "unknown"
	ok := eventually(ctx, r.o.Patience, func() bool {
		var jobs, mails int
		err := r.pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM oubli.jobs WHERE finished_at IS NULL),
			(SELECT count(*) FROM oubli.tasks WHERE kind = 'mail' AND state IN ('pending', 'running'))`).Scan(&jobs, &mails)
		left = fmt.Sprintf("%d jobs and %d mails", jobs, mails)
		return err == nil && jobs == 0 && mails == 0
	})
	if !ok {
		r.violated("%s are stuck %s after all trouble has ended", left, r.o.Patience)
	}
	r.say("settled in %.1fs", time.Since(since).Seconds())
	return ctx.Err()
}

// writeLogs writes the log lines about the jobs that a violation names, or else the
// last lines.
func (r *round) writeLogs() {
	const of, last = 30, 6 // lines of each log
	named := jobID.FindAllString(strings.Join(r.violations, " "), -1)
	for _, p := range r.processes() {
		p.mu.Lock()
		tail := slices.Clone(p.tail)
		p.mu.Unlock()
		about := slices.DeleteFunc(slices.Clone(tail), func(line string) bool {
			return !slices.ContainsFunc(named, func(id string) bool { return strings.Contains(line, id) })
		})
		if len(about) == 0 {
			about = tail[max(0, len(tail)-last):]
		}
		for _, line := range about[:min(of, len(about))] {
			fmt.Fprintf(r.o.Log, "%s: %s\n", p.name, line)
		}
	}
}

var jobID = regexp.MustCompile(`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
