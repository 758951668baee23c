package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// The times that stopping takes at most. They add up to less than the 25
// seconds that docs/operations.md promises.
const (
	partsBudget    = 21 * time.Second // a worker's chunk or mail under way has 20 of them
	requestsBudget = 15 * time.Second // then requests under way are cut off
	sharedBudget   = 2 * time.Second
)

// stop is how something is stopped. It has the context's time to do so.
type stop struct {
	name string
	stop func(context.Context) error
}

// stopPart registers something that works, to be stopped beside the others.
func (s *Service) stopPart(name string, f func(context.Context) error) {
	s.parts = append(s.parts, stop{name, f})
}

// close registers something that the parts use, to be closed after all of them.
func (s *Service) close(name string, f func(context.Context) error) {
	s.shared = append(s.shared, stop{name, f})
}

// Stop stops the service within 25 seconds. The worker is told first, so that it
// takes nothing new; then all parts stop at once, so that none uses up
// another's time; then what they shared is closed. The error names what did not
// stop in time, or before ctx ended. Stopping twice is harmless.
func (s *Service) Stop(ctx context.Context) error {
	if s.stopTaking != nil {
		s.stopTaking()
	}
	err := stopAll(ctx, partsBudget, s.parts)
	s.parts = nil
	if ctx.Err() != nil {
		return err
	}
	err = errors.Join(err, stopAll(ctx, sharedBudget, s.shared))
	s.shared = nil
	return err
}

// stopAll stops everything at once and waits until all have stopped, the budget
// is used up, or ctx ends.
func stopAll(ctx context.Context, budget time.Duration, stops []stop) error {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	errs := make([]error, len(stops))
	var all sync.WaitGroup
	for i, s := range stops {
		all.Go(func() {
			stopped := make(chan error, 1)
			go func() { stopped <- s.stop(ctx) }()
			select {
			case err := <-stopped:
				if err != nil {
					errs[i] = fmt.Errorf("stop %s: %w", s.name, err)
				}
			case <-ctx.Done():
				errs[i] = fmt.Errorf("stop %s: it had not ended", s.name)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// stopListener lets requests under way end, for a while. Profiles and other
// looks of operators are ended at once: nobody needs their answer, and a
// profile takes as long as it was asked to.
func (s *Service) stopListener(ctx context.Context, name string, srv *http.Server, endRequests func()) error {
	if name == operations {
		endRequests()
	}
	defer endRequests()
	ctx, cancel := context.WithTimeout(ctx, requestsBudget)
	defer cancel()
	err := srv.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn().Str("listener", name).Msg("requests that did not end were cut off")
		return srv.Close()
	}
	return err
}

// closeStore waits for connections that are still in use. They are cut when the
// process ends.
func (s *Service) closeStore(ctx context.Context) error {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.store.Close()
	}()
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d connections are still in use", s.store.PoolStat().AcquiredConns())
	}
}

// closeRedis leaves the client open when the worker could not let go of it; it
// ends with the process.
func (s *Service) closeRedis(context.Context) error {
	if s.redisInUse.Load() {
		return nil
	}
	return s.redis.Close()
}
