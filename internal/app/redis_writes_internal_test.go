package app

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/oubli/oubli/internal/local"
	"github.com/oubli/oubli/internal/testdb"
)

// Each of these servers answers PING.
func TestReadinessNamesARedisThatTakesNoWrites(t *testing.T) {
	t.Parallel()
	for says, commands := range map[string][][]any{
		"it is a replica": {{"REPLICAOF", "127.0.0.1", "1"}},
		"maxmemory":       {{"CONFIG", "SET", "maxmemory-policy", "noeviction"}, {"CONFIG", "SET", "maxmemory", "1"}},
		"ACL":             {{"ACL", "SETUSER", "default", "-set"}},
	} {
		o, err := redis.ParseURL(testdb.RedisServer(t, local.RedisOptions{}).URL(0))
		if err != nil {
			t.Fatal(err)
		}
		s := &Service{redis: redis.NewClient(o)}
		if err := s.pingRedis(t.Context()); err != nil {
			t.Fatalf("a fresh server: %v", err)
		}
		for _, c := range commands {
			if err := s.redis.Do(t.Context(), c...).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.redis.Ping(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if err := s.pingRedis(t.Context()); err == nil || !strings.Contains(err.Error(), "Redis takes no writes: ") ||
			!strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
		if err := s.closeRedis(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
