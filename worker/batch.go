package worker

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"

	"github.com/oubli/oubli/jobs"
)

// Limits within one claim of a batch.
const (
	contentionTries  = 8                // chunks in a row that may fail because of locks before the batch is given back
	clientTries      = 3                // attempts with a single client before it is failed: a race can cause the first errors
	deferRounds      = 5                // how often each client that is left is put behind the others before one is failed
	errorPatience    = 5 * time.Second  // at least, before that: an outage can be over
	lockPatience     = 10 * time.Minute // at least, before that, if other sessions' locks are the reason
	crashesToOne     = 3                // worker crashes without progress after which each chunk has one client
	crashesToFail    = 6                // worker crashes without progress after which the next client is failed
	chunkTimeout     = 5 * time.Minute  // for one transaction; far longer than any chunk should take
	yieldAfterChunks = 3                // how often, in chunks, a batch checks whether other tasks wait for a worker
	retryPause       = 2 * time.Second  // before a batch is tried again after an infrastructure error
	operatorPause    = 30 * time.Second // at least, that a job stays blocked when only an operator can help: the reason must be readable
)

// codeCrash is the code of a client or mail that is failed because workers crash
// whenever they process it.
const codeCrash = "worker_crashed"

// codeLocked, the SQLSTATE lock_not_available, is the code of a client that is
// failed because other sessions lock its rows all the time.
const codeLocked = "55P03"

// batches processes a batch or a merge, then further batches of the same tenant
// as long as no other task waits for a worker. While Redis does not answer, it
// continues with any batch or merge that the database has.
func (s *Server) batches(ctx context.Context, c *jobs.Claim) (err error) {
	for c != nil && err == nil {
		b := &batch{Server: s, Claim: c, oneByOne: c.Crashes >= crashesToOne,
			log: s.o.Log.With().Str(idField(c.Kind == jobs.MergeTask), c.JobID).Int("batch", c.Number).Int("attempt", c.Attempt).Logger()}
		work, span := s.taskSpan(ctx, c)
		err = b.run(work)
		span.SetAttributes(attribute.Int("oubli.clients", c.Position))
		endSpan(span, err)
		if err != nil || b.yielded {
			return err // no wake: the next regular dispatch of any process is soon enough
		}
		if s.isStopping() || ctx.Err() != nil {
			s.o.Wake()
			return nil
		}
		// Claim before the wake. Otherwise the dispatcher would send a hint for
		// the batch that this worker can take at once, and the lane would be idle
		// until a worker reads the queue.
		c, err = s.next(ctx, c.TenantID)
		s.o.Wake()
	}
	return err
}

// next claims another batch for a worker that has finished one. Without Redis it
// polls the database: no hint would tell it later of a task that is now locked,
// delayed or not yet stored.
func (s *Server) next(ctx context.Context, tenant string) (*jobs.Claim, error) {
	for {
		redisDown := s.redisDown()
		c, err := s.o.Claims.ClaimNext(ctx, tenant, redisDown)
		if c != nil || err != nil || !redisDown || s.isStopping() || ctx.Err() != nil {
			return c, err
		}
		s.pause(ctx, redisDownFor)
	}
}

// idField is the log's key for a job's id.
func idField(merge bool) string {
	if merge {
		return "merge_id"
	}
	return "erasure_id"
}

// batch is the processing of one claim: clients of an erasure, or the sources of
// a merge, which are processed one by one.
type batch struct {
	*Server
	*jobs.Claim
	log        zerolog.Logger
	contention int // chunks in a row that failed because of locks
	refusals   int // refusals in a row of the client refusedKey, alone in its chunk
	refusedKey string
	refusedEnd int  // position of the end of the last refused chunk: a client before it is the cause; 0: none
	chunks     int  // done since the claim
	yielded    bool // given back, because other tasks wait
	oneByOne   bool // workers crashed on this batch: take one client at a time, so that the next crash shows which one is the cause
}

// run erases chunk after chunk until the batch is done or given back.
func (b *batch) run(ctx context.Context) error {
	for b.Left() > 0 {
		if b.isStopping() || ctx.Err() != nil {
			return b.giveBack(ctx, b.Claim, 0, false, "worker stopped")
		}
		if b.Crashes >= crashesToFail {
			crashes := b.Crashes
			if err := b.fail(ctx, &jobs.Error{Code: codeCrash}); err != nil {
				return b.giveBackAfter(ctx, err)
			}
			b.log.Error().Int("crashes", crashes).Str("code", codeCrash).Msg("client failed: workers crash on it")
			continue
		}
		if ours, err := b.waitForLoad(ctx); err != nil || !ours {
			return err
		}
		if b.isStopping() || ctx.Err() != nil {
			continue // stopped while it waited for the load to fall
		}
		done := b.chunks
		ours, err := b.eraseChunk(ctx)
		if err != nil || !ours {
			return err
		}
		if b.chunks > done && b.chunks%yieldAfterChunks == 0 {
			if err := b.yieldToWaiting(ctx); err != nil || b.yielded {
				return err
			}
		}
	}
	if err := b.o.Eraser.Finish(ctx, b.Claim); err != nil {
		return b.giveBackAfter(ctx, err)
	}
	b.log.Info().Int("erased", b.Counts.Erased).Int("erased_retained", b.Counts.ErasedRetained).
		Int("skipped", b.Counts.Skipped).Int("failed", b.Counts.Failed).Int("not_found", b.Counts.NotFound).Msg("batch done")
	return nil
}

// eraseChunk erases the next clients. It reports whether this worker still holds
// the batch.
func (b *batch) eraseChunk(ctx context.Context) (ours bool, err error) {
	n := b.size()
	// A stop does not interrupt a chunk that has begun: it commits or rolls back
	// soon without that.
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), chunkTimeout)
	defer cancel()
	work, span := b.o.Tracer.Start(work, "chunk")
	chunk, err := b.o.Eraser.EraseChunk(work, b.Claim, n)
	span.SetAttributes(attribute.Int("oubli.clients", chunk.Clients), attribute.Int("oubli.deferred", chunk.Deferred))
	endSpan(span, err)
	if err != nil {
		return b.chunkFailed(ctx, n, err)
	}
	b.o.Observe(chunk)
	for table, rows := range chunk.Late {
		b.log.Info().Str("table", table).Int64("rows", rows).Msg(lateRowsErased)
	}
	b.log.Debug().Int("clients", chunk.Clients).Int("deferred", chunk.Deferred).Dur("took", chunk.Elapsed).Msg("chunk done")
	if chunk.Clients == 0 {
		if b.patienceOver(lockPatience) {
			b.log.Warn().Str("code", codeLocked).Msg("client failed: other sessions have held its rows for too long")
			if err := b.fail(ctx, &jobs.Error{Code: codeLocked}); err != nil {
				return false, b.giveBackAfter(ctx, err)
			}
			return true, nil
		}
		return b.retryLocked(ctx, "other sessions hold locks on all clients of the chunk")
	}
	b.contention = 0
	b.chunks++
	if b.Kind == jobs.BatchTask {
		b.sizes.learn(n, chunk.Elapsed)
	}
	b.pauseAfter(ctx, chunk)
	return true, nil
}

// size is the number of clients in the next chunk: what the chunk-size controller
// says, but one after workers crashed, and after a refused chunk half of what is
// left of it, so that soon the client that caused the refusal is in a chunk of
// its own.
func (b *batch) size() int {
	n := min(b.sizes.next(), b.Left())
	if b.oneByOne || b.Kind == jobs.MergeTask {
		return 1
	}
	if left := b.refusedEnd - b.Position; left > 0 {
		n = min(n, max(1, left/2))
	}
	return n
}

// shrink halves the chunk size. A merge's chunk is always one source.
func (b *batch) shrink() {
	if b.Kind == jobs.BatchTask {
		b.sizes.halve()
	}
}

// chunkFailed decides what to do after a chunk of n clients failed. An error that
// PostgreSQL answered is the chunk's, whatever its SQLSTATE, as long as the
// database takes a small write of ours: the lease's. Otherwise it is an outage,
// which is nobody's fault.
func (b *batch) chunkFailed(ctx context.Context, n int, err error) (ours bool, _ error) {
	e, _ := errors.AsType[*jobs.Error](err)
	switch {
	case errors.Is(err, jobs.ErrFenced):
		return false, b.giveBackAfter(ctx, err)
	case e != nil && e.Code == jobs.CodeSchema:
		return false, b.block(ctx, e, 0)
	case e != nil && e.Code == jobs.CodeOperator:
		return false, b.block(ctx, e, operatorPause)
	case e != nil && e.Code == jobs.CodeContention:
		b.shrink()
		if n == 1 {
			return b.deferClient(ctx, e, lockPatience)
		}
		return b.retryLocked(ctx, e.Error())
	case jobs.KindOf(err) == jobs.Unavailable && e.State == "":
		b.shrink()
		return false, b.giveBackAfter(ctx, err)
	case jobs.KindOf(err) == jobs.Unavailable:
		b.shrink() // less may work
		if n == 1 {
			return b.deferClient(ctx, e, errorPatience)
		}
	}
	if n > 1 {
		b.refusedEnd = b.Position + n
		b.log.Warn().Err(err).Int("clients", n).Msg("chunk refused; halving it")
		return b.retryAfter(ctx, 0)
	}
	if key := b.Keys[b.Position]; key != b.refusedKey {
		b.refusals, b.refusedKey = 0, key
	}
	if b.refusals++; b.refusals < clientTries {
		return b.retryAfter(ctx, 50*time.Millisecond)
	}
	b.log.Warn().Err(err).Msg("client failed for good")
	if err := b.fail(ctx, e); err != nil {
		return false, b.giveBackAfter(ctx, err)
	}
	return true, nil
}

// codeOf is the code of a client that is failed because of an error. Codes that
// say what to do next give way to the SQLSTATE.
func codeOf(e *jobs.Error) string {
	switch {
	case e == nil || e.Code == "":
		return "internal"
	case e.Kind == jobs.Unavailable && e.State != "":
		return e.State
	}
	return e.Code
}

// deferClient moves the client that alone met an error to the end, so that the
// others can go on. When each client that is left has been there several times
// and none could be erased in between, and some time has passed, the client is
// failed: a job must end.
func (b *batch) deferClient(ctx context.Context, e *jobs.Error, patience time.Duration) (ours bool, err error) {
	// If not even this write succeeds, there is an outage.
	if ours, err := b.retryAfter(ctx, 0); err != nil || !ours {
		return false, err
	}
	if b.patienceOver(patience) {
		b.log.Warn().Err(e).Str("code", codeOf(e)).Msg("client failed for good")
		if err := b.fail(ctx, e); err != nil {
			return false, b.giveBackAfter(ctx, err)
		}
		return true, nil
	}
	if err := b.o.Eraser.DeferClient(context.WithoutCancel(ctx), b.Claim); err != nil {
		return false, b.giveBackAfter(ctx, err)
	}
	if b.refusedEnd > b.Position {
		b.refusedEnd--
	}
	switch {
	case e.Code == jobs.CodeContention:
		return b.retryLocked(ctx, e.Error())
	case b.Deferrals%b.Left() > 0:
		return true, nil
	}
	b.log.Warn().Err(e).Int("clients", b.Left()).Msg("each client that is left meets an error; batch given back, to be tried again soon")
	b.o.Retrying(b.Kind, codeOf(e))
	return false, b.giveBack(ctx, b.Claim, jitter(retryPause), false, codeOf(e))
}

// patienceOver reports whether each client that is left has been put behind the
// others deferRounds times, over at least this time, and none could be erased in
// between.
func (b *batch) patienceOver(atLeast time.Duration) bool {
	return b.Deferrals >= deferRounds*b.Left() && time.Since(b.DeferredSince) >= atLeast
}

// block blocks the whole job with the error as its reason.
func (b *batch) block(ctx context.Context, e *jobs.Error, atLeast time.Duration) error {
	b.o.Count(jobs.JobBlocked, 1)
	b.log.Error().Err(e).Str("code", e.Code).Msg("job blocked")
	if err := b.o.Eraser.Block(context.WithoutCancel(ctx), b.JobID, e.Error(), atLeast); err != nil {
		return b.giveBackAfter(ctx, err)
	}
	return b.giveBack(ctx, b.Claim, 0, false, e.Code)
}

// fail records the next client as failed because of e.
func (b *batch) fail(ctx context.Context, e *jobs.Error) error {
	var detail string
	if e != nil {
		detail = e.Detail
	}
	err := b.o.Eraser.FailClient(context.WithoutCancel(ctx), b.Claim, codeOf(e), detail)
	if err == nil {
		b.o.Count(jobs.ClientFailed, 1)
	}
	return err
}

// retryLocked pauses after a chunk that other sessions' locks stopped, longer
// each time, and gives the batch back after contentionTries in a row.
func (b *batch) retryLocked(ctx context.Context, why string) (ours bool, err error) {
	if b.contention++; b.contention < contentionTries {
		return b.retryAfter(ctx, jitter(time.Duration(b.contention)*50*time.Millisecond))
	}
	b.log.Info().Str("why", why).Msg("clients are locked by other sessions; batch given back, to be tried again soon")
	b.o.Retrying(b.Kind, jobs.CodeContention)
	return false, b.giveBack(ctx, b.Claim, jitter(retryPause), false, jobs.CodeContention)
}

// retryAfter pauses and extends the lease for another attempt. An attempt that
// commits nothing does not extend it, and a few of them can take longer than the
// lease: it would then count as a worker's crash, and clients fail after those.
func (b *batch) retryAfter(ctx context.Context, pause time.Duration) (ours bool, err error) {
	b.pause(ctx, pause)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := b.o.Claims.Extend(ctx, b.Claim, 0); err != nil {
		return false, b.giveBackAfter(ctx, err)
	}
	return true, nil
}

// giveBackAfter gives the batch back after an error that its clients did not
// cause.
func (b *batch) giveBackAfter(ctx context.Context, err error) error {
	if errors.Is(err, jobs.ErrFenced) {
		// Another worker has the task, or the job does not run any more. In the
		// first case the release changes nothing.
		b.o.Count(jobs.FenceLost, 1)
		b.log.Info().Msg("batch stopped between chunks")
		return b.giveBack(ctx, b.Claim, 0, false, "stopped between chunks")
	}
	b.o.Retrying(b.Kind, jobs.KindOf(err).String())
	b.log.Warn().Err(err).Msg("batch given back; it continues after its last committed chunk")
	return b.giveBack(ctx, b.Claim, jitter(retryPause), false, jobs.KindOf(err).String())
}

// jitter returns a random duration between half of d and one and a half of d.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d+1)
}
