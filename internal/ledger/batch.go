package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/oubli/oubli/jobs"
)

// Batches is how a batch gets its intent, and the ledger the outcomes.
type Batches interface {
	// Intent is what the ledger has to know before the first chunk of a claim.
	Intent(ctx context.Context, c *jobs.Claim) (jobs.LedgerRecord, error)
	// Extend extends the claim's lease.
	Extend(ctx context.Context, c *jobs.Claim, lease time.Duration) error
	// Outcomes are records of batches that have ended and whose outcome the ledger
	// does not have.
	Outcomes(ctx context.Context) ([]jobs.LedgerRecord, error)
	// HasOutcomes stores that the ledger has these outcomes, in this object.
	HasOutcomes(ctx context.Context, records []jobs.LedgerRecord, seq int64) error
}

// Writer writes the records of batches.
type Writer struct {
	*Ledger
	batches Batches
}

// NewWriter returns a Writer of a ledger that has recipients.
func NewWriter(l *Ledger, b Batches) *Writer { return &Writer{l, b} }

// leaseInterval is how often the lease of a claim that waits for the ledger is
// extended.
const leaseInterval = 3 * time.Second

// Begin returns when the ledger knows what the claim is about to do, and the database
// is as new as the ledger. After an error nothing may be erased. It sets the claim's
// Intent, which the first chunk stores.
func (w *Writer) Begin(ctx context.Context, c *jobs.Claim) error {
	if c.Terms.DryRun || c.Terms.Replay && w.Restored() != nil {
		return nil // the ledger says already what a replay does
	}
	if err := w.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if c.Intent > 0 {
		return w.CheckHead(ctx)
	}
	record, err := w.batches.Intent(ctx, c)
	if err != nil {
		return err
	}
	written := make(chan error, 1)
	go func() {
		seq, err := w.Write(ctx, record)
		if err == nil {
			c.Intent = seq
		}
		written <- err
	}()
	tick := time.NewTicker(leaseInterval)
	defer tick.Stop()
	for {
		select {
		case err := <-written:
			return err
		case <-tick.C:
			if err := w.batches.Extend(ctx, c, 0); errors.Is(err, jobs.ErrFenced) {
				cancel()
				<-written
				return err
			}
		}
	}
}

// WriteOutcomes writes the outcomes of batches that have ended.
func (w *Writer) WriteOutcomes(ctx context.Context) error {
	if w.Err() != nil {
		return nil // Watch has logged it
	}
	for ctx.Err() == nil {
		records, err := w.batches.Outcomes(ctx)
		if err != nil || len(records) == 0 {
			return err
		}
		seq, err := w.Write(ctx, records...)
		if err != nil {
			return err
		}
		if err := w.batches.HasOutcomes(ctx, records, seq); err != nil {
			return err
		}
	}
	return nil
}

// Ready says whether the ledger answers, for jobs that wait for it.
func (w *Writer) Ready(ctx context.Context) error { return w.Check(ctx) }
