package worker

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/oubli/oubli/jobs"
)

const (
	// loadCheckPause is the time between two load checks while the load is too
	// high. A claim's lease is much longer.
	loadCheckPause = time.Second
	// longestPause is much shorter than a lease, which is not extended during a
	// pause.
	longestPause = 2 * time.Second
)

// waitForLoad waits while the database's load exceeds the limits, and stores the
// reason in the job. It reports whether this worker still has the batch.
func (b *batch) waitForLoad(ctx context.Context) (ours bool, err error) {
	for waiting := false; ; waiting = true {
		reason, err := b.o.Eraser.CheckLoad(ctx)
		if err != nil {
			return false, b.giveBackAfter(ctx, err)
		}
		if reason == "" || b.isStopping() || ctx.Err() != nil {
			return true, nil
		}
		if !waiting {
			b.log.Info().Str("why", reason).Msg("waiting until the database's load is lower")
		}
		if err := b.o.Claims.Hold(ctx, b.Claim, reason); err != nil {
			return false, b.giveBackAfter(ctx, err)
		}
		b.pause(ctx, loadCheckPause)
	}
}

// pauseAfter pauses after a chunk, so that the slot works only WorkShare percent
// of the time. When other sessions waited for the chunk's locks, it pauses at
// least as long as they can have waited, and makes the next chunk smaller.
func (b *batch) pauseAfter(ctx context.Context, chunk jobs.Chunk) {
	var pause time.Duration
	if share := b.o.WorkShare; share < 100 {
		pause = chunk.Elapsed * time.Duration(100-share) / time.Duration(share)
	}
	if chunk.Waiting > 0 {
		b.log.Debug().Int("waiting", chunk.Waiting).Msg("other sessions waited for the chunk's locks")
		b.sizes.reduce()
		pause = max(pause, min(chunk.Elapsed, b.o.ChunkTarget))
	}
	if pause > 0 {
		b.pause(ctx, min(pause, longestPause))
	}
}

// yieldToWaiting gives the batch back if other tasks wait for a worker, so that
// they do not wait until the whole batch has ended. It also makes better use of
// the page cache: tables store the rows of all tenants in the order in which they
// were written, and batches that advance together read the same pages.
//
// It does nothing while the batch searches for a client that the database refuses
// or on which workers crash: the next worker would start the search again.
func (b *batch) yieldToWaiting(ctx context.Context) (err error) {
	if b.Left() == 0 || b.oneByOne || b.refusedEnd > b.Position || b.redisDown() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if b.yielded, err = b.o.Claims.Yield(ctx, b.Claim); err != nil {
		b.yielded = true
		return b.giveBackAfter(ctx, err)
	}
	return nil
}

const (
	// redisTimeout is how long redisDown waits for an answer.
	redisTimeout = 200 * time.Millisecond
	// redisDownFor is how long Redis counts as down after that, so that workers
	// do not wait for it at each check.
	redisDownFor = time.Second
)

// redisDown reports whether hints of batches and merges cannot be fetched. It
// asks for both queues, because in a cluster they can be on different nodes.
func (s *Server) redisDown() bool {
	if time.Now().UnixNano() < s.redisDownUntil.Load() {
		return true
	}
	// In a goroutine, because the client can wait for longer than its context
	// allows.
	answer := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), redisTimeout)
		defer cancel()
		_, err := s.o.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, q := range []jobs.Queue{jobs.Interactive, jobs.Bulk} {
				pipe.Exists(ctx, "asynq:{"+string(q)+"}:pending")
			}
			return nil
		})
		answer <- err
	}()
	timeout := time.NewTimer(redisTimeout)
	defer timeout.Stop()
	select {
	case err := <-answer:
		if err == nil {
			return false
		}
	case <-timeout.C:
	}
	s.redisDownUntil.Store(time.Now().Add(redisDownFor).UnixNano())
	return true
}
