package repository

import (
	"context"
	"fmt"
)

// turn is a lock for which a caller waits no longer than it wants to.
type turn chan struct{}

// Acquire waits until nobody else has the turn.
func (t turn) Acquire(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the plan: %w", ctx.Err())
	}
}

// Release lets the next one in.
func (t turn) Release() { <-t }
