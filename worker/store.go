package worker

import (
	"context"
	"time"

	"github.com/oubli/oubli/jobs"
)

// Outbox is where due tasks are marked before their hints are sent.
type Outbox interface {
	Dispatch(ctx context.Context) ([]jobs.Dispatch, error)
	Undispatch(ctx context.Context, lost []jobs.Dispatch) error
}

// Recovery is what the database knows of tasks that are overdue.
type Recovery interface {
	Overdue(ctx context.Context, age time.Duration) ([]jobs.Dispatch, error)
	Recover(ctx context.Context) (int, error)
	Tidy(ctx context.Context) error
}

// Maintenance does what only workers may: it judges the map as they do, and writes
// to the application's tables.
type Maintenance interface {
	Unblock(ctx context.Context) (int, error)
	RefreshViews(ctx context.Context) error
	RefreshStatistics(ctx context.Context) error
	RunSecondLooks(ctx context.Context) (rows map[string]int64, err error)
	SweepRetained(ctx context.Context) ([]jobs.Swept, error)
}

// Claims gives tasks to workers and takes them back.
type Claims interface {
	Claim(ctx context.Context, taskID string) (*jobs.Claim, error)
	ClaimNext(ctx context.Context, tenantID string, cutOff bool) (*jobs.Claim, error)
	Yield(ctx context.Context, c *jobs.Claim) (bool, error)
	Extend(ctx context.Context, c *jobs.Claim, lease time.Duration) error
	Hold(ctx context.Context, c *jobs.Claim, reason string) error
	Release(ctx context.Context, c *jobs.Claim, delay time.Duration, failure bool, reason string) error
}

// Eraser erases the clients of a claimed batch.
type Eraser interface {
	CheckLoad(ctx context.Context) (reason string, err error)
	EraseChunk(ctx context.Context, c *jobs.Claim, n int) (jobs.Chunk, error)
	FailClient(ctx context.Context, c *jobs.Claim, code string) error
	DeferClient(ctx context.Context, c *jobs.Claim) error
	Finish(ctx context.Context, c *jobs.Claim) error
	Block(ctx context.Context, jobID, reason string, atLeast time.Duration) error
}

// Mails records what becomes of a claimed mail.
type Mails interface {
	Deliver(ctx context.Context, c *jobs.Claim, send func(context.Context) error) error
	GiveUp(ctx context.Context, c *jobs.Claim, reason string) error
}

// Sender hands a mail to a mail server. An error of kind Unavailable is
// worth another try, any other is final.
type Sender interface {
	Send(ctx context.Context, l jobs.ReportMail) error
}
