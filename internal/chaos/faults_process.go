//go:build unix

package chaos

import (
	"context"
	"fmt"
	"maps"
	"syscall"
	"time"

	"github.com/oubli/oubli/internal/chaos/wire"
)

// points are the lines of the crash table: before and after every commit, every
// hint that is sent, and every mail.
var points = []string{
	"dispatch:marked", "hint:sending", "hint:sent", "claim:committed",
	"chunk:decided", "chunk:erased", "chunk:committed", "finish:stored", "finish:committed",
	"hint:acknowledging", "hint:acknowledged", "mail:before", "mail:sent", "mail:recorded",
}

// deaths kill processes, as kill -9 does.
func deaths() []fault {
	var all []fault
	for _, at := range points {
		all = append(all, fault{"kill a worker at " + at, func(ctx context.Context, r *round) (relief, error) {
			return r.strike(ctx, r.workers, at, wire.Kill)
		}})
	}
	for _, at := range []string{"accept:stored", "accept:committed", "dispatch:marked"} {
		all = append(all, fault{"kill the API at " + at, func(ctx context.Context, r *round) (relief, error) {
			if _, err := r.strike(ctx, []*process{r.api}, at, wire.Kill); err != nil {
				return relief{}, err
			}
			return r.progress(ctx), nil
		}})
	}
	return append(all,
		fault{"kill a worker at random", func(ctx context.Context, r *round) (relief, error) {
			return r.kill(ctx, r.workers[r.IntN(len(r.workers))]), nil
		}},
		fault{"kill all workers at once", func(ctx context.Context, r *round) (relief, error) { return r.kill(ctx, r.workers...), nil }},
		fault{"kill the API at random", func(ctx context.Context, r *round) (relief, error) {
			r.kill(ctx, r.api)
			return r.progress(ctx), nil
		}},
		fault{"terminate a worker", terminate},
		fault{"a worker whose clock is wrong", wrongClock},
		fault{"ten workers", tenWorkers},
		fault{"a client at whom workers die", killerClient},
	)
}

// strike arms a failpoint in some processes, and lets the first that comes by
// do the deed to itself.
func (r *round) strike(ctx context.Context, among []*process, at string, deed wire.Deed) (relief, error) {
	for _, p := range among {
		for len(p.hits) > 0 {
			<-p.hits
		}
		p.order(at, deed)
	}
	r.feeder.nudge(ctx)
	var victim *process
	came := eventually(ctx, 10*time.Second, func() bool {
		for _, p := range among {
			select {
			case <-p.hits:
				victim = p
				return true
			default:
			}
		}
		return false
	})
	since := time.Now()
	for _, p := range among {
		if p != victim {
			p.order(at, wire.Nothing)
		}
	}
	if !came {
		return relief{}, errNotMet
	}
	held := victim.held()
	after := r.takenOver(ctx, held, since)
	if deed == wire.Stop {
		// Longer than any lease that it may hold of a batch: others take over,
		// and it wakes up among them.
		eventually(ctx, r.o.Patience, func() bool { return after.done == nil || after.done(ctx) })
		took := time.Since(since)
		wait(ctx, time.Duration(r.IntN(1000))*time.Millisecond)
		victim.signal(syscall.SIGCONT)
		r.trouble("a stopped process", since.Add(-hesitation), time.Now().Add(time.Second))
		if after.done != nil {
			after = relief{time.Now().Add(-took), func(context.Context) bool { return true }}
		}
	}
	return after, nil
}

// kill ends processes as kill -9 does.
func (r *round) kill(ctx context.Context, victims ...*process) relief {
	since := time.Now()
	held := map[string]int{}
	for _, p := range victims {
		maps.Copy(held, p.held())
		p.signal(syscall.SIGKILL)
	}
	return r.takenOver(ctx, held, since)
}

// terminate ends a worker in the middle of its work as service managers do.
// It finishes what is under way and gives the rest back.
func terminate(ctx context.Context, r *round) (relief, error) {
	p := r.workers[r.IntN(len(r.workers))]
	since, held := time.Now(), p.held()
	p.terminate()
	if left, err := r.keeps(ctx, held); err == nil && left > 0 && r.undisturbed(since) {
		r.violated("a terminated worker keeps %d tasks", left)
	}
	return r.takenOver(ctx, held, since), nil
}

// keeps counts the tasks that are still leased to whoever claimed them then.
func (r *round) keeps(ctx context.Context, held map[string]int) (n int, err error) {
	tasks, attempts := pairs(held)
	err = r.pool.QueryRow(ctx, `SELECT count(*) FROM oubli.tasks AS t JOIN unnest($1::uuid[], $2::int[]) AS held (id, attempt)
		ON held.id = t.id AND held.attempt = t.attempt WHERE t.state = 'running'`, tasks, attempts).Scan(&n)
	return n, err
}

func pairs(held map[string]int) (tasks []string, attempts []int) {
	tasks, attempts = []string{}, []int{}
	for task, attempt := range held {
		tasks, attempts = append(tasks, task), append(attempts, attempt)
	}
	return tasks, attempts
}

// retune starts a process anew with another tuning.
func (r *round) retune(ctx context.Context, p *process, change func(*wire.Tuning)) error {
	p.mu.Lock()
	change(&p.tuning)
	p.mu.Unlock()
	p.terminate()
	if !eventually(ctx, r.o.Patience, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		select {
		case <-p.ended:
			return false
		default:
			return true
		}
	}) {
		return fmt.Errorf("%s does not come back", p.name)
	}
	return p.awaitUp(ctx, r.o.Patience)
}

func wrongClock(ctx context.Context, r *round) (relief, error) {
	p := r.workers[r.IntN(len(r.workers))]
	by := time.Duration(2+r.IntN(10)) * time.Minute
	if r.IntN(2) == 0 {
		by = -by
	}
	if err := r.retune(ctx, p, func(t *wire.Tuning) { t.Skew = by }); err != nil {
		r.say("no wrong clock: %v", err)
		_ = r.retune(ctx, p, func(t *wire.Tuning) { t.Skew = 0 })
		return relief{}, errNotMet
	}
	after := r.progress(ctx)
	wait(ctx, 2*time.Second)
	// It keeps the wrong clock until it is killed.
	p.mu.Lock()
	p.tuning.Skew = 0
	p.mu.Unlock()
	return after, nil
}

// tenWorkers lets a crowd work for a while, and then kills the newcomers.
func tenWorkers(ctx context.Context, r *round) (relief, error) {
	var crowd []*process
	for i := len(r.workers); i < 10; i++ {
		p, err := r.place(fmt.Sprintf("worker%d", i+1), r.workers[0].tuning, "worker")
		if err != nil {
			return relief{}, err
		}
		crowd = append(crowd, p)
	}
	for _, p := range crowd {
		if err := p.awaitUp(ctx, r.o.Patience); err != nil {
			return relief{}, err
		}
	}
	wait(ctx, 2*time.Second)
	since := time.Now()
	held := map[string]int{}
	for _, p := range crowd {
		maps.Copy(held, p.held())
		p.retire(syscall.SIGKILL)
	}
	return r.takenOver(ctx, held, since), nil
}

// killerClient lets every worker die as soon as it comes to erase one client,
// until oubli has found out who it is.
func killerClient(ctx context.Context, r *round) (relief, error) {
	r.feeder.mu.Lock()
	taken := r.feeder.killer != ""
	r.feeder.mu.Unlock()
	if taken {
		return relief{}, errNotMet // one is enough
	}
	killer := r.feeder.special(1)
	for _, p := range r.workers {
		if err := r.retune(ctx, p, func(t *wire.Tuning) { t.Killer = killer }); err != nil {
			return relief{}, err
		}
	}
	r.feeder.mu.Lock()
	r.feeder.killer = killer
	r.feeder.mu.Unlock()
	r.feeder.askFor(ctx, 1, killer)
	since := time.Now()
	return relief{since, func(ctx context.Context) bool {
		var code string
		err := r.pool.QueryRow(ctx, "SELECT code FROM oubli.exceptions WHERE client_id = $1 AND outcome = 'failed'", killer).Scan(&code)
		if err != nil {
			return false
		}
		for _, p := range r.workers { // they need not come back: nobody dies any more
			p.mu.Lock()
			p.tuning.Killer = ""
			p.mu.Unlock()
		}
		return true
	}}, nil
}

// standstills stop processes and let them go on later, among their heirs.
func standstills() []fault {
	var all []fault
	for _, at := range []string{"claim:committed", "chunk:decided", "chunk:committed", "finish:committed", "hint:acknowledging"} {
		all = append(all, fault{"stop a worker at " + at, func(ctx context.Context, r *round) (relief, error) {
			return r.strike(ctx, r.workers, at, wire.Stop)
		}})
	}
	return append(all,
		fault{"stop all workers", func(ctx context.Context, r *round) (relief, error) { return r.freeze(ctx, r.workers...), nil }},
		fault{"stop the API", func(ctx context.Context, r *round) (relief, error) { return r.freeze(ctx, r.api), nil }},
	)
}

func (r *round) freeze(ctx context.Context, all ...*process) relief {
	since := time.Now()
	for _, p := range all {
		p.signal(syscall.SIGSTOP)
	}
	wait(ctx, r.outage())
	for _, p := range all {
		p.signal(syscall.SIGCONT)
	}
	r.trouble("a stopped process", since.Add(-hesitation), time.Now().Add(time.Second))
	return r.progress(ctx)
}
