package app

import (
	"context"
	"fmt"

	"github.com/oubli/oubli/config"
	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/jobs"
)

// api makes a client of the HTTP API from the environment.
func (c *cli) api() (*apiclient.Client, config.Client, error) {
	cfg, err := config.LoadClient(c.environ, c.readFile)
	if err != nil {
		return nil, cfg, err
	}
	return apiclient.New(cfg.URL, cfg.Token.Reveal()), cfg, nil
}

// follow shows the job's progress until it has ended. When ctx ends first, the
// job goes on, and the error says how to look again.
func (c *cli) follow(ctx context.Context, api *apiclient.Client, id string) (jobs.Job, error) {
	p := newProgress(c.stderr, c.draws)
	j, err := api.Follow(ctx, id, p.see)
	p.end()
	if ctx.Err() != nil {
		err = fmt.Errorf("stopped watching; the job goes on. Look again with: oubli status %s --watch", printable(id))
	}
	return j, err
}

// verdict is the exit code that a job stands for.
func verdict(j jobs.Job) error {
	if j.State.Final() && (j.State != jobs.Completed || j.Counts.Exceptions() > 0) {
		return exceptions()
	}
	return nil
}
