package worker

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/oubli/oubli/jobs"
)

// fakeStore replaces the database. answer decides the result of a chunk of n
// clients from the key of its first client and the number of attempts with it.
type fakeStore struct {
	answer  func(key string, try, n int) error
	outage  bool // the lease cannot be extended either
	tries   map[string]int
	failed  []string
	release string
}

func (f *fakeStore) EraseChunk(_ context.Context, c *jobs.Claim, n int) (jobs.Chunk, error) {
	key := c.Keys[c.Position]
	f.tries[key]++
	if err := f.answer(key, f.tries[key], n); err != nil {
		return jobs.Chunk{}, err
	}
	c.Position += n
	c.Deferrals = 0
	return jobs.Chunk{Clients: n}, nil
}

func (f *fakeStore) FailClient(_ context.Context, c *jobs.Claim, code, _ string) error {
	f.failed = append(f.failed, c.Keys[c.Position]+" "+code)
	c.Position++
	return nil
}

func (f *fakeStore) DeferClient(_ context.Context, c *jobs.Claim) error {
	key := c.Keys[c.Position]
	c.Keys = append(slices.Delete(slices.Clone(c.Keys), c.Position, c.Position+1), key)
	c.Deferrals++
	return nil
}

func (f *fakeStore) Extend(context.Context, *jobs.Claim, time.Duration) error {
	if f.outage {
		return &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeUnavailable, Msg: "extend lease"}
	}
	return nil
}

func (f *fakeStore) Release(_ context.Context, _ *jobs.Claim, _ time.Duration, _ bool, reason string) error {
	f.release = reason
	return nil
}

func (*fakeStore) Finish(context.Context, *jobs.Claim) error                    { return nil }
func (*fakeStore) Block(context.Context, string, string, time.Duration) error   { return nil }
func (*fakeStore) CheckLoad(context.Context) (string, error)                    { return "", nil }
func (*fakeStore) Claim(context.Context, string) (*jobs.Claim, error)           { return nil, nil }
func (*fakeStore) ClaimNext(context.Context, string, bool) (*jobs.Claim, error) { return nil, nil }
func (*fakeStore) Hold(context.Context, *jobs.Claim, string) error              { return nil }
func (*fakeStore) Yield(context.Context, *jobs.Claim) (bool, error)             { return false, nil }

// run processes a batch of these clients until it ends, or until it was given
// back 20 times.
func (f *fakeStore) run(t *testing.T, c *jobs.Claim) {
	t.Helper()
	f.tries = map[string]int{}
	o := Options{Claims: f, Eraser: f, Redis: redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}), Log: zerolog.Nop()}.withDefaults()
	t.Cleanup(func() { _ = o.Redis.Close() })
	s := &Server{o: o, sizes: newSizeController(o.ChunkTarget, o.ChunkMax), stopping: make(chan struct{})}
	for range 20 {
		f.release = ""
		if err := (&batch{Server: s, Claim: c, log: zerolog.Nop()}).run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c.Left() == 0 {
			return
		}
	}
}

// refusedBy returns the error for an SQLSTATE that PostgreSQL answered.
func refusedBy(state string) error {
	switch state {
	case "23505":
		return &jobs.Error{Kind: jobs.Invalid, Code: state, State: state}
	case "40001":
		return &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeContention, State: state}
	}
	return &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeUnavailable, State: state}
}

// Refusals are counted for each client by itself: one refusal of a client after
// several of the client before it must not make it fail.
func TestRefusalsOfOneClientAreNotCountedForTheNext(t *testing.T) {
	t.Parallel()
	f := &fakeStore{answer: func(key string, try, n int) error {
		switch {
		case n > 1, key == "a" && try <= 3, key == "b" && try == 1:
			return refusedBy("23505")
		case key == "a" && try == 4:
			return refusedBy("40001")
		}
		return nil
	}}
	f.run(t, &jobs.Claim{Kind: jobs.BatchTask, Keys: []string{"a", "b"}})
	if len(f.failed) > 0 {
		t.Errorf("failed for good: %v", f.failed)
	}
}

func TestAClientIsFailedOnlyAfterRoundsInWhichNobodyElseIsLeft(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state  string
		outage bool
		ago    time.Duration
		failed string
	}{
		"infrastructure error, for an hour":  {"53200", false, time.Hour, "[a 53200]"},
		"locks, for an hour":                 {"40001", false, time.Hour, "[a 40001]"},
		"locks, for a short time":            {"40001", false, 0, "[]"},
		"infrastructure error, a short time": {"53200", false, 0, "[]"},
		"outage":                             {"53200", true, time.Hour, "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fakeStore{outage: c.outage, answer: func(key string, _, n int) error {
				if key == "a" || n > 1 {
					return refusedBy(c.state)
				}
				return nil
			}}
			claim := &jobs.Claim{Kind: jobs.BatchTask, Keys: []string{"a", "b", "c"}, DeferredSince: time.Now().Add(-c.ago)}
			f.run(t, claim)
			if got := fmt.Sprint(f.failed); got != c.failed {
				t.Errorf("failed %s, want %s", got, c.failed)
			}
			if c.failed != "[]" && f.tries["a"] < deferRounds {
				t.Errorf("failed after %d tries", f.tries["a"])
			}
			if c.outage && claim.Deferrals > 0 {
				t.Error("clients were moved to the end because of an outage")
			}
		})
	}
}
