package app

import (
	"context"
	"errors"
	"io"

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
	err = errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
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
		needs = append(needs, config.Mail)
	}
	return needs
}
