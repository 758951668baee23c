package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"

	"github.com/oubli/oubli/jobs"
)

// Options are the parts and settings of a Server. A zero number or duration means
// the default that its comment gives.
type Options struct {
	Claims Claims
	Eraser Eraser
	Mails  Mails
	Ledger Ledger // nil: none is configured
	Sender Sender
	Redis  redis.UniversalClient
	Log    zerolog.Logger

	Concurrency int           // number of worker slots, each of which processes one task at a time; 2
	ChunkTarget time.Duration // transaction time that chunk sizes aim for; 100 ms
	WorkShare   int           // percentage of its time in which a slot works; 100
	ChunkMax    int           // largest number of clients in one transaction; 1000
	Stop        time.Duration // how long Stop waits for running chunks and mails; 20 s
	MailRetry   time.Duration // first pause after a mail could not be sent; it doubles up to an hour; 30 s
	MailExpiry  time.Duration // how long sending a mail is tried again; 5 days
	Poll        time.Duration // between reads of empty queues, unless a dispatcher has sent a hint; 200 ms

	Tracer trace.Tracer // nil: no spans

	Wake     func()                               // called when a task was given back or ended, because others may now be due
	Observe  func(jobs.Chunk)                     // called after each chunk
	Retrying func(kind jobs.TaskKind, why string) // called when a task is given back because of an error
	Count    func(e jobs.Event, n int)            // called when an event happened n times
}

func (o Options) withDefaults() Options {
	set := func(field *time.Duration, value time.Duration) {
		if *field == 0 {
			*field = value
		}
	}
	set(&o.ChunkTarget, 100*time.Millisecond)
	set(&o.Stop, 20*time.Second)
	set(&o.MailRetry, 30*time.Second)
	set(&o.MailExpiry, 5*24*time.Hour)
	set(&o.Poll, 200*time.Millisecond)
	if o.Concurrency == 0 {
		o.Concurrency = 2
	}
	if o.WorkShare == 0 {
		o.WorkShare = 100
	}
	if o.ChunkMax == 0 {
		o.ChunkMax = 1000
	}
	if o.Wake == nil {
		o.Wake = func() {}
	}
	if o.Observe == nil {
		o.Observe = func(jobs.Chunk) {}
	}
	if o.Tracer == nil {
		o.Tracer = noTracer
	}
	if o.Count == nil {
		o.Count = func(jobs.Event, int) {}
	}
	if o.Retrying == nil {
		o.Retrying = func(jobs.TaskKind, string) {}
	}
	return o
}

// Server takes hints from asynq and processes their tasks.
type Server struct {
	o        Options
	asynq    *asynq.Server
	sizes    *sizeController
	stopping chan struct{}
	tell     sync.Once
	stop     sync.Once
	ended    atomic.Bool  // asynq shut down in Stop
	handlers sync.RWMutex // read-locked while a hint is processed
	doorbell *doorbell

	redisDownUntil atomic.Int64 // until when Redis counts as down, in Unix nanoseconds
}

// NewServer prepares a server; Start starts it.
func NewServer(o Options) *Server {
	o = o.withDefaults()
	weights := map[string]int{}
	for q, w := range jobs.Queues() {
		weights[string(q)] = w
	}
	s := &Server{o: o, sizes: newSizeController(o.ChunkTarget, o.ChunkMax), stopping: make(chan struct{})}
	s.doorbell = newDoorbell(o.Poll)
	o.Redis.AddHook(s.doorbell)
	s.asynq = asynq.NewServerFromRedisClient(o.Redis, asynq.Config{
		Concurrency:              o.Concurrency,
		Queues:                   weights,
		TaskCheckInterval:        readAgain,
		DelayedTaskCheckInterval: time.Second,
		ShutdownTimeout:          o.Stop,
		Logger:                   asynqLog{o.Log},
		LogLevel:                 asynq.WarnLevel,
	})
	return s
}

// Start begins to take hints. It succeeds even if Redis does not answer.
func (s *Server) Start() error {
	mux := asynq.NewServeMux()
	for _, kind := range []jobs.TaskKind{jobs.BatchTask, jobs.MergeTask, jobs.MailTask} {
		mux.HandleFunc(kind.HintType(), s.handle)
	}
	if err := s.asynq.Start(mux); err != nil {
		return fmt.Errorf("start asynq: %w", err)
	}
	go s.doorbell.listen(s.o.Redis)
	return nil
}

// How long Stop waits for Redis: for asynq to end its read of the queues, and to
// shut down after all chunks and mails have ended.
const (
	asynqStop     = time.Second
	asynqShutdown = 2 * time.Second
)

// StopTaking takes no further hints and tells the handlers to give their tasks
// back after the current chunk. It returns at once or, when Redis hangs, after a
// second. It may be called more than once, and before Start.
func (s *Server) StopTaking() {
	s.tell.Do(func() {
		// Take no further hints first, so that this server does not claim again the
		// task that it gives back.
		close(s.doorbell.closing)
		s.within(asynqStop, s.asynq.Stop)
		close(s.stopping)
	})
}

// Stop takes no further hints, waits for running chunks and mails, and gives
// unfinished tasks back. It returns after that, or after Options.Stop if that is
// earlier. It may be called more than once, and before Start.
func (s *Server) Stop() {
	s.StopTaking()
	s.stop.Do(func() {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.asynq.Shutdown()
		}()
		s.handlers.Lock() // waits until all of them have returned
		defer s.handlers.Unlock()
		s.ended.Store(s.within(asynqShutdown, func() { <-ended }))
		if !s.ended.Load() {
			s.o.Log.Warn().Msg("asynq did not shut down, because Redis does not answer; nothing is lost")
		}
	})
}

// Ended reports whether asynq has shut down after Stop. It has not while Redis
// hangs; the client of Redis must then stay open, because asynq panics if it is
// closed.
func (s *Server) Ended() bool { return s.ended.Load() }

// within runs f and reports whether it returned in time.
func (s *Server) within(d time.Duration, f func()) bool {
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		f()
	}()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-returned:
		return true
	case <-t.C:
		return false
	}
}

// handle processes a hint and always reports success to asynq. The database has
// the result, and the dispatcher sends the hint again if necessary. asynq would
// store the text of an error in Redis and show it on its dashboard.
func (s *Server) handle(ctx context.Context, hint *asynq.Task) error {
	defer s.recoverPanic(hint.Type())
	s.handlers.RLock()
	defer s.handlers.RUnlock()
	if s.isStopping() {
		return nil // the dispatcher sends the hint again
	}
	var h jobs.Hint
	if err := json.Unmarshal(hint.Payload(), &h); err != nil || h.TaskID == "" {
		s.o.Log.Warn().Str("type", hint.Type()).Msg("hint without a task id; ignored")
		return nil
	}
	err := s.work(ctx, h.TaskID)
	if err != nil && !errors.Is(err, context.Canceled) {
		s.o.Log.Error().Err(err).Str("task", h.TaskID).Str("kind", jobs.KindOf(err).String()).
			Msg("hint not processed; it will be sent again")
	}
	return nil
}

// work claims the hinted task and processes it according to its kind in the
// database. The hint's type decides nothing.
func (s *Server) work(ctx context.Context, taskID string) error {
	c, err := s.o.Claims.Claim(ctx, taskID)
	if err != nil || c == nil {
		return err
	}
	switch c.Kind {
	case jobs.BatchTask, jobs.MergeTask:
		return s.batches(ctx, c)
	case jobs.MailTask:
		return s.mail(ctx, c)
	}
	s.o.Log.Error().Str("task", c.TaskID).Str("kind", string(c.Kind)).
		Msg("this program does not know tasks of this kind: use the newer program")
	return s.giveBack(ctx, c, retryPause, false, "unknown kind")
}

// recoverPanic recovers from a panic, because asynq would write its text to Redis.
// The task's lease runs out then, which counts as a crash.
func (s *Server) recoverPanic(hintType string) {
	if r := recover(); r != nil {
		s.o.Log.Error().Str("type", hintType).Str("panic", fmt.Sprintf("%T", r)).Bytes("stack", debug.Stack()).Msg("handler panicked")
	}
}

func (s *Server) isStopping() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

// pause waits for d, or until the server stops.
func (s *Server) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-s.stopping:
	}
}

// giveBack releases a task even if ctx is cancelled: otherwise the task would
// wait until its lease runs out.
func (s *Server) giveBack(ctx context.Context, c *jobs.Claim, delay time.Duration, failure bool, reason string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	defer s.o.Wake()
	return s.o.Claims.Release(ctx, c, delay, failure, reason)
}

// asynqLog writes asynq's own messages to the log.
type asynqLog struct{ log zerolog.Logger }

func (l asynqLog) Debug(a ...any) { l.log.Debug().Str("from", "asynq").Msg(fmt.Sprint(a...)) }
func (l asynqLog) Info(a ...any)  { l.log.Info().Str("from", "asynq").Msg(fmt.Sprint(a...)) }
func (l asynqLog) Warn(a ...any)  { l.log.Warn().Str("from", "asynq").Msg(fmt.Sprint(a...)) }
func (l asynqLog) Error(a ...any) { l.log.Error().Str("from", "asynq").Msg(fmt.Sprint(a...)) }
func (l asynqLog) Fatal(a ...any) { l.log.Error().Str("from", "asynq").Msg(fmt.Sprint(a...)) }
