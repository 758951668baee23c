package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oubli/oubli/config"
	"github.com/oubli/oubli/internal/ledger"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

const (
	outcomeInterval = time.Second      // between two looks for outcomes that the ledger lacks
	outcomePause    = 30 * time.Second // after an error: the same outcomes may be written again
)

// openLedger connects the store with its ledger, and compares the two before anything
// else starts. A ledger that does not answer keeps nobody from starting: jobs wait
// for it.
func (s *Service) openLedger(ctx context.Context, parts Parts) error {
	o := ledger.Options{URL: s.cfg.LedgerURL, Epochs: s.store, Log: s.log}
	if s.cfg.HasLedger() {
		store, err := ledger.OpenStore(s.cfg.LedgerURL)
		if err != nil {
			return &SettingsError{fmt.Errorf("OUBLI_LEDGER_URL: %w", err)}
		}
		o.Store = store
		if parts.Worker {
			o.Recipients, o.Secret = s.cfg.LedgerRecipients, []byte(s.cfg.LedgerSecret.Reveal())
			o.Observe = func(took time.Duration, _ jobs.LedgerObject) { s.metrics.ObserveLedger(took) }
		}
	} else if err := s.needsLedger(ctx, parts); err != nil {
		return err
	}
	s.ledger = ledger.New(o)
	if err := s.ledger.Check(ctx); err != nil && s.ledger.Err() == nil {
		s.log.Warn().Err(err).Msg("the ledger cannot be compared with the database; nothing is erased until it can")
	}
	loops := map[string]func(context.Context){"ledger watch": s.ledger.Watch}
	if o.Store != nil && parts.Worker {
		s.ledgerWriter = ledger.NewWriter(s.ledger, s.store)
		s.store.UseLedger(s.ledgerWriter)
		loops["ledger outcomes"] = s.writeOutcomes
	}
	for name, run := range loops {
		s.runLoop(ctx, name, run)
	}
	return nil
}

// needsLedger refuses a worker that would erase without a ledger in a database that
// has one: what it erased would come back unnoticed.
func (s *Service) needsLedger(ctx context.Context, parts Parts) error {
	if !parts.Worker {
		return nil
	}
	e, err := s.store.Epoch(ctx)
	if err != nil || e.Sequence == 0 {
		return err
	}
	if s.cfg.LedgerURL == config.NoLedger {
		s.log.Warn().Int64("objects", e.Sequence).
			Msg("OUBLI_LEDGER_URL is none: what is erased from now on comes back unnoticed with a backup")
		return nil
	}
	return &SettingsError{fmt.Errorf("OUBLI_LEDGER_URL: not set, and this database has a ledger of %d objects: "+
		"set the URL of the ledger, or none to erase without one", e.Sequence)}
}

// runLoop runs a loop until the service stops.
func (s *Service) runLoop(ctx context.Context, name string, run func(context.Context)) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	s.stopPart(name, func(stop context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-stop.Done():
			return stop.Err()
		}
	})
}

// writeOutcomes tells the ledger what became of batches that have ended.
func (s *Service) writeOutcomes(ctx context.Context) {
	failed := false
	for {
		pause := outcomeInterval
		err := s.ledgerWriter.WriteOutcomes(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			pause = outcomePause
		}
		if err != nil && !failed {
			s.log.Warn().Err(err).Msg("outcomes are not in the ledger yet, trying again")
		}
		failed = err != nil
		s.metrics.ObserveLoop("ledger outcomes", err)
		wait := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
	}
}

// ledgerAnswers is a condition of /readyz.
func (s *Service) ledgerAnswers(ctx context.Context) error {
	if err := s.ledger.Err(); err != nil {
		return err
	}
	err := s.ledger.CheckHead(ctx)
	if e, ok := errors.AsType[*jobs.Error](err); ok && e.Code == jobs.CodeLedger || s.ledger.Err() != nil {
		return err
	}
	return nil // the database, which another condition is about
}

// guarded is the store while nobody may claim, send, erase or mail: a database that was
// restored has forgotten whom it has erased, and which mails it has sent.
type guarded struct {
	*repository.Store
	restored func() error
}

// otherPause is how long what is no replay waits until it is claimed again.
const otherPause = time.Minute

// replays reports whether a database that counts as restored is being made as new as
// its ledger. Then workers claim the jobs of the replay.
func (g guarded) replays(ctx context.Context) bool {
	is, err := g.Replaying(ctx)
	return is && err == nil
}

// onlyReplay gives a task back that is not a replay's.
func (g guarded) onlyReplay(ctx context.Context, c *jobs.Claim, err error) (*jobs.Claim, error) {
	if c == nil || err != nil || c.Terms.Replay || g.restored() == nil {
		return c, err
	}
	return nil, g.Release(ctx, c, otherPause, false, jobs.CodeRestored)
}

// Dispatch sends nothing while the database counts as restored, except for a replay.
func (g guarded) Dispatch(ctx context.Context) ([]jobs.Dispatch, error) {
	if g.restored() != nil && !g.replays(ctx) {
		return nil, nil
	}
	return g.Store.Dispatch(ctx)
}

// Claim takes nothing while the database counts as restored, except for a replay.
func (g guarded) Claim(ctx context.Context, taskID string) (*jobs.Claim, error) {
	if g.restored() != nil && !g.replays(ctx) {
		return nil, nil
	}
	c, err := g.Store.Claim(ctx, taskID)
	return g.onlyReplay(ctx, c, err)
}

// ClaimNext takes nothing while the database counts as restored, except for a replay.
func (g guarded) ClaimNext(ctx context.Context, tenantID string, redisDown bool) (*jobs.Claim, error) {
	if g.restored() != nil && !g.replays(ctx) {
		return nil, nil
	}
	c, err := g.Store.ClaimNext(ctx, tenantID, redisDown)
	return g.onlyReplay(ctx, c, err)
}

// EraseChunk makes the worker give its batch back if the database turns out to be
// restored between two chunks.
func (g guarded) EraseChunk(ctx context.Context, c *jobs.Claim, n int) (jobs.Chunk, error) {
	if err := g.restored(); err != nil && !c.Terms.Replay {
		return jobs.Chunk{}, err
	}
	return g.Store.EraseChunk(ctx, c, n)
}

// Unblock keeps jobs blocked while the database counts as restored.
func (g guarded) Unblock(ctx context.Context) (int, error) {
	if g.restored() != nil {
		return 0, nil
	}
	return g.Store.Unblock(ctx)
}

// RefreshViews waits while the database counts as restored: the views would show those
// who came back.
func (g guarded) RefreshViews(ctx context.Context) error {
	if g.restored() != nil {
		return nil
	}
	return g.Store.RefreshViews(ctx)
}

// MixRows waits while the database counts as restored.
func (g guarded) MixRows(ctx context.Context) error {
	if g.restored() != nil {
		return nil
	}
	return g.Store.MixRows(ctx)
}

// RunSecondLooks waits while the database counts as restored.
func (g guarded) RunSecondLooks(ctx context.Context) (jobs.LateRows, error) {
	if g.restored() != nil {
		return jobs.LateRows{}, nil
	}
	return g.Store.RunSecondLooks(ctx)
}

// SweepRetained waits while the database counts as restored.
func (g guarded) SweepRetained(ctx context.Context) ([]jobs.Swept, error) {
	if g.restored() != nil {
		return nil, nil
	}
	return g.Store.SweepRetained(ctx)
}
