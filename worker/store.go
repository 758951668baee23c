package worker

import (
	"context"
	"time"

	"github.com/oubli/oubli/jobs"
)

// Outbox marks due tasks as dispatched before their hints are sent.
type Outbox interface {
	Dispatch(ctx context.Context) ([]jobs.Dispatch, error)
	Undispatch(ctx context.Context, lost []jobs.Dispatch) error
}

// Recovery finds tasks whose hint is lost or whose worker has crashed, and deletes
// old data.
type Recovery interface {
	Overdue(ctx context.Context, age time.Duration) ([]jobs.Dispatch, error)
	Recover(ctx context.Context) (int, error)
	Tidy(ctx context.Context) error
}

// Maintenance is the regular work that only processes with workers do, because it
// needs their map and their right to write to the application's tables.
type Maintenance interface {
	Unblock(ctx context.Context) (int, error)
	RefreshViews(ctx context.Context) error
	RefreshStatistics(ctx context.Context) error
	MixRows(ctx context.Context) error
	RunSecondLooks(ctx context.Context) (jobs.LateRows, error)
	SweepRetained(ctx context.Context) ([]jobs.Swept, error)
}

// Claims gives tasks to workers and takes them back. With redisDown, ClaimNext
// also returns tasks whose hints are in Redis, because no worker can receive them.
type Claims interface {
	Claim(ctx context.Context, taskID string) (*jobs.Claim, error)
	ClaimNext(ctx context.Context, tenantID string, redisDown bool) (*jobs.Claim, error)
	Yield(ctx context.Context, c *jobs.Claim) (bool, error)
	Extend(ctx context.Context, c *jobs.Claim, lease time.Duration) error
	Hold(ctx context.Context, c *jobs.Claim, reason string) error
	Release(ctx context.Context, c *jobs.Claim, delay time.Duration, failure bool, reason string) error
}

// Eraser erases the clients of a claimed batch.
type Eraser interface {
	CheckLoad(ctx context.Context) (reason string, err error)
	EraseChunk(ctx context.Context, c *jobs.Claim, n int) (jobs.Chunk, error)
	FailClient(ctx context.Context, c *jobs.Claim, code, detail string) error
	DeferClient(ctx context.Context, c *jobs.Claim) error
	Finish(ctx context.Context, c *jobs.Claim) error
	Block(ctx context.Context, jobID, reason string, atLeast time.Duration) error
}

// Mails delivers a claimed mail and records the result.
type Mails interface {
	Deliver(ctx context.Context, c *jobs.Claim, send func(context.Context) error) error
	GiveUp(ctx context.Context, c *jobs.Claim, reason string) error
}

// Sender sends a mail to a mail server. After an error of kind Unavailable the
// mail is tried again; any other error of package jobs is final.
type Sender interface {
	Send(ctx context.Context, mail jobs.ReportMail) error
}
