//go:build unix

package local

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestPostgresKeepsItsDataAndPortOverStopAndKill(t *testing.T) {
	t.Parallel()
	p := mustStartPostgres(t)
	before := p.URL("postgres")
	query(t, p, "CREATE TABLE kept AS SELECT 1 AS n")
	for name, end := range map[string]func(){"Stop": p.Stop, "Kill": p.Kill} {
		// The commit just before is the one that a crash could lose.
		end()
		if conn, err := pgx.Connect(t.Context(), p.URL("postgres")); err == nil {
			_ = conn.Close(t.Context())
			t.Fatalf("after %s the server still answers", name)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatalf("start after %s: %v", name, err)
		}
		query(t, p, "INSERT INTO kept SELECT max(n) + 1 FROM kept")
	}
	query(t, p, "SELECT 1 / (SELECT (max(n) = 3)::int FROM kept)")
	if after := p.URL("postgres"); after != before {
		t.Error("the URL changed")
	}
}

func TestPostgresWantsThePassword(t *testing.T) {
	t.Parallel()
	p := mustStartPostgres(t)
	u, err := url.Parse(p.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("postgres", "guess")
	_, err = pgx.Connect(t.Context(), u.String())
	if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "28P01" {
		t.Errorf("with a wrong password: got %v, want SQLSTATE 28P01", err)
	}
}

func TestPostgresReportsWhyItDoesNotStart(t *testing.T) {
	t.Parallel()
	_, err := StartPostgres(t.Context(), PostgresOptions{Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("got %v, want the server's own words", err)
	}
}

func TestAStartStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := StartPostgres(ctx, PostgresOptions{}); err == nil {
		t.Error("PostgreSQL started under a cancelled context")
	}
	if _, err := StartRedis(ctx, RedisOptions{}); err == nil {
		t.Error("Redis started under a cancelled context")
	}
}

func TestDurableKeepsFsyncAndSettingsWin(t *testing.T) {
	t.Parallel()
	if s := (PostgresOptions{}).settings(); s["fsync"] != "off" || s["max_connections"] != "200" || s["shared_buffers"] != "256MB" {
		t.Errorf("defaults: got %v", s)
	}
	s := PostgresOptions{
		Durable:        true,
		MaxConnections: 9,
		SharedBuffers:  "1MB",
		Settings:       map[string]string{"shared_buffers": "2MB"},
	}.settings()
	if _, ok := s["fsync"]; ok || s["max_connections"] != "9" || s["shared_buffers"] != "2MB" {
		t.Errorf("given: got %v", s)
	}
}

func query(t *testing.T, p *Postgres, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}
