//go:build chaos && unix

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/oubli/oubli/internal/chaos/wire"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/worker"
)

// claims reports what the process holds, so that the driver knows what it
// takes away when it kills it.
type claims struct {
	worker.Claims
	p *failpoints
}

func (c claims) Claim(ctx context.Context, task string) (*jobs.Claim, error) {
	return c.reported(c.Claims.Claim(ctx, task))
}

func (c claims) ClaimNext(ctx context.Context, tenant string, redisDown bool) (*jobs.Claim, error) {
	return c.reported(c.Claims.ClaimNext(ctx, tenant, redisDown))
}

func (c claims) reported(claim *jobs.Claim, err error) (*jobs.Claim, error) {
	if claim != nil {
		c.p.report(wire.Report{Task: claim.TaskID, Attempt: claim.Attempt})
	}
	return claim, err
}

// eraser ends the process at the client that kills every worker.
type eraser struct {
	worker.Eraser
	p *failpoints
}

func (e eraser) EraseChunk(ctx context.Context, c *jobs.Claim, n int) (jobs.Chunk, error) {
	if k := e.p.t.Killer; k != "" && slices.Contains(c.Keys[c.Position:min(c.Position+n, len(c.Keys))], k) {
		e.p.report(wire.Report{At: "killer"})
		e.p.act(wire.Kill)
	}
	return e.Eraser.EraseChunk(ctx, c, n)
}

// unrecorded sends mails and does not record it.
type unrecorded struct{ worker.Mails }

func (unrecorded) Deliver(ctx context.Context, _ *jobs.Claim, send func(context.Context) error) error {
	return send(ctx)
}

// hintHook puts failpoints around the sending and the acknowledging of hints,
// which asynq does by one script each.
type hintHook struct{ p *failpoints }

func (hintHook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (hintHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h hintHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		before, after := around(cmd)
		if before != "" {
			h.p.pass(before)
		}
		err := next(ctx, cmd)
		if after != "" && err == nil {
			h.p.pass(after)
		}
		return err
	}
}

// around names the failpoints of a script by the keys that it is given.
func around(cmd redis.Cmder) (before, after string) {
	args := cmd.Args()
	if cmd.Name() != "evalsha" || len(args) < 5 {
		return "", ""
	}
	first, second := fmt.Sprint(args[3]), fmt.Sprint(args[4])
	switch {
	case strings.Contains(first, ":t:") && strings.HasSuffix(second, ":pending"):
		return "hint:sending", "hint:sent"
	case strings.HasSuffix(first, ":active") && strings.HasSuffix(second, ":lease") &&
		len(args) > 6 && strings.Contains(fmt.Sprint(args[6]), ":processed"):
		return "hint:acknowledging", "hint:acknowledged"
	}
	return "", ""
}
