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
	contentionTries  = 8                // after so many chunks in a row failed because of locks, the batch is given back
	clientTries      = 3                // attempts with a single client before it is failed: a race can cause the first errors
	deferRounds      = 5                // each client that is left is moved to the end so many times before one gets the outcome failed
	errorPatience    = 5 * time.Second  // shortest time for these moves: an outage can end meanwhile
	lockPatience     = 10 * time.Minute // shortest time for these moves, if locks of other sessions are the reason
	crashesToOne     = 3                // after so many worker crashes without progress, each chunk has one client
	crashesToFail    = 6                // after so many worker crashes without progress, the next client gets the outcome failed
	chunkTimeout     = 5 * time.Minute  // for one transaction; far longer than any chunk should take
	yieldAfterChunks = 3                // after so many chunks, a batch checks whether other tasks wait for a worker
	retryPause       = 2 * time.Second  // pause before a batch is tried again after an infrastructure error
	operatorPause    = 30 * time.Second // shortest time that a job stays blocked until an operator acts, so that the reason can be read
)

// codeCrash is the code of a client or mail that failed because workers crash
// while they process it.
const codeCrash = "worker_crashed"

// codeLocked, the SQLSTATE lock_not_available, is the code of a client that
// failed because other sessions locked its rows all the time.
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
			return err // no Wake: the next regular dispatch of any process is soon enough
		}
		if s.isStopping() || ctx.Err() != nil {
			s.o.Wake()
			return nil
		}
		// Claim before Wake. Otherwise the dispatcher would send a hint for the
		// batch that this worker can claim at once, and the lane would be idle
		// until a worker reads the queue.
		c, err = s.next(ctx, c.TenantID)
		s.o.Wake()
	}
	return err
}

// next claims another batch for a worker that has finished one. Without Redis it
// polls the database: a task that is locked, delayed or not yet stored now would
// otherwise not be found later, because no hint can arrive.
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

// idField is the name of the log field that has a job's id.
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
	refusals   int // how often in a row the client refusedKey was refused, alone in its chunk
	refusedKey string
	refusedEnd int  // position of the end of the last refused chunk: a client before it is the cause; 0: none
	chunks     int  // chunks that succeeded since the claim
	yielded    bool // given back, because other tasks wait
	oneByOne   bool // workers crashed on this batch: process one client at a time, so that the next crash shows which one is the cause
}

// run erases chunk after chunk until the batch is done or given back.
func (b *batch) run(ctx context.Context) error {
	if ours, err := b.tellLedger(ctx); err != nil || !ours {
		return err
	}
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
			continue // stopped while it waited for a lower load
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
	// A stop does not interrupt a chunk that has begun, because it ends soon.
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

// size returns the number of clients in the next chunk. The chunk-size controller
// decides it, with two exceptions: after worker crashes it is one, and after a
// refused chunk it is half of the clients that are left of it, until the client
// that caused the refusal is alone in its chunk.
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

// chunkFailed decides what to do after a chunk of n clients failed. If PostgreSQL
// answered with an error, of any SQLSTATE, and the lease can still be extended,
// the clients of the chunk caused the error. If the lease cannot be extended, the
// database is out of order, and no client is failed because of it.
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
		b.shrink() // fewer clients may succeed
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

// codeOf returns the code for a client that failed because of an error. For an
// error of kind Unavailable this is the SQLSTATE, because its code only says how
// to retry.
func codeOf(e *jobs.Error) string {
	switch {
	case e == nil || e.Code == "":
		return "internal"
	case e.Kind == jobs.Unavailable && e.State != "":
		return e.State
	}
	return e.Code
}

// deferClient moves a client that met an error, alone in its chunk, to the end of
// the batch, so that the others can be erased. After each client that is left was
// moved several times, over at least this time, and none could be erased in
// between, the client gets the outcome failed, so that the job can end.
func (b *batch) deferClient(ctx context.Context, e *jobs.Error, patience time.Duration) (ours bool, err error) {
	// This extends the lease. If that fails, the database is out of order.
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

// patienceOver reports whether each client that is left was moved to the end
// deferRounds times, over at least this time, and none could be erased in
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

// retryLocked pauses after a chunk failed because of other sessions' locks, longer
// each time, and gives the batch back after contentionTries failures in a row.
func (b *batch) retryLocked(ctx context.Context, why string) (ours bool, err error) {
	if b.contention++; b.contention < contentionTries {
		return b.retryAfter(ctx, jitter(time.Duration(b.contention)*50*time.Millisecond))
	}
	b.log.Info().Str("why", why).Msg("clients are locked by other sessions; batch given back, to be tried again soon")
	b.o.Retrying(b.Kind, jobs.CodeContention)
	return false, b.giveBack(ctx, b.Claim, jitter(retryPause), false, jobs.CodeContention)
}

// retryAfter pauses and extends the lease for another attempt. Only a commit
// extends the lease otherwise. Without this, the lease could run out after a few
// failed attempts, which would count as a crash of the worker.
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
