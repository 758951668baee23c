package worker

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/oubli/oubli/jobs"
)

const (
	// strainPause is how long a worker waits before it looks again whether the
	// database is still to be left alone. A claim's lease is much longer.
	strainPause = time.Second
	// longestRest is well below a lease, which nothing prolongs meanwhile.
	longestRest = 2 * time.Second
)

// calm waits while the database has better things to do, and tells the job's
// readers why. It reports whether the task is still ours to go on with.
func (b *batch) calm(ctx context.Context) (bool, error) {
	for held := false; ; held = true {
		reason, err := b.o.Eraser.Strain(ctx)
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
		b.pause(ctx, strainPause)
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
		b.steer.yield()
		pause = max(pause, min(chunk.Elapsed, b.o.ChunkTarget))
	}
	if pause > 0 {
		b.pause(ctx, min(pause, longestRest))
	}
}

// takeTurns gives the batch back after a few chunks, if another tenant's waits
// for a worker: nobody waits for the end of somebody's batch. Batches that move
// forward side by side through their clients' keys also find the same pages in
// memory, since rows of all tenants lie together in the order of their days.
// Nobody needs to be told: as long as hints wait, the next look is soon enough.
//
// A search for a client whom the database refuses, or at whom workers die, goes
// on: whoever claims the batch next would begin it anew.
func (b *batch) takeTurns(ctx context.Context) (err error) {
	if b.chunks%turnChunks != 0 || b.Left() == 0 || b.careful || b.suspects > b.Position || b.cutOff(ctx) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if b.yielded, err = b.o.Claims.Yield(ctx, b.Claim); err != nil {
		return b.trouble(ctx, err)
	}
	return nil
}

// cutOff reports whether the hints that wait cannot be fetched. Of a cluster,
// each queue has its own node.
func (s *Server) cutOff(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 200*time.Millisecond)
	defer cancel()
	_, err := s.o.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for q := range jobs.Queues() {
			pipe.Exists(ctx, "asynq:{"+string(q)+"}:pending")
		}
		return nil
	})
	return err != nil
}
