package testdb

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

func TestProcessesThatNeedATemplateAtOnceBuildItOnce(t *testing.T) {
	t.Parallel()
	var builds atomic.Int32
	template := Template{Name: t.Name(), Version: rand.Text(), Build: func(ctx context.Context, pool *pgxpool.Pool) error {
		builds.Add(1)
		_, err := pool.Exec(ctx, "CREATE TABLE built ()")
		return err
	}}
	base := server(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			// Each has a connection of its own, and none has seen it built: to
			// PostgreSQL they are processes.
			if _, err := template.ensure(t.Context(), base); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := builds.Load(); got != 1 {
		t.Errorf("built %d times, want once", got)
	}
	dropAfter(t, template)
}

func TestAFailedBuildIsReportedAndMadeAgain(t *testing.T) {
	t.Parallel()
	trouble := errors.New("half way")
	template := Template{Name: t.Name(), Version: rand.Text(), Build: func(ctx context.Context, pool *pgxpool.Pool) error {
		if _, err := pool.Exec(ctx, "CREATE TABLE built ()"); err != nil {
			return err
		}
		return trouble
	}}
	base := server(t)
	if _, err := template.ensure(t.Context(), base); !errors.Is(err, trouble) {
		t.Fatalf("got %v, want the build's error", err)
	}
	trouble = nil
	if _, err := template.ensure(t.Context(), base); err != nil {
		t.Fatalf("the second build: %v", err)
	}
	if _, err := New(t, template).Exec(t.Context(), "SELECT FROM built"); err != nil {
		t.Error(err)
	}
	dropAfter(t, template)
}

func TestVersionsAndNamesMakeDifferentTemplates(t *testing.T) {
	t.Parallel()
	build := func(context.Context, *pgxpool.Pool) error { return nil }
	seen := map[string]bool{}
	for _, template := range []Template{
		{Name: "a", Version: "1", Build: build},
		{Name: "a", Version: "2", Build: build},
		{Name: "b", Version: "1", Build: build},
		{Name: "a", Build: build},
		{Name: strings.Repeat("Long name ", 20) + "1", Version: "1", Build: build},
		{Name: strings.Repeat("Long name ", 20) + "2", Version: "1", Build: build},
	} {
		name, err := template.database()
		if err != nil {
			t.Fatal(err)
		}
		if seen[name] || len(name) > 63 {
			t.Errorf("%s: taken already, or longer than PostgreSQL keeps", name)
		}
		seen[name] = true
	}
	if _, err := (Template{Name: "a"}).database(); err == nil {
		t.Error("a template without Build was taken")
	}
}

// dropAfter drops the template when the test ends: the server may be kept.
func dropAfter(t *testing.T, template Template) {
	t.Helper()
	name, err := template.database()
	if err != nil {
		t.Fatal(err)
	}
	base := server(t)
	t.Cleanup(func() {
		ctx := context.Background()
		if err := exec(ctx, base, "ALTER DATABASE "+quote(name)+" WITH IS_TEMPLATE false"); err != nil {
			t.Error(err)
		}
		if err := exec(ctx, base, "DROP DATABASE "+quote(name)); err != nil {
			t.Error(err)
		}
	})
}
