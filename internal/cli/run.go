package cli

import (
	"context"
	"io"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/oubli/oubli/internal/app"
)

func (c *cli) serve() *cobra.Command {
	var withWorker bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Runs the HTTP API",
		Long: `Runs the HTTP API on OUBLI_LISTEN and the listener for operations (dashboard,
metrics, health) on OUBLI_OPS_LISTEN until it is stopped. It takes requests
while Redis does not answer and while the map has gaps: the work waits.`,
		Example: `  oubli serve
  oubli serve --worker     # API and workers in one process`,
		GroupID: groupRun,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.runService(cmd.Context(), app.Parts{API: true, Worker: withWorker})
		},
	}
	cmd.Flags().BoolVar(&withWorker, "worker", false, "run the workers in this process too")
	return cmd
}

func (c *cli) worker() *cobra.Command {
	return &cobra.Command{
		Use:   "worker",
		Short: "Runs the workers that erase and mail",
		Long: `Runs OUBLI_CONCURRENCY worker slots until it is stopped. On SIGTERM it finishes
the chunks under way and gives the rest back, within 25 seconds; a second SIGTERM
ends it at once. Any number of workers may
run, on any number of machines. It refuses to start while the map does not
cover the schema.`,
		Example: `  oubli worker
  OUBLI_CONCURRENCY=4 OUBLI_CHUNK_TARGET=50ms oubli worker`,
		GroupID: groupRun,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.runService(cmd.Context(), app.Parts{Worker: true})
		},
	}
}

func (c *cli) runService(ctx context.Context, parts app.Parts) error {
	return app.Run(ctx, c.env(), parts, c.logs(), c.tune)
}

// logs takes JSON, and shows lines for people when a terminal reads them.
func (c *cli) logs() io.Writer {
	if c.draws {
		return zerolog.ConsoleWriter{Out: c.stderr, TimeFormat: "15:04:05"}
	}
	return c.stderr
}
