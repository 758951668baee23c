package cli

import (
	"context"
	"fmt"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/terminal"
	"github.com/oubli/oubli/jobs"
)

// follow shows the job's progress until it has ended. When ctx ends first, the
// job goes on, and the error says how to look again.
func (c *cli) follow(ctx context.Context, api *apiclient.Client, id string) (jobs.Job, error) {
	p := terminal.NewProgress(c.stderr, c.draws)
	j, err := api.Follow(ctx, id, p.See)
	p.End()
	if ctx.Err() != nil {
		err = fmt.Errorf("stopped watching; the job goes on. Look again with: oubli status %s --watch", terminal.Printable(id))
	}
	return j, err
}

// outcomeError is the error, and so the exit code, for the state of a job: nil
// unless it ended with exceptions, failed or was cancelled.
func outcomeError(j jobs.Job) error {
	if j.State.Final() && (j.State != jobs.Completed || j.Counts.Exceptions() > 0) {
		return exceptions()
	}
	return nil
}
