package apiclient

import (
	"context"
	"time"

	"github.com/oubli/oubli/jobs"
)

const (
	firstPoll      = 100 * time.Millisecond // small jobs end quickly
	busyPoll       = time.Second            // while clients are being erased
	idlePoll       = 5 * time.Second        // while the job waits for something
	maxUnreachable = 2 * time.Minute        // how long the API may be unreachable
)

// Follow reads the job again and again until it has ended, calls onState with it
// each time, and returns its last state. It fails when the API cannot be reached
// for two minutes. Ending ctx ends Follow and does not affect the job.
func (c *Client) Follow(ctx context.Context, id string, onState func(jobs.Job)) (jobs.Job, error) {
	poll := firstPoll
	var unreachable time.Duration
	for {
		j, err := c.Find(ctx, id)
		switch {
		case ctx.Err() != nil:
			return j, context.Cause(ctx)
		case jobs.KindOf(err) == jobs.Unavailable && unreachable < maxUnreachable:
			unreachable += idlePoll
			if err := c.wait(ctx, idlePoll); err != nil {
				return j, err
			}
			continue
		case err != nil:
			return j, err
		}
		unreachable = 0
		onState(j)
		if j.State.Final() {
			return j, nil
		}
		if err := c.wait(ctx, poll); err != nil {
			return j, err
		}
		longest := busyPoll
		if j.State != jobs.Running {
			longest = idlePoll
		}
		poll = min(2*poll, longest)
	}
}
