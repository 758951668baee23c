package testdb

import (
	"context"
	"net/url"
	"os"
	"sync"
	"testing"

	"github.com/oubli/oubli/internal/local"
)

// The servers that tests use instead of private ones.
const (
	DatabaseURLKey = "OUBLI_TEST_DATABASE_URL"
	RedisURLKey    = "OUBLI_TEST_REDIS_URL"
)

// private starts this process's own server. Nothing closes it: it ends with the
// process.
var private = sync.OnceValues(func() (*local.Postgres, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return local.StartPostgres(ctx, local.PostgresOptions{})
})

// server returns the URL of the database to connect to for making others.
func server(tb testing.TB) string {
	tb.Helper()
	if given := os.Getenv(DatabaseURLKey); given != "" {
		u, err := url.Parse(given)
		if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
			tb.Fatalf("%s: want a URL as postgres://user:password@host:port/database", DatabaseURLKey)
		}
		return given
	}
	p, err := private()
	if err != nil {
		tb.Fatalf("testdb: %v (or set %s)", err, DatabaseURLKey)
	}
	return p.URL("postgres")
}
