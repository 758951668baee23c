package local

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// StartMiniredis runs miniredis, a substitute for Redis, inside this process, for
// a demo on a machine without redis-server. It stores nothing on disk and is
// several times slower than Redis.
func StartMiniredis(ctx context.Context) (*Redis, error) {
	r := &Redis{password: rand.Text(), server: &miniServer{}, inProcess: true}
	err := onFreePort(ctx, func(port int) error {
		r.port = port
		return r.Start(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("start miniredis: %w", err)
	}
	return r, nil
}

type miniServer struct {
	mu     sync.Mutex
	mini   *miniredis.Miniredis
	cancel context.CancelFunc
}

func (s *miniServer) start(_ context.Context, r *Redis) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mini != nil {
		return fmt.Errorf("already running")
	}
	m := miniredis.NewMiniRedis()
	m.RequireAuth(r.password)
	if err := m.StartAddr(address(r.port)); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.mini, s.cancel = m, cancel
	go age(ctx, m)
	return nil
}

// age advances miniredis's clock: it expires nothing by itself, and asynq needs
// expiry for leases, unique locks and server entries.
func age(ctx context.Context, m *miniredis.Miniredis) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.FastForward(time.Second)
		}
	}
}

func (s *miniServer) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mini == nil {
		return
	}
	s.cancel()
	s.mini.Close()
	s.mini = nil
}

func (s *miniServer) kill()          { s.stop() }
func (s *miniServer) close() error   { s.stop(); return nil }
func (s *miniServer) String() string { return "miniredis, in process" }
