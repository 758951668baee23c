package apiclient

import (
	"context"
	"time"

	"github.com/oubli/oubli/jobs"
)

const (
	firstPoll      = 100 * time.Millisecond // small jobs end quickly
	busyPoll       = time.Second            // while clients are being erased, if the API does not wait
	idlePoll       = 5 * time.Second        // while the job waits for something, likewise
	apiWaits       = "25s"                  // how long the API waits for a change before it answers
	maxUnreachable = 2 * time.Minute        // how long the API may be unreachable
)

// Follow reads the job again and again until it has ended, calls onState with it
// each time, and returns its last state. The API answers when something has changed;
// one that does not wait, because it is older, is asked after growing pauses. It fails when the API cannot be reached
// for two minutes. Ending ctx ends Follow and does not affect the job.
func (c *Client) Follow(ctx context.Context, id string, onState func(jobs.Job)) (jobs.Job, error) {
	poll, waits := firstPoll, ""
	var unreachable time.Duration
	var last jobs.Job
	for {
		asked := time.Now()
		j, err := c.find(ctx, id, waits)
		switch {
		case ctx.Err() != nil:
			return j, context.Cause(ctx)
		case jobs.KindOf(err) == jobs.Unavailable && unreachable < maxUnreachable:
			unreachable += idlePoll
			if err := c.wait(ctx, idlePoll); err != nil {
				return j, err
			}
			continue
		case jobs.KindOf(err) == jobs.Invalid && waits != "": // it does not know the parameter
			waits = "no"
			continue
		case err != nil:
			return j, err
		}
		unreachable = 0
		if waits == "" {
			waits = apiWaits
		}
		onState(j)
		if j.State.Final() {
			return j, nil
		}
		if j.State != last.State || j.Counts != last.Counts || time.Since(asked) > busyPoll {
			poll = firstPoll
		}
		last = j
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
