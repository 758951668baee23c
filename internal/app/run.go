package app

import (
	"context"
	"errors"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/oubli/oubli/config"
)

func (c *cli) serve() *cobra.Command {
	var withWorker bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Runs the HTTP API",
		Long: `Runs the HTTP API on OUBLI_LISTEN and the listener for operations (dashboard,
metrics, health) on OUBLI_OPS_LISTEN until it is stopped. It takes requests
while Redis is away and while the map has gaps: they wait.`,
		Example: `  oubli serve
  oubli serve --worker     # API and workers in one process`,
		GroupID: groupRun,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.runService(cmd.Context(), Parts{API: true, Worker: withWorker})
		},
	}
	cmd.Flags().BoolVar(&withWorker, "worker", false, "run the workers in this process too")
	return cmd
}

func (c *cli) worker() *cobra.Command {
	return &cobra.Command{
		Use:   "worker",
		Short: "Runs the workers that erase and mail",
		Long: `Runs OUBLI_CONCURRENCY worker slots until it is stopped. On SIGTERM the chunks
under way are finished and the rest is given back. Any number of workers may
run, on any number of machines. It refuses to start while the map does not
cover the schema.`,
		Example: `  oubli worker
  OUBLI_CONCURRENCY=4 OUBLI_CHUNK_TARGET=50ms oubli worker`,
		GroupID: groupRun,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.runService(cmd.Context(), Parts{Worker: true})
		},
	}
}

// needs are the settings that the parts cannot do without.
func (p Parts) needs() []config.Need {
	needs := []config.Need{config.Database, config.Queue, config.Map}
	if p.API {
		needs = append(needs, config.Auth)
	}
	if p.Worker {
		needs = append(needs, config.Mail)
	}
	return needs
}

func (c *cli) runService(ctx context.Context, parts Parts) error {
	cfg, err := config.Load(c.environ, c.readFile, parts.needs()...)
	if err != nil {
		return err
	}
	log := c.logger(cfg)
	s, err := start(ctx, cfg, parts, log, c.tune)
	if err != nil {
		return err
	}
	log.Info().Str("api", s.APIAddr).Str("ops", s.OpsAddr).Bool("worker", parts.Worker).Msg("oubli is up")
	select {
	case <-ctx.Done():
		log.Info().Msg("stopping: finishing what is under way")
	case err = <-s.Failed():
	}
	err = errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
	log.Info().Msg("stopped")
	return err
}

// logger writes JSON, or lines for people when a terminal reads them.
func (c *cli) logger(cfg config.Config) zerolog.Logger {
	level, _ := zerolog.ParseLevel(cfg.LogLevel) // config has checked it
	out := zerolog.Logger{}.Output(c.stderr)
	if c.draws {
		out = zerolog.New(zerolog.ConsoleWriter{Out: c.stderr, TimeFormat: "15:04:05"})
	}
	return out.Level(level).With().Timestamp().Logger()
}
