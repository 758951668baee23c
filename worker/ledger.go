package worker

import (
	"context"
	"errors"
	"time"

	"github.com/oubli/oubli/jobs"
)

// Ledger records outside the database what is erased.
type Ledger interface {
	// Begin returns when the ledger knows what the claim is about to do. After an
	// error nothing may be erased.
	Begin(ctx context.Context, c *jobs.Claim) error
}

// ledgerPause is the shortest time that a job stays blocked because of the ledger, so
// that the reason can be read.
const ledgerPause = 10 * time.Second

// tellLedger tells the ledger what the batch is about to do. It reports whether this
// worker may go on.
func (b *batch) tellLedger(ctx context.Context) (ours bool, err error) {
	if b.o.Ledger == nil {
		return true, nil
	}
	err = b.o.Ledger.Begin(ctx, b.Claim)
	e, _ := errors.AsType[*jobs.Error](err)
	switch {
	case err == nil:
		return true, nil
	case e != nil && e.Code == jobs.CodeLedger:
		return false, b.block(ctx, e, ledgerPause)
	case e != nil && e.Code == jobs.CodeSchema:
		return false, b.block(ctx, e, 0)
	case e != nil && e.Code == jobs.CodeOperator:
		return false, b.block(ctx, e, operatorPause)
	}
	return false, b.giveBackAfter(ctx, err)
}
