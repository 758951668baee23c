//go:build unix

package local

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestRedisComesBackOnTheSamePort(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		appendOnly bool
		want       error
	}{
		{"with its data when it appends to a file", true, nil},
		{"empty otherwise", false, redis.Nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := mustStartRedis(t, RedisOptions{AppendOnly: c.appendOnly})
			client := mustClient(t, r)
			if err := client.Set(t.Context(), "key", "value", 0).Err(); err != nil {
				t.Fatal(err)
			}
			r.Stop()
			if err := r.ping(t.Context()); err == nil {
				t.Fatal("the stopped server answers")
			}
			if err := r.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := client.Get(t.Context(), "key").Err(); !errors.Is(err, c.want) {
				t.Errorf("after a restart: got %v, want %v", err, c.want)
			}
			r.Kill()
			if err := r.Start(t.Context()); err != nil {
				t.Fatalf("start after a kill: %v", err)
			}
		})
	}
}

func TestRedisKeepsHintsAndWantsThePassword(t *testing.T) {
	t.Parallel()
	r := mustStartRedis(t, RedisOptions{})
	policy, err := mustClient(t, r).ConfigGet(t.Context(), "maxmemory-policy").Result()
	if err != nil || policy["maxmemory-policy"] != "noeviction" {
		t.Errorf("maxmemory-policy: got %v, %v", policy, err)
	}
	other := redis.NewClient(&redis.Options{Addr: address(r.port)})
	defer other.Close()
	if err := other.Ping(t.Context()).Err(); err == nil {
		t.Error("Redis answers without the password")
	}
}

func TestMiniredisStandsInForRedis(t *testing.T) {
	t.Parallel()
	r, err := StartMiniredis(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if !r.InProcess() || mustStartRedis(t, RedisOptions{}).InProcess() {
		t.Error("InProcess does not tell the two apart")
	}
	client := mustClient(t, r)
	if err := client.Set(t.Context(), "key", "value", time.Second).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the key expired", func() bool {
		return errors.Is(client.Get(t.Context(), "key").Err(), redis.Nil)
	})
	r.Stop()
	if err := r.ping(t.Context()); err == nil {
		t.Error("the stopped stand-in answers")
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

func mustClient(t *testing.T, r *Redis) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(r.URL(0))
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}
