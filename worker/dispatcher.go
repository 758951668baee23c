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

// DispatcherOptions is what a Dispatcher needs. Zero durations stand for the defaults that
// the comments name.
type DispatcherOptions struct {
	Outbox      Outbox
	Recovery    Recovery    // nil: only dispatch
	Maintenance Maintenance // nil in a process that does not work
	Redis       redis.UniversalClient
	Log         zerolog.Logger
	Interval    time.Duration // between looks for due tasks; 300 ms
	Reconcile   time.Duration // between looks for what is lost; 1 s
	HintAge     time.Duration // before a hint is looked for in Redis; 2 s
	TakenAge    time.Duration // before a hint that a worker took, and never claimed, is sent again; 10 s

	Tracer trace.Tracer // nil: no spans

	Count func(e jobs.Event, n int)    // called when something happened n times
	Round func(loop string, err error) // called after each round of a loop
}

// Dispatcher sends a hint for every task that is due, and again when it is lost.
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
		o.Tracer = untraced
	}
	if o.Count == nil {
		o.Count = func(jobs.Event, int) {}
	}
	if o.Round == nil {
		o.Round = func(string, error) {}
	}
	return &Dispatcher{o: o, client: asynq.NewClientFromRedisClient(o.Redis), inspector: asynq.NewInspectorFromRedisClient(o.Redis), wake: make(chan struct{}, 1)}
}

// Wake makes the dispatcher look for due tasks now rather than at its next tick.
func (p *Dispatcher) Wake() {
	select {
	case p.wake <- struct{}{}:
	default: // one look is already on its way, and it will see what we know
	}
}

// Run works until ctx ends.
func (p *Dispatcher) Run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { p.every(ctx, p.o.Interval, p.wake, "dispatch", p.dispatch) })
	if p.o.Recovery != nil {
		both.Go(func() { p.every(ctx, p.o.Reconcile, nil, "reconcile", p.reconcile) })
		both.Go(func() { p.every(ctx, 10*p.o.Reconcile, nil, "tidy", p.tidy) })
	}
	if p.o.Maintenance != nil {
		both.Go(func() { p.every(ctx, p.o.Reconcile, nil, "blocked jobs", p.unblock) })
		both.Go(func() { p.every(ctx, p.o.Reconcile, nil, "views", p.o.Maintenance.RefreshViews) })
		both.Go(func() { p.every(ctx, p.o.Reconcile, nil, "statistics", p.o.Maintenance.RefreshStatistics) })
		both.Go(func() { p.every(ctx, p.o.Reconcile, nil, "second looks", p.lookAgain) })
		both.Go(func() { p.every(ctx, 60*p.o.Reconcile, nil, "retention", p.retire) })
	}
	both.Wait()
}

// every runs f at each tick and wake. Trouble is logged when it begins and
// when it ends, not each time in between.
func (p *Dispatcher) every(ctx context.Context, interval time.Duration, wake <-chan struct{}, name string, f func(context.Context) error) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	trouble := false
	for {
		err := f(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !trouble:
			p.o.Log.Warn().Err(err).Str("loop", name).Msg("trouble, trying on")
		case err == nil && trouble:
			p.o.Log.Info().Str("loop", name).Msg("works again")
		}
		trouble = err != nil
		p.o.Round(name, err)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-wake:
		}
	}
}

// roundTimeout bounds one round of dispatching; a stop may have to wait for it.
const roundTimeout = 10 * time.Second

// dispatch marks due tasks and enqueues their hints. While Redis is away
// nothing is marked, so the database is not written to in vain.
func (p *Dispatcher) dispatch(ctx context.Context) error {
	if p.redisDown {
		if err := p.redis(ctx, func(ctx context.Context) error { return p.o.Redis.Ping(ctx).Err() }); err != nil {
			return errRedis
		}
		p.redisDown = false
	}
	// A stop does not come between a mark and its hint: the task would look
	// dispatched, and wait for somebody's reconciler.
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
	return nil
}

// errRedis stands for whatever go-redis said, which can hold addresses.
var errRedis = &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeUnavailable, Msg: "Redis does not answer"}

func (p *Dispatcher) redis(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return f(ctx)
}

// hintTimeout is longer than any batch: asynq starts a retry beside a handler
// that outlives its timeout, and zero would mean half an hour.
const hintTimeout = 24 * time.Hour

func (p *Dispatcher) enqueue(ctx context.Context, d jobs.Dispatch) (err error) {
	ctx, span := p.o.Tracer.Start(traced(ctx, d.Trace), "dispatch", trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		attribute.String("oubli.task", d.TaskID), attribute.String("oubli.queue", string(d.Queue)), attribute.Int("oubli.dispatch", d.No)))
	defer func() { end(span, err) }()
	task := asynq.NewTask(d.Kind.HintType(), jobs.Hint{TaskID: d.TaskID}.Payload())
	_, err = p.client.EnqueueContext(ctx, task, asynq.Queue(string(d.Queue)), asynq.TaskID(d.HintID()),
		asynq.MaxRetry(0), asynq.Timeout(hintTimeout))
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil // an earlier try got through although its answer did not
	}
	return err
}

// reconcile gives lost tasks and lost hints another chance. No step waits for
// the trouble of another.
func (p *Dispatcher) reconcile(ctx context.Context) error {
	return errors.Join(p.recover(ctx), p.resend(ctx))
}

func (p *Dispatcher) recover(ctx context.Context) error {
	n, err := p.o.Recovery.Recover(ctx)
	if n > 0 {
		p.o.Count(jobs.LeaseExpired, n)
		p.o.Log.Warn().Int("tasks", n).Msg("recovered tasks whose worker fell silent")
		p.Wake()
	}
	return err
}

func (p *Dispatcher) unblock(ctx context.Context) error {
	n, err := p.o.Maintenance.Unblock(ctx)
	if n > 0 {
		p.o.Count(jobs.JobUnblocked, n)
		p.o.Log.Info().Int("jobs", n).Msg("the map covers the schema again; blocked jobs go on")
		p.Wake()
	}
	return err
}

// resend sends hints again that were lost.
func (p *Dispatcher) resend(ctx context.Context) error {
	if err := p.redis(ctx, p.registerQueues); err != nil {
		return errRedis
	}
	overdue, err := p.o.Recovery.Overdue(ctx, p.o.HintAge)
	if err != nil {
		return err
	}
	var lost []jobs.Dispatch
	for _, d := range overdue {
		var gone bool
		err := p.redis(ctx, func(ctx context.Context) (err error) {
			gone, err = p.gone(ctx, d)
			return err
		})
		if err != nil {
			return errRedis
		}
		if gone {
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

// tidy clears up behind the transactions and behind asynq, which archives the
// hint of a worker that died. The database has sent another since; thousands
// of archived ones that expire together would break archiving itself.
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

func (p *Dispatcher) retire(ctx context.Context) error {
	swept, err := p.o.Maintenance.SweepRetained(ctx)
	for _, t := range swept {
		if t.Rows > 0 {
			p.o.Log.Info().Str("table", t.Table).Int64("rows", t.Rows).Msg("retention is over; cleared what was kept")
		}
		for code, rows := range t.Refused {
			p.o.Log.Error().Str("table", t.Table).Int64("rows", rows).Str("code", code).Msg("retention is over, and the database refuses to clear rows")
		}
	}
	return err
}

// lookAgain erases what was written of clients while they were erased.
func (p *Dispatcher) lookAgain(ctx context.Context) error {
	late, err := p.o.Maintenance.RunSecondLooks(ctx)
	for table, rows := range late {
		p.o.Log.Info().Str("table", table).Int64("rows", rows).Msg("rows were written of clients while they were erased; erased them too")
	}
	return err
}

// registerQueues makes the queues visible to asynq's dashboard again after
// Redis lost everything; enqueueing through a client that has already done it
// would not.
func (p *Dispatcher) registerQueues(ctx context.Context) error {
	var names []any
	for q := range jobs.Queues() {
		names = append(names, string(q))
	}
	return p.o.Redis.SAdd(ctx, "asynq:queues", names...).Err()
}

// gone reports whether no worker can still get this hint. One that a worker
// took but never claimed counts as gone after a while: the worker died between
// the two, and asynq would notice only minutes later.
//
// It reads asynq's own keys, because a Redis that lost some of them leaves
// halves behind: a hint whose text is there and whose place in the queue is not
// is pending for ever in the eyes of asynq's inspector.
func (p *Dispatcher) gone(ctx context.Context, d jobs.Dispatch) (bool, error) {
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
	switch kept := hint.Val(); {
	case len(kept) < 2 || kept[0] == nil:
		return true, nil
	case kept[1] == "active":
		return d.Age > p.o.TakenAge, nil
	case kept[1] == "pending":
		// Whoever took it between the two answers claims the task, and a hint
		// that comes twice changes nothing.
		return errors.Is(place.Err(), redis.Nil), nil
	}
	return true, nil // archived, completed; nothing of ours is scheduled or retried
}
