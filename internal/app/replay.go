package app

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/rs/zerolog"

	"github.com/oubli/oubli/config"
	"github.com/oubli/oubli/internal/ledger"
	"github.com/oubli/oubli/internal/replay"
	"github.com/oubli/oubli/jobs"
)

// ReplayOptions say what to replay, and how.
type ReplayOptions struct {
	Identity string    // path of the file with the identity; empty: OUBLI_LEDGER_IDENTITY_FILE
	DryRun   bool      // only say who is back
	Until    time.Time // leave out objects that were written later; zero: none
	Release  bool      // let the service go on although something is left
	Progress func(open int)
}

// Replayed is the result of a replay.
type Replayed struct {
	jobs.ReplayReport
	Missing  []int64 // objects that are gone
	Swept    int64   // rows whose retention was over
	Released bool    // the service goes on
	AsNew    bool    // there was nothing to replay
}

// Replay erases again who was erased since the moment to which the database was put
// back. It has the settings of a worker, and works as one.
func Replay(ctx context.Context, env Environment, o ReplayOptions, logs io.Writer, tune Tuning) (Replayed, error) {
	cfg, err := env.load(Parts{Worker: true}.needs()...)
	if err != nil {
		return Replayed{}, err
	}
	if !cfg.HasLedger() {
		return Replayed{}, &SettingsError{errors.New("OUBLI_LEDGER_URL: not set; want the URL of the ledger that is replayed")}
	}
	identities, err := readIdentities(env, cfg, o.Identity)
	if err != nil {
		return Replayed{}, &SettingsError{err}
	}
	cfg.OpsListen = "127.0.0.1:0" // a worker on this machine may have the configured address
	level, _ := zerolog.ParseLevel(cfg.LogLevel)
	s, err := start(ctx, cfg, Parts{Worker: !o.DryRun}, zerolog.New(logs).Level(level).With().Timestamp().Logger(), tune)
	if err != nil {
		return Replayed{}, err
	}
	done, err := s.replay(ctx, o, identities)
	return done, errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
}

func (s *Service) replay(ctx context.Context, o ReplayOptions, identities []age.Identity) (Replayed, error) {
	var done Replayed
	if err := s.ledger.Check(ctx); err != nil && s.ledger.Restored() == nil {
		return done, err
	}
	epoch, err := s.store.Epoch(ctx)
	if err != nil {
		return done, err
	}
	open, err := s.store.Replaying(ctx)
	if err != nil {
		return done, err
	}
	if done.AsNew = s.ledger.Restored() == nil && !open; done.AsNew {
		return done, nil
	}
	var unknown ledger.Unknown
	if unknown, err = s.ledger.ReadUnknown(ctx, epoch, identities); err != nil {
		return done, err
	}
	if len(unknown.Objects) == 0 {
		return done, errors.Join(errors.New("the ledger has nothing that could be replayed"), s.ledger.Restored())
	}
	done.Missing = unknown.Missing
	progress := o.Progress
	if progress == nil {
		progress = func(int) {}
	}
	done.ReplayReport, done.Released, err = replay.Run(ctx, replay.Options{
		Store: s.store, Unknown: unknown, Secret: []byte(s.cfg.LedgerSecret.Reveal()),
		DryRun: o.DryRun, Until: o.Until, Release: o.Release, Wake: s.dispatcher.Wake, Progress: progress,
	})
	if err != nil || !done.Released {
		return done, err
	}
	if err := s.ledger.Check(ctx); err != nil {
		return done, err
	}
	swept, err := s.store.SweepRetained(ctx)
	for _, t := range swept {
		done.Swept += t.Rows
	}
	return done, err
}

// readIdentities reads the secret keys that can read the ledger.
func readIdentities(env Environment, cfg config.Config, file string) ([]age.Identity, error) {
	if file == "" {
		if len(cfg.LedgerIdentities) == 0 {
			return nil, errors.New("OUBLI_LEDGER_IDENTITY_FILE: not set; " +
				"name the file with the secret key of the ledger, here or with --identity")
		}
		return cfg.LedgerIdentities, nil
	}
	b, err := env.ReadFile(file)
	if err != nil {
		return nil, errors.New("--identity: cannot read the file")
	}
	identities, err := age.ParseIdentities(strings.NewReader(string(b)))
	if err != nil {
		return nil, errors.New("--identity: want secret keys of age, as age-keygen writes them")
	}
	return identities, nil
}
