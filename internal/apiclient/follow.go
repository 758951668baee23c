package apiclient

import (
	"context"
	"time"

	"github.com/oubli/oubli/jobs"
)

const (
	firstPoll = 100 * time.Millisecond // small jobs end at once
	busyPoll  = time.Second            // while clients are being erased
	idlePoll  = 5 * time.Second        // while the job waits for something
	patience  = 2 * time.Minute        // with an API that cannot be reached
)

// Follow calls see with the job as it is now and again until it has ended, and
// gives its last state. It bears with an API that is away for up to two
// minutes. Ending ctx stops the following and changes nothing for the job.
func (c *Client) Follow(ctx context.Context, id string, see func(jobs.Job)) (jobs.Job, error) {
	poll := firstPoll
	var away time.Duration
	for {
		j, err := c.Find(ctx, id)
		switch {
		case ctx.Err() != nil:
			return j, context.Cause(ctx)
		case jobs.KindOf(err) == jobs.Unavailable && away < patience:
			away += idlePoll
			if err := c.wait(ctx, idlePoll); err != nil {
				return j, err
			}
			continue
		case err != nil:
			return j, err
		}
		away = 0
		see(j)
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
