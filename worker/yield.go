package worker

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/oubli/oubli/jobs"
)

const (
	// loadCheckPause is how long a worker waits before it looks again whether the
	// database is still to be left alone. A claim's lease is much longer.
	loadCheckPause = time.Second
	// longestRest is well below a lease, which nothing prolongs meanwhile.
	longestRest = 2 * time.Second
)

// calm waits while the database has better things to do, and tells the job's
// readers why. It reports whether the task is still ours to go on with.
func (b *batch) calm(ctx context.Context) (bool, error) {
	for held := false; ; held = true {
		reason, err := b.o.Eraser.CheckLoad(ctx)
		if err != nil {
			return false, b.trouble(ctx, err)
		}
		if reason == "" || b.isStopping() || ctx.Err() != nil {
			return true, nil
		}
		if !held {
			b.log.Info().Str("why", reason).Msg("waiting between chunks")
		}
		if err := b.o.Claims.Hold(ctx, b.Claim, reason); err != nil {
			return false, b.trouble(ctx, err)
		}
		b.pause(ctx, loadCheckPause)
	}
}

// rest lets others have their turn after a chunk: as long as the share of its
// time wants that a slot may work, and when sessions had to wait for the
// chunk's locks, as long as they can have waited. The next chunk is smaller
// then.
func (b *batch) rest(ctx context.Context, chunk jobs.Chunk) {
	var pause time.Duration
	if share := b.o.WorkShare; share < 100 {
		pause = chunk.Elapsed * time.Duration(100-share) / time.Duration(share)
	}
	if chunk.Waiting > 0 {
		b.log.Debug().Int("waiting", chunk.Waiting).Msg("others waited for the chunk")
		b.sizes.reduce()
		pause = max(pause, min(chunk.Elapsed, b.o.ChunkTarget))
	}
	if pause > 0 {
		b.pause(ctx, min(pause, longestRest))
	}
}

// takeTurns gives the batch back if others wait for a worker: nobody waits for
// the end of somebody's batch. Batches that move forward side by side through
// their clients' keys also find the same pages in memory, since rows of all
// tenants lie together in the order of their days.
//
// It comes after chunks that were done, and not while a client is looked for whom
// the database refuses, or at whom workers die: whoever claims the batch next
// would begin the search anew.
func (b *batch) takeTurns(ctx context.Context) (err error) {
	if b.Left() == 0 || b.careful || b.suspects > b.Position || b.cutOff() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if b.yielded, err = b.o.Claims.Yield(ctx, b.Claim); err != nil {
		b.yielded = true
		return b.trouble(ctx, err)
	}
	return nil
}

const (
	// silence is for how long Redis may keep a worker waiting that only wants to
	// know whether it is there.
	silence = 200 * time.Millisecond
	// awayFor is how long it counts as away then, so that a worker does not wait
	// again and again.
	awayFor = time.Second
)

// cutOff reports whether the hints of batches and merges cannot be fetched. Of a
// cluster, each queue has its own node.
func (s *Server) cutOff() bool {
	if time.Now().UnixNano() < s.awayUntil.Load() {
		return true
	}
	// The client may wait longer for an answer than a context says.
	answer := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), silence)
		defer cancel()
		_, err := s.o.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, q := range []jobs.Queue{jobs.Interactive, jobs.Bulk} {
				pipe.Exists(ctx, "asynq:{"+string(q)+"}:pending")
			}
			return nil
		})
		answer <- err
	}()
	timeout := time.NewTimer(silence)
	defer timeout.Stop()
	select {
	case err := <-answer:
		if err == nil {
			return false
		}
	case <-timeout.C:
	}
	s.awayUntil.Store(time.Now().Add(awayFor).UnixNano())
	return true
}
