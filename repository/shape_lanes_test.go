package repository_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// claims accepts an erasure and claims its batches, each in a lane of its own.
func (s *shape) claims(t *testing.T, batches int, keys ...string) []*jobs.Claim {
	t.Helper()
	accept(t, s.store, "1", keys)
	var claims []*jobs.Claim
	for _, d := range dispatch(t, s.store) {
		claims = append(claims, mustClaim(t, s.store, d.TaskID))
	}
	if len(claims) != batches {
		t.Fatalf("%d batches, want %d", len(claims), batches)
	}
	return claims
}

// drain erases a batch to its end as a worker does: what was lost to somebody
// else's lock, or met on a unique key, is tried again.
func drain(ctx context.Context, s *repository.Store, c *jobs.Claim, chunk int) error {
	for tries := 0; c.Left() > 0; {
		_, err := s.EraseChunk(ctx, c, chunk)
		if err == nil {
			tries = 0
			continue
		}
		e, ok := errors.AsType[*jobs.Error](err)
		if tries++; tries > 20 || !ok || (e.Code != jobs.CodeContention && e.Kind != jobs.Invalid) {
			return err
		}
	}
	return s.Finish(ctx, c)
}

func TestTwoLanesOnTheSameSessionsUseDifferentProfiles(t *testing.T) {
	t.Parallel()
	s := newShape(t, classMap, crowded,
		func(o *repository.Options) { o.BatchClients, o.LockTimeout = 18, 20*time.Second })
	claims := s.claims(t, 2, keys(1, 36)...)
	var wg sync.WaitGroup
	for _, c := range claims {
		wg.Go(func() {
			if err := drain(t.Context(), s.store, c, 5); err != nil {
				t.Errorf("lane %d: %v", c.Lane, err)
			}
		})
	}
	wg.Wait()
	s.is(t, `
		SELECT session_id, count(*), count(DISTINCT client_id), count(*) FILTER (WHERE client_id <= 40)
		FROM participations GROUP BY 1 ORDER BY 1`,
		"1 40 40 4", "2 40 40 4", "3 40 40 4", "4 40 40 4", "5 40 40 4", "6 40 40 4")
	// Eighteen clients of a lane need eighteen seats, of the lane's own parity.
	s.is(t, `
		SELECT slot % 2, count(DISTINCT client_id)
		FROM participations JOIN oubli.anonymous_profiles ON client_key::bigint = client_id
		GROUP BY 1 ORDER BY 1`, "0 18", "1 18")
}

func TestPartnersErasedAtTheSameTimeLeaveNoAddressBehind(t *testing.T) {
	t.Parallel()
	reached, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s := newShape(t, noTenant+`tables:
  - {table: addresses, owned_by: address_id, erase: delete}
`, noTenantSQL+`
CREATE TABLE addresses (id bigint PRIMARY KEY, street text);
ALTER TABLE clients ADD address_id bigint REFERENCES addresses;
INSERT INTO addresses VALUES (1, 'theirs'), (2, 'somebody else''s');
UPDATE clients SET address_id = 1 WHERE id <= 2;
UPDATE clients SET address_id = 2 WHERE id = 3`, func(o *repository.Options) {
		o.BatchClients, o.LockTimeout = 1, 20*time.Second
		o.Failpoint = func(name string) {
			if name == "chunk:erased" {
				once.Do(func() { close(reached); <-goOn })
			}
		}
	})
	release := sync.OnceFunc(func() { close(goOn) })
	t.Cleanup(release) // a failed test must not wait for the one that it holds
	claims := s.claims(t, 2, "1", "2")
	errs := make(chan error, 2)
	go func() { errs <- drain(t.Context(), s.store, claims[0], 1) }()
	<-reached // the first client is gone, and nobody knows yet
	go func() { errs <- drain(t.Context(), s.store, claims[1], 1) }()
	s.blocked(t)
	release()
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	s.is(t, "SELECT street FROM addresses", "somebody else's")
}

func TestARowThatMovesToAnotherClientDuringAnErasureStaysThere(t *testing.T) {
	t.Parallel()
	s := newShape(t, classMap, classSQL+`
INSERT INTO participations (session_id, client_id, comment) SELECT n, 1, 'knee' FROM generate_series(1, 3) AS n`,
		func(o *repository.Options) { o.LockTimeout = 20 * time.Second })
	claims := s.claims(t, 1, "1")
	moving := begin(t, s.Pool, "UPDATE participations SET client_id = 2 WHERE session_id = 2")
	done := make(chan error, 1)
	go func() { done <- drain(t.Context(), s.store, claims[0], 1) }()
	s.blocked(t)
	if err := moving.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.is(t, "SELECT session_id, client_id > 40, comment FROM participations ORDER BY 1", "1 t -", "2 f knee", "3 t -")
	s.is(t, "SELECT client_id FROM participations WHERE session_id = 2", "2")
}
