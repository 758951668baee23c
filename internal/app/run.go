package app

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/rs/zerolog"

	"github.com/oubli/oubli/config"
)

// Run runs the parts until ctx ends or one of them breaks, and then stops them.
// It writes its log to logs.
func Run(ctx context.Context, env Environment, parts Parts, logs io.Writer, tune Tuning) error {
	cfg, err := env.load(parts.needs()...)
	if err != nil {
		return err
	}
	level, _ := zerolog.ParseLevel(cfg.LogLevel) // config has checked it
	log := zerolog.New(logs).Level(level).With().Timestamp().Logger()
	s, err := start(ctx, cfg, parts, log, tune)
	if err != nil {
		return err
	}
	log.Info().Str("api", s.APIAddr).Str("ops", s.OpsAddr).Bool("worker", parts.Worker).Msg("oubli is up")
	select {
	case <-ctx.Done():
		log.Info().Msg("stopping: finishing what is under way")
	case err = <-s.Failed():
	}
	// Whoever sends a second signal does not want to wait.
	stopping, forget := signal.NotifyContext(context.WithoutCancel(ctx), os.Interrupt, syscall.SIGTERM)
	defer forget()
	err = errors.Join(err, s.Stop(stopping))
	if stopping.Err() != nil {
		log.Warn().Msg("stopped at once by a second signal: tasks under way are taken up by others when their leases run out")
		return err
	}
	log.Info().Msg("stopped")
	return err
}

// needs are the settings that the parts cannot do without.
func (p Parts) needs() []config.Need {
	needs := []config.Need{config.Database, config.Queue, config.Map}
	if p.API {
		needs = append(needs, config.Auth)
	}
	if p.Worker {
		needs = append(needs, config.Mail, config.Ledger)
	}
	return needs
}
