package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/oubli/oubli/jobs"
)

// DispatcherOptions are the parts and settings of a Dispatcher. A zero duration
// means the default that its comment gives.
type DispatcherOptions struct {
	Outbox      Outbox
	Recovery    Recovery    // nil: only dispatch
	Maintenance Maintenance // nil in a process without workers
	Redis       redis.UniversalClient
	Log         zerolog.Logger
	Interval    time.Duration // between searches for due tasks; 300 ms
	Reconcile   time.Duration // between searches for lost hints and crashed workers; 1 s
	HintAge     time.Duration // age of an unclaimed hint after which it is looked up in Redis; 2 s
	TakenAge    time.Duration // age after which a hint is sent again that a worker received without claiming the task; 10 s

	Tracer trace.Tracer // nil: no spans

	Count func(e jobs.Event, n int)    // called when an event happened n times
	Round func(loop string, err error) // called after each round of a loop
}

// Dispatcher sends a hint for every task that is due, and sends lost hints again.
type Dispatcher struct {
	o         DispatcherOptions
	client    *asynq.Client
	inspector *asynq.Inspector
	wake      chan struct{}
	redisDown bool
}

// NewDispatcher prepares a dispatcher; Run starts it.
func NewDispatcher(o DispatcherOptions) *Dispatcher {
	for field, value := range map[*time.Duration]time.Duration{
		&o.Interval: 300 * time.Millisecond, &o.Reconcile: time.Second, &o.HintAge: 2 * time.Second, &o.TakenAge: 10 * time.Second,
	} {
		if *field == 0 {
			*field = value
		}
	}
	if o.Tracer == nil {
		o.Tracer = noTracer
	}
	if o.Count == nil {
		o.Count = func(jobs.Event, int) {}
	}
	if o.Round == nil {
		o.Round = func(string, error) {}
	}
	return &Dispatcher{
		o:         o,
		client:    asynq.NewClientFromRedisClient(o.Redis),
		inspector: asynq.NewInspectorFromRedisClient(o.Redis),
		wake:      make(chan struct{}, 1),
	}
}

// Wake makes the dispatcher look for due tasks now rather than at its next tick.
func (p *Dispatcher) Wake() {
	select {
	case p.wake <- struct{}{}:
	default: // a call of Wake is already pending, and its round will find the same tasks
	}
}

// Run runs the loops until ctx ends.
func (p *Dispatcher) Run(ctx context.Context) {
	var loops sync.WaitGroup
	loops.Go(func() { p.every(ctx, p.o.Interval, p.wake, "dispatch", p.dispatch) })
	if p.o.Recovery != nil {
		loops.Go(func() { p.every(ctx, p.o.Reconcile, nil, "reconcile", p.reconcile) })
		loops.Go(func() { p.every(ctx, 10*p.o.Reconcile, nil, "tidy", p.tidy) })
	}
	if p.o.Maintenance != nil {
		loops.Go(func() { p.every(ctx, p.o.Reconcile, nil, "blocked jobs", p.unblock) })
		loops.Go(func() { p.every(ctx, p.o.Reconcile, nil, "views", p.o.Maintenance.RefreshViews) })
		loops.Go(func() { p.every(ctx, p.o.Reconcile, nil, "statistics", p.o.Maintenance.RefreshStatistics) })
		loops.Go(func() { p.every(ctx, p.o.Reconcile, nil, "mixing", p.o.Maintenance.MixRows) })
		loops.Go(func() { p.every(ctx, p.o.Reconcile, nil, "second looks", p.runSecondLooks) })
		loops.Go(func() { p.every(ctx, 60*p.o.Reconcile, nil, "retention", p.sweepRetained) })
	}
	loops.Wait()
}

// every runs f at each tick and after each Wake. It logs the first success after
// errors. Of errors in a row it logs each different text once, up to streakErrors
// of them.
func (p *Dispatcher) every(ctx context.Context, interval time.Duration, wake <-chan struct{}, name string, f func(context.Context) error) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	logged := map[string]bool{} // since the last success
	for {
		began := time.Now()
		err := f(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && len(logged) > 0:
			p.o.Log.Info().Str("loop", name).Msg("loop works again")
			clear(logged)
		case err != nil && len(logged) < streakErrors && !logged[err.Error()]:
			p.o.Log.Warn().Err(err).Str("loop", name).Msg("loop failed, trying again")
			logged[err.Error()] = true
		}
		p.o.Round(name, err)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-wake:
			if !pause(ctx, wakePause-time.Since(began)) {
				return
			}
		}
	}
}

// wakePause is the shortest time between the begins of two rounds, if Wake asks
// for the second. A call of Wake after this time starts a round at once; several
// calls within it start one round together.
const wakePause = 15 * time.Millisecond

// pause waits for d. It returns false if ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// streakErrors is how many different errors in a row a loop logs.
const streakErrors = 20

// roundTimeout bounds one round of dispatching. A stop waits for the round.
const roundTimeout = 10 * time.Second

// dispatch marks due tasks and enqueues their hints. While Redis does not answer
// it marks nothing: each mark would be a useless write to the database.
func (p *Dispatcher) dispatch(ctx context.Context) error {
	if p.redisDown {
		if err := p.redis(ctx, func(ctx context.Context) error { return p.o.Redis.Ping(ctx).Err() }); err != nil {
			return errRedis
		}
		p.redisDown = false
	}
	// A stop must not interrupt between marking a task and sending its hint: the
	// task would count as dispatched, and would wait until some process finds that
	// its hint is missing.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), roundTimeout)
	defer cancel()
	due, err := p.o.Outbox.Dispatch(ctx)
	if err != nil {
		return err
	}
	for i, d := range due {
		err := p.redis(ctx, func(ctx context.Context) error { return p.enqueue(ctx, d) })
		if err == nil {
			p.o.Count(jobs.HintSent, 1)
			continue
		}
		p.redisDown = true
		if err := p.o.Outbox.Undispatch(context.WithoutCancel(ctx), due[i:]); err != nil {
			return err
		}
		return errRedis
	}
	if len(due) > 0 {
		// If nobody hears it, workers find the hints at their next look.
		_ = p.redis(ctx, func(ctx context.Context) error { return p.o.Redis.Publish(ctx, hintChannel, "").Err() })
		p.Wake() // one round takes a bounded number of tasks, and more may be due
	}
	return nil
}

// errRedis replaces every error of go-redis, since those can contain addresses.
var errRedis = &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeUnavailable, Msg: "Redis does not answer"}

func (p *Dispatcher) redis(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return f(ctx)
}

// hintTimeout is longer than any batch takes. After the timeout, asynq would start
// a retry although the handler still runs. Zero would mean half an hour.
const hintTimeout = 24 * time.Hour

func (p *Dispatcher) enqueue(ctx context.Context, d jobs.Dispatch) (err error) {
	ctx, span := p.o.Tracer.Start(withTrace(ctx, d.Trace), "dispatch", trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		attribute.String("oubli.task", d.TaskID), attribute.String("oubli.queue", string(d.Queue)), attribute.Int("oubli.dispatch", d.No)))
	defer func() { endSpan(span, err) }()
	task := asynq.NewTask(d.Kind.HintType(), jobs.Hint{TaskID: d.TaskID}.Payload())
	_, err = p.client.EnqueueContext(ctx, task, asynq.Queue(string(d.Queue)), asynq.TaskID(d.HintID()),
		asynq.MaxRetry(0), asynq.Timeout(hintTimeout))
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil // an earlier attempt succeeded although its answer was lost
	}
	return err
}

// reconcile recovers lost tasks and sends lost hints again. An error of one step
// does not stop the other.
func (p *Dispatcher) reconcile(ctx context.Context) error {
	return errors.Join(p.recoverTasks(ctx), p.resendHints(ctx))
}

func (p *Dispatcher) recoverTasks(ctx context.Context) error {
	n, err := p.o.Recovery.Recover(ctx)
	if n > 0 {
		p.o.Count(jobs.LeaseExpired, n)
		p.o.Log.Warn().Int("tasks", n).Msg("recovered tasks whose lease ran out")
		p.Wake()
	}
	return err
}

func (p *Dispatcher) unblock(ctx context.Context) error {
	n, err := p.o.Maintenance.Unblock(ctx)
	if n > 0 {
		p.o.Count(jobs.JobUnblocked, n)
		p.o.Log.Info().Int("jobs", n).Msg("nothing keeps blocked jobs any more; they continue")
		p.Wake()
	}
	return err
}

// resendHints sends lost hints again.
func (p *Dispatcher) resendHints(ctx context.Context) error {
	if err := p.redis(ctx, p.registerQueues); err != nil {
		return errRedis
	}
	overdue, err := p.o.Recovery.Overdue(ctx, p.o.HintAge)
	if err != nil {
		return err
	}
	var lost []jobs.Dispatch
	for _, d := range overdue {
		var isLost bool
		err := p.redis(ctx, func(ctx context.Context) (err error) {
			isLost, err = p.hintLost(ctx, d)
			return err
		})
		if err != nil {
			return errRedis
		}
		if isLost {
			lost = append(lost, d)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	p.o.Count(jobs.HintResent, len(lost))
	p.o.Log.Warn().Int("hints", len(lost)).Msg("hints are gone from Redis; sending them again")
	if err := p.o.Outbox.Undispatch(ctx, lost); err != nil {
		return err
	}
	p.Wake()
	return nil
}

// tidy deletes old data of oubli in the database and archived hints in Redis.
// asynq archives the hint of a worker that crashed, although another hint was sent
// for the task; if thousands of archived hints expire at the same time, asynq's
// archiving fails.
func (p *Dispatcher) tidy(ctx context.Context) error {
	err := p.o.Recovery.Tidy(ctx)
	if p.redis(ctx, p.registerQueues) != nil {
		return errors.Join(err, errRedis)
	}
	for q := range jobs.Queues() {
		if _, e := p.inspector.DeleteAllArchivedTasks(string(q)); e != nil {
			return errors.Join(err, errRedis)
		}
	}
	return err
}

// sweepRetained clears retained columns whose retention period is over.
func (p *Dispatcher) sweepRetained(ctx context.Context) error {
	swept, err := p.o.Maintenance.SweepRetained(ctx)
	for _, t := range swept {
		if t.Rows > 0 {
			p.o.Log.Info().Str("table", t.Table).Int64("rows", t.Rows).Msg("retention is over; cleared retained columns")
		}
		for code, rows := range t.Refused {
			p.o.Log.Error().Str("table", t.Table).Int64("rows", rows).Str("code", code).
				Msg("retention is over, and the database refuses to clear rows")
		}
	}
	return err
}

const lateRowsErased = "rows were written about clients while these were erased; erased the rows too"

// runSecondLooks erases rows that were written about clients after these were
// erased.
func (p *Dispatcher) runSecondLooks(ctx context.Context) error {
	found, err := p.o.Maintenance.RunSecondLooks(ctx)
	if found.Ended > 0 {
		p.Wake()
	}
	for table, rows := range found.Erased {
		p.o.Log.Info().Str("table", table).Int64("rows", rows).Msg(lateRowsErased)
	}
	for code, clients := range found.Refused {
		p.o.Log.Error().Str("code", code).Int("clients", clients).
			Msg("rows were written about erased clients, and the database refuses to erase them")
	}
	return err
}

// registerQueues makes the queues visible on asynq's dashboard again after Redis
// lost its data. asynq's client registers each queue only once.
func (p *Dispatcher) registerQueues(ctx context.Context) error {
	var names []any
	for q := range jobs.Queues() {
		names = append(names, string(q))
	}
	return p.o.Redis.SAdd(ctx, "asynq:queues", names...).Err()
}

// hintLost reports whether no worker can receive this hint any more. If a worker
// has received the hint and has not claimed the task, the hint counts as lost
// after TakenAge: the worker crashed in between, which asynq would notice only
// minutes later.
//
// It reads asynq's own keys, because Redis can lose some of them: asynq's
// inspector shows a hint as pending for ever when its payload is there but its
// place in the queue is not.
func (p *Dispatcher) hintLost(ctx context.Context, d jobs.Dispatch) (bool, error) {
	queue := "asynq:{" + string(d.Queue) + "}:"
	var hint *redis.SliceCmd
	var place *redis.IntCmd
	_, err := p.o.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		hint = pipe.HMGet(ctx, queue+"t:"+d.HintID(), "msg", "state")
		place = pipe.LPos(ctx, queue+"pending", d.HintID(), redis.LPosArgs{})
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return false, err
	}
	switch fields := hint.Val(); {
	case len(fields) < 2 || fields[0] == nil:
		return true, nil
	case fields[1] == "active":
		return d.Age > p.o.TakenAge, nil
	case fields[1] == "pending":
		// A worker may have received it between the two answers of Redis. It then
		// claims the task, and a second hint changes nothing.
		return errors.Is(place.Err(), redis.Nil), nil
	}
	return true, nil // archived or completed; this program's hints are never scheduled or retried by asynq
}
