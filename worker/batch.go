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
	contentionTries = 8                // chunks in a row that may lose a race for locks before the batch is given back
	clientTries     = 3                // times that a single client's refusal is tried again: a race, not a fault, may be behind it
	crashesToOne    = 3                // silent deaths without progress after which clients go one by one
	crashesToFail   = 6                // and after which the next client is held to be the cause
	chunkTimeout    = 5 * time.Minute  // of one transaction; far beyond any target
	turnChunks      = 3                // after which a batch lets those of others have a turn
	retryPause      = 2 * time.Second  // before a batch is tried again after infrastructure trouble
	operatorPause   = 30 * time.Second // that a job stays blocked, and its reason visible, when only an operator can tell whether it may go on
)

// codeCrash is the code of a client at whom workers die again and again.
const codeCrash = "worker_crashed"

// batches works on a batch or a merge, and goes on with batches of the same
// tenant as long as nobody else waits for a worker. While Redis is away it goes
// on with what there is.
func (s *Server) batches(ctx context.Context, c *jobs.Claim) (err error) {
	for c != nil && err == nil {
		run := &batch{Server: s, Claim: c, careful: c.Crashes >= crashesToOne,
			log: s.o.Log.With().Str(idField(c.Kind == jobs.MergeTask), c.JobID).Int("batch", c.Number).Int("attempt", c.Attempt).Logger()}
		work, span := s.taskSpan(ctx, c)
		err = run.erase(work)
		span.SetAttributes(attribute.Int("oubli.clients", c.Position))
		end(span, err)
		if err != nil || run.yielded {
			return err // the next look, of whichever process, is soon enough
		}
		if s.isStopping() || ctx.Err() != nil {
			s.o.Wake()
			return nil
		}
		// Before the wake: a hint for the batch that we can take ourselves
		// would keep the lane idle until somebody looks into the queue.
		c, err = s.next(ctx, c.TenantID)
		s.o.Wake()
	}
	return err
}

// next takes another batch for a worker that has done one. Without Redis it
// looks again and again: no hint would bring it what it finds locked, resting or
// not yet there.
func (s *Server) next(ctx context.Context, tenant string) (*jobs.Claim, error) {
	for {
		alone := s.cutOff()
		c, err := s.o.Claims.ClaimNext(ctx, tenant, alone)
		if c != nil || err != nil || !alone || s.isStopping() || ctx.Err() != nil {
			return c, err
		}
		s.pause(ctx, awayFor)
	}
}

// idField is the log's key for a job's id.
func idField(merge bool) string {
	if merge {
		return "merge_id"
	}
	return "erasure_id"
}

// batch is one claim being worked on: clients of an erasure, or the sources of a
// merge, which are taken one by one.
type batch struct {
	*Server
	*jobs.Claim
	log        zerolog.Logger
	contention int  // chunks in a row that lost a race
	stubborn   int  // refusals in a row of one single client
	suspects   int  // position before which a client stands that the database refuses; 0: none known
	chunks     int  // done since the claim
	yielded    bool // given back, because others wait
	careful    bool // workers died over this batch: one client at a time, so that the next death names the culprit
}

// erase runs chunk after chunk until the batch is done or given back.
func (b *batch) erase(ctx context.Context) error {
	for b.Left() > 0 {
		if b.isStopping() || ctx.Err() != nil {
			return b.giveBack(ctx, b.Claim, 0, false, "worker stopped")
		}
		if b.Crashes >= crashesToFail {
			crashes := b.Crashes
			if err := b.fail(ctx, codeCrash); err != nil {
				return b.trouble(ctx, err)
			}
			b.log.Error().Int("crashes", crashes).Str("code", codeCrash).Msg("client failed: workers die over it")
			continue
		}
		if goOn, err := b.calm(ctx); err != nil || !goOn {
			return err
		}
		if b.isStopping() || ctx.Err() != nil {
			continue // it was waiting
		}
		done := b.chunks
		goOn, err := b.chunk(ctx)
		if err != nil || !goOn {
			return err
		}
		if b.chunks > done && b.chunks%turnChunks == 0 {
			if err := b.takeTurns(ctx); err != nil || b.yielded {
				return err
			}
		}
	}
	if err := b.o.Eraser.Finish(ctx, b.Claim); err != nil {
		return b.trouble(ctx, err)
	}
	b.log.Info().Int("erased", b.Counts.Erased).Int("erased_retained", b.Counts.ErasedRetained).
		Int("skipped", b.Counts.Skipped).Int("failed", b.Counts.Failed).Int("not_found", b.Counts.NotFound).Msg("batch done")
	return nil
}

// chunk erases the next clients. It reports whether the batch is still ours to
// go on with.
func (b *batch) chunk(ctx context.Context) (bool, error) {
	n := b.size()
	// A chunk that has begun is not cut off by a stop: it ends or rolls back
	// by itself, and soon.
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), chunkTimeout)
	defer cancel()
	work, span := b.o.Tracer.Start(work, "chunk")
	chunk, err := b.o.Eraser.EraseChunk(work, b.Claim, n)
	span.SetAttributes(attribute.Int("oubli.clients", chunk.Clients), attribute.Int("oubli.deferred", chunk.Deferred))
	end(span, err)
	if err != nil {
		return b.refused(ctx, n, err)
	}
	b.stubborn = 0
	b.o.Observe(chunk)
	b.log.Debug().Int("clients", chunk.Clients).Int("deferred", chunk.Deferred).Dur("took", chunk.Elapsed).Msg("chunk done")
	if chunk.Clients == 0 {
		return b.lostRace(ctx, "clients are locked by others")
	}
	b.contention = 0
	b.chunks++
	if b.Kind == jobs.BatchTask {
		b.sizes.learn(n, chunk.Elapsed)
	}
	b.rest(ctx, chunk)
	return true, nil
}

// size is how many clients the next chunk takes: as steered, but one by one
// after workers died, and half of what is left of a chunk that was refused, so
// that the culprit soon stands alone.
func (b *batch) size() int {
	n := min(b.sizes.next(), b.Left())
	if b.careful || b.Kind == jobs.MergeTask {
		return 1
	}
	if left := b.suspects - b.Position; left > 0 {
		n = min(n, max(1, left/2))
	}
	return n
}

// shrink makes chunks smaller, which a merge's cannot be.
func (b *batch) shrink() {
	if b.Kind == jobs.BatchTask {
		b.sizes.halve()
	}
}

// refused decides what an error of a chunk of n clients means.
func (b *batch) refused(ctx context.Context, n int, err error) (bool, error) {
	e, _ := errors.AsType[*jobs.Error](err)
	switch {
	case errors.Is(err, jobs.ErrFenced):
		return false, b.trouble(ctx, err)
	case e != nil && e.Code == jobs.CodeSchema:
		return false, b.block(ctx, e, 0)
	case e != nil && e.Code == jobs.CodeOperator:
		return false, b.block(ctx, e, operatorPause)
	case e != nil && e.Code == jobs.CodeContention:
		b.shrink()
		if n == 1 {
			// Nobody else shall wait for what a stranger holds of this one.
			if err := b.o.Eraser.DeferClient(context.WithoutCancel(ctx), b.Claim); err != nil {
				return false, b.trouble(ctx, err)
			}
		}
		return b.lostRace(ctx, e.Error())
	case e != nil && e.Code == jobs.CodeTimeout:
		b.shrink() // and no waiting: the same chunk would take too long again
	case jobs.KindOf(err) == jobs.Unavailable:
		b.shrink()
		return false, b.trouble(ctx, err)
	}
	if n > 1 {
		b.suspects = b.Position + n
		b.log.Warn().Err(err).Int("clients", n).Msg("chunk refused; halving it")
		return b.again(ctx, 0)
	}
	if b.stubborn++; b.stubborn < clientTries {
		return b.again(ctx, 50*time.Millisecond)
	}
	code := "internal"
	if e != nil && e.Code != "" {
		code = e.Code
	}
	b.log.Warn().Err(err).Msg("client failed for good")
	b.stubborn = 0
	if err := b.fail(ctx, code); err != nil {
		return false, b.trouble(ctx, err)
	}
	return true, nil
}

// block stops the whole job where it stands and says why.
func (b *batch) block(ctx context.Context, e *jobs.Error, atLeast time.Duration) error {
	b.o.Count(jobs.JobBlocked, 1)
	b.log.Error().Err(e).Str("code", e.Code).Msg("job blocked")
	if err := b.o.Eraser.Block(context.WithoutCancel(ctx), b.JobID, e.Error(), atLeast); err != nil {
		return b.trouble(ctx, err)
	}
	return b.giveBack(ctx, b.Claim, 0, false, e.Code)
}

func (b *batch) fail(ctx context.Context, code string) error {
	err := b.o.Eraser.FailClient(context.WithoutCancel(ctx), b.Claim, code)
	if err == nil {
		b.o.Count(jobs.ClientFailed, 1)
	}
	return err
}

// lostRace waits a moment after trouble over locks, and gives the batch back
// when the moments add up.
func (b *batch) lostRace(ctx context.Context, why string) (bool, error) {
	if b.contention++; b.contention < contentionTries {
		return b.again(ctx, jitter(time.Duration(b.contention)*50*time.Millisecond))
	}
	b.log.Info().Str("why", why).Msg("others hold the clients; batch given back for a moment")
	b.o.Retrying(b.Kind, jobs.CodeContention)
	return false, b.giveBack(ctx, b.Claim, jitter(retryPause), false, jobs.CodeContention)
}

// again makes ready for another try after a pause. A try that commits nothing
// does not prolong the lease, and a few of them can outlast it: without this
// the clients would be blamed for a worker's death that never was.
func (b *batch) again(ctx context.Context, pause time.Duration) (bool, error) {
	b.pause(ctx, pause)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := b.o.Claims.Extend(ctx, b.Claim, 0); err != nil {
		return false, b.trouble(ctx, err)
	}
	return true, nil
}

// trouble gives the batch back after trouble that is not its own.
func (b *batch) trouble(ctx context.Context, err error) error {
	if errors.Is(err, jobs.ErrFenced) {
		// Not ours any more, or the job is to stop here: a release that the
		// fence refuses does nothing.
		b.o.Count(jobs.FenceLost, 1)
		b.log.Info().Msg("batch stopped between chunks")
		return b.giveBack(ctx, b.Claim, 0, false, "stopped between chunks")
	}
	b.o.Retrying(b.Kind, jobs.KindOf(err).String())
	b.log.Warn().Err(err).Msg("batch given back; it goes on where it stands")
	return b.giveBack(ctx, b.Claim, jitter(retryPause), false, jobs.KindOf(err).String())
}

// jitter spreads d over half to one and a half of it.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d+1)
}
