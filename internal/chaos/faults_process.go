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

// points are the failpoints of the crash table: before and after every commit,
// every hint and every mail.
var points = []string{
	"dispatch:marked", "hint:sending", "hint:sent", "claim:committed",
	"chunk:decided", "chunk:erased", "chunk:committed", "finish:stored", "finish:committed",
	"hint:acknowledging", "hint:acknowledged", "mail:before", "mail:sent", "mail:recorded",
}

// kills end processes by kill -9.
func kills() []fault {
	var all []fault
	for _, at := range points {
		all = append(all, fault{"kill a worker at " + at, func(ctx context.Context, r *round) (recovery, error) {
			return r.arm(ctx, r.workers, at, wire.Kill)
		}})
	}
	for _, at := range []string{"accept:stored", "accept:committed", "dispatch:marked"} {
		all = append(all, fault{"kill the API at " + at, func(ctx context.Context, r *round) (recovery, error) {
			if _, err := r.arm(ctx, []*process{r.api}, at, wire.Kill); err != nil {
				return recovery{}, err
			}
			return r.progress(ctx), nil
		}})
	}
	return append(all,
		fault{"kill a worker at random", func(ctx context.Context, r *round) (recovery, error) {
			return r.kill(ctx, r.workers[r.IntN(len(r.workers))]), nil
		}},
		fault{"kill all workers at once", func(ctx context.Context, r *round) (recovery, error) { return r.kill(ctx, r.workers...), nil }},
		fault{"kill the API at random", func(ctx context.Context, r *round) (recovery, error) {
			r.kill(ctx, r.api)
			return r.progress(ctx), nil
		}},
		fault{"terminate a worker", terminate},
		fault{"a worker whose clock is wrong", wrongClock},
		fault{"ten workers", tenWorkers},
		fault{"a client at whom workers die", killerClient},
	)
}

// arm arms a failpoint in some processes. The first one that reaches it kills or
// stops itself.
func (r *round) arm(ctx context.Context, among []*process, at string, deed wire.Deed) (recovery, error) {
	for _, p := range among {
		for len(p.hits) > 0 {
			<-p.hits
		}
		p.order(at, deed)
	}
	r.feeder.requestSmall(ctx)
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
		return recovery{}, errNotMet
	}
	held := victim.held()
	after := r.takenOver(ctx, held, since)
	if deed == wire.Stop {
		// Longer than the lease of a batch: another worker takes the batch
		// over before this one continues.
		eventually(ctx, r.o.Patience, func() bool { return after.done == nil || after.done(ctx) })
		took := time.Since(since)
		wait(ctx, time.Duration(r.IntN(1000))*time.Millisecond)
		victim.signal(syscall.SIGCONT)
		r.trouble("a stopped process", since.Add(-recordDelay), time.Now().Add(time.Second))
		if after.done != nil {
			after = recovery{time.Now().Add(-took), func(context.Context) bool { return true }}
		}
	}
	return after, nil
}

// kill ends processes by kill -9.
func (r *round) kill(ctx context.Context, victims ...*process) recovery {
	since := time.Now()
	held := map[string]int{}
	for _, p := range victims {
		maps.Copy(held, p.held())
		p.signal(syscall.SIGKILL)
	}
	return r.takenOver(ctx, held, since)
}

// terminate stops a worker by SIGTERM in the middle of its work. It finishes its
// chunk and gives the rest back.
func terminate(ctx context.Context, r *round) (recovery, error) {
	p := r.workers[r.IntN(len(r.workers))]
	since, held := time.Now(), p.held()
	p.terminate()
	if left, err := r.keeps(ctx, held); err == nil && left > 0 && r.undisturbed(since) {
		r.violated("a terminated worker keeps %d tasks", left)
	}
	return r.takenOver(ctx, held, since), nil
}

// keeps counts the tasks that still have the same claim.
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

// retune restarts a process with another tuning.
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

func wrongClock(ctx context.Context, r *round) (recovery, error) {
	p := r.workers[r.IntN(len(r.workers))]
	by := time.Duration(2+r.IntN(10)) * time.Minute
	if r.IntN(2) == 0 {
		by = -by
	}
	if err := r.retune(ctx, p, func(t *wire.Tuning) { t.Skew = by }); err != nil {
		r.say("no wrong clock: %v", err)
		_ = r.retune(ctx, p, func(t *wire.Tuning) { t.Skew = 0 })
		return recovery{}, errNotMet
	}
	after := r.progress(ctx)
	wait(ctx, 2*time.Second)
	// It keeps the wrong clock until it is killed.
	p.mu.Lock()
	p.tuning.Skew = 0
	p.mu.Unlock()
	return after, nil
}

// tenWorkers starts further workers for a while, and then kills them.
func tenWorkers(ctx context.Context, r *round) (recovery, error) {
	var extra []*process
	for i := len(r.workers); i < 10; i++ {
		p, err := r.place(fmt.Sprintf("worker%d", i+1), r.workers[0].tuning, "worker")
		if err != nil {
			return recovery{}, err
		}
		extra = append(extra, p)
	}
	for _, p := range extra {
		if err := p.awaitUp(ctx, r.o.Patience); err != nil {
			return recovery{}, err
		}
	}
	wait(ctx, 2*time.Second)
	since := time.Now()
	held := map[string]int{}
	for _, p := range extra {
		maps.Copy(held, p.held())
		p.retire(syscall.SIGKILL)
	}
	return r.takenOver(ctx, held, since), nil
}

// killerClient makes every worker die when it erases one client, until oubli has
// identified this client.
func killerClient(ctx context.Context, r *round) (recovery, error) {
	r.feeder.mu.Lock()
	taken := r.feeder.killer != ""
	r.feeder.mu.Unlock()
	if taken {
		return recovery{}, errNotMet // one at a time
	}
	killer := r.feeder.special(1)
	for _, p := range r.workers {
		if err := r.retune(ctx, p, func(t *wire.Tuning) { t.Killer = killer }); err != nil {
			return recovery{}, err
		}
	}
	r.feeder.mu.Lock()
	r.feeder.killer = killer
	r.feeder.mu.Unlock()
	r.feeder.askFor(ctx, 1, killer)
	since := time.Now()
	return recovery{since, func(ctx context.Context) bool {
		var code string
		err := r.pool.QueryRow(ctx, "SELECT code FROM oubli.exceptions WHERE client_id = $1 AND outcome = 'failed'", killer).Scan(&code)
		if err != nil {
			return false
		}
		for _, p := range r.workers { // no worker dies any more
			p.mu.Lock()
			p.tuning.Killer = ""
			p.mu.Unlock()
		}
		return true
	}}, nil
}

// pauses stop processes by SIGSTOP and let them continue when others have taken
// over their tasks.
func pauses() []fault {
	var all []fault
	for _, at := range []string{"claim:committed", "chunk:decided", "chunk:committed", "finish:committed", "hint:acknowledging"} {
		all = append(all, fault{"stop a worker at " + at, func(ctx context.Context, r *round) (recovery, error) {
			return r.arm(ctx, r.workers, at, wire.Stop)
		}})
	}
	return append(all,
		fault{"stop all workers", func(ctx context.Context, r *round) (recovery, error) { return r.freeze(ctx, r.workers...), nil }},
		fault{"stop the API", func(ctx context.Context, r *round) (recovery, error) { return r.freeze(ctx, r.api), nil }},
	)
}

func (r *round) freeze(ctx context.Context, all ...*process) recovery {
	since := time.Now()
	for _, p := range all {
		p.signal(syscall.SIGSTOP)
	}
	wait(ctx, r.outage())
	for _, p := range all {
		p.signal(syscall.SIGCONT)
	}
	r.trouble("a stopped process", since.Add(-recordDelay), time.Now().Add(time.Second))
	return r.progress(ctx)
}
