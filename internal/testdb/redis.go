package testdb

import (
	"context"
	"net/url"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/oubli/oubli/internal/local"
)

// RedisServer returns a redis-server for this test only, which it may stop, kill,
// flush and start again on the same port. It ends with the test.
func RedisServer(tb testing.TB, o local.RedisOptions) *local.Redis {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := local.StartRedis(ctx, o)
	if err != nil {
		tb.Fatalf("testdb: %v", err)
	}
	tb.Cleanup(func() {
		if err := r.Close(); err != nil {
			tb.Errorf("testdb: close Redis: %v", err)
		}
	})
	return r
}

// Redis returns the URL of an empty Redis database for this test only. Other tests
// may use other databases of the same server: do not send FLUSHALL.
func Redis(tb testing.TB) string {
	tb.Helper()
	given := os.Getenv(RedisURLKey)
	if given == "" {
		return RedisServer(tb, local.RedisOptions{}).URL(0)
	}
	o, err := redis.ParseURL(given)
	if err != nil {
		tb.Fatalf("%s: want a URL as redis://:password@host:port", RedisURLKey)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	o.DB = lease(tb, ctx)
	c := redis.NewClient(o)
	defer c.Close()
	if err := c.FlushDB(ctx).Err(); err != nil {
		tb.Fatalf("testdb: empty Redis database %d: %v", o.DB, err)
	}
	u, _ := url.Parse(given)
	u.Path = "/" + strconv.Itoa(o.DB)
	return u.String()
}

// redisDatabases is how many databases a Redis has unless configured.
const redisDatabases = 16

// lease waits for a database number that no other test uses, in any process. The
// lock is in PostgreSQL, so that flushing Redis cannot remove it, and ends with
// its connection.
func lease(tb testing.TB, ctx context.Context) int {
	tb.Helper()
	conn, err := pgx.Connect(ctx, server(tb))
	if err != nil {
		tb.Fatalf("testdb: %v", err)
	}
	tb.Cleanup(func() { _ = conn.Close(context.Background()) })
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		for n := range redisDatabases {
			var ok bool
			if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1, $2)", 0x6f75626c, n).Scan(&ok); err != nil {
				tb.Fatalf("testdb: lease a Redis database: %v", err)
			}
			if ok {
				return n
			}
		}
		select {
		case <-ctx.Done():
			tb.Fatalf("testdb: all %d Redis databases are in use", redisDatabases)
		case <-tick.C:
		}
	}
}
