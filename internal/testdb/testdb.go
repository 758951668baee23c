package testdb

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// patience limits each step of setup and teardown.
const patience = 2 * time.Minute

// New returns a pool on a database for this test only: a copy of the template or,
// without a template, empty. The pool is closed and the
// database dropped when the test has ended.
func New(tb testing.TB, template ...Template) *pgxpool.Pool {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	base := server(tb)
	// Nobody can connect to template0, so making an empty database never waits.
	source := "template0"
	switch len(template) {
	case 0:
	case 1:
		name, err := template[0].ensure(ctx, base)
		if err != nil {
			tb.Fatalf("testdb: template %s: %v", template[0].Name, err)
		}
		source = name
	default:
		tb.Fatalf("testdb: want at most one template, got %d", len(template))
	}
	name := "t_" + strings.ToLower(rand.Text())
	if err := clone(ctx, base, name, source); err != nil {
		tb.Fatalf("testdb: clone %s: %v", source, err)
	}
	pool, err := pgxpool.New(ctx, withDatabase(base, name))
	if err != nil {
		tb.Fatalf("testdb: %v", err)
	}
	tb.Cleanup(func() {
		if !closed(pool) {
			tb.Errorf("testdb: the test ended with %d connections of its pool still in use", pool.Stat().AcquiredConns())
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := exec(ctx, base, "DROP DATABASE IF EXISTS "+quote(name)+" WITH (FORCE)"); err != nil {
			tb.Errorf("testdb: drop %s: %v", name, err)
		}
	})
	return pool
}

// URL returns the URL of the database that New made, for code that connects by
// itself.
func URL(tb testing.TB, pool *pgxpool.Pool) string {
	tb.Helper()
	return pool.Config().ConnString()
}

// closed closes the pool and reports whether all connections were returned: Close
// would wait for a leaked one for ever.
func closed(pool *pgxpool.Pool) bool {
	done := make(chan struct{})
	go func() {
		pool.Close()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-time.After(5 * time.Second):
		return false
	}
}

// exec runs one statement on a connection of its own.
func exec(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

func withDatabase(base, name string) string {
	u, err := url.Parse(base)
	if err != nil {
		// server has parsed it already.
		panic(err)
	}
	u.Path = "/" + name
	return u.String()
}

func quote(name string) string {
	return pgx.Identifier{name}.Sanitize()
}
