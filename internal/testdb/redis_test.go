package testdb_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/oubli/oubli/internal/local"
	"github.com/oubli/oubli/internal/testdb"
)

func TestTwoTestsGetIndependentRedis(t *testing.T) {
	t.Parallel()
	mustNotMeet(t, testdb.Redis(t), testdb.Redis(t))
}

// Not parallel: it changes the environment.
func TestTestsOnOneGivenRedisGetSeparateDatabases(t *testing.T) {
	given := testdb.RedisServer(t, local.RedisOptions{}).URL(0)
	t.Setenv(testdb.RedisURLKey, given)
	mustNotMeet(t, testdb.Redis(t), testdb.Redis(t))
	// The numbers above stay locked until this test ends; other tests' data must not be visible.
	for range 2 {
		t.Run("later", func(t *testing.T) {
			c := client(t, testdb.Redis(t))
			if n, err := c.DBSize(t.Context()).Result(); err != nil || n != 0 {
				t.Errorf("keys: got %d, %v, want none", n, err)
			}
			if err := c.Set(t.Context(), "left", "behind", 0).Err(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func mustNotMeet(t *testing.T, a, b string) {
	t.Helper()
	if err := client(t, a).Set(t.Context(), "key", "in a", 0).Err(); err != nil {
		t.Fatal(err)
	}
	n, err := client(t, b).Exists(t.Context(), "key").Result()
	if err != nil || n != 0 {
		t.Errorf("a's key in b: got %d, %v, want 0", n, err)
	}
}

func client(t *testing.T, url string) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}
