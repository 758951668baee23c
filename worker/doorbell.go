package worker

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/oubli/oubli/jobs"
)

// hintChannel is the Redis channel on which dispatchers say that they have sent
// hints. Nothing depends on it: a message that is lost costs one Options.Poll.
const hintChannel = "oubli:hints"

// doorbell lets asynq read its queues when there is something to read. asynq sleeps
// after each time that it found them empty, and cannot be woken: so it sleeps for a
// millisecond only, and its next command waits here for a message of a dispatcher,
// or for Options.Poll.
type doorbell struct {
	poll    time.Duration
	rung    chan struct{}
	closing chan struct{}
	empty   atomic.Int32 // queues in a row that were empty
}

// readAgain is how long asynq sleeps by itself.
const readAgain = time.Millisecond

func newDoorbell(poll time.Duration) *doorbell {
	return &doorbell{poll: poll, rung: make(chan struct{}, 1), closing: make(chan struct{})}
}

func (d *doorbell) ring() {
	select {
	case d.rung <- struct{}{}:
	default: // it has rung already
	}
}

// listen rings for each message of a dispatcher, until the doorbell closes.
func (d *doorbell) listen(client redis.UniversalClient) {
	messages := client.Subscribe(context.Background(), hintChannel)
	defer func() { _ = messages.Close() }()
	for {
		select {
		case <-d.closing:
			return
		case _, open := <-messages.Channel():
			if !open {
				return
			}
			d.ring()
		}
	}
}

// wait waits until there may be a hint.
func (d *doorbell) wait() {
	t := time.NewTimer(d.poll/2 + rand.N(d.poll+1))
	defer t.Stop()
	select {
	case <-d.rung:
	case <-t.C:
	case <-d.closing:
	}
}

// DialHook and ProcessPipelineHook change nothing.
func (d *doorbell) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessPipelineHook changes nothing: asynq reads a queue by one command.
func (d *doorbell) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook lets asynq's reading of a queue wait if all queues were empty the
// last time.
func (d *doorbell) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if !takesHint(cmd) {
			return next(ctx, cmd)
		}
		if int(d.empty.Load()) >= len(jobs.Queues()) {
			d.empty.Store(0)
			d.wait()
		}
		err := next(ctx, cmd)
		if errors.Is(err, redis.Nil) {
			d.empty.Add(1)
		} else {
			d.empty.Store(0)
		}
		return err
	}
}

// takesHint recognizes asynq's script that takes a hint from a queue, by its keys:
// evalsha, digest, 4, asynq:{queue}:pending, …:paused, …:active, …:lease.
func takesHint(cmd redis.Cmder) bool {
	args := cmd.Args()
	if name := cmd.Name(); name != "evalsha" && name != "eval" || len(args) < 7 {
		return false
	}
	pending, _ := args[3].(string)
	paused, _ := args[4].(string)
	return strings.HasSuffix(pending, ":pending") && strings.HasSuffix(paused, ":paused")
}
