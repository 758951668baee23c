package repository

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/testdb"
	"github.com/oubli/oubli/jobs"
)

// FuzzPeriod asks PostgreSQL about periods: one that the API lets through is
// either a moment of the past by PostgreSQL's calendar, no later than the
// floor's, or refused as the caller's mistake. It is never a failure of ours,
// and nothing but a period reaches SQL.
func FuzzPeriod(f *testing.F) {
	pool := testdb.New(f, testdb.Template{Name: "empty", Build: func(context.Context, *pgxpool.Pool) error { return nil }})
	for _, s := range []string{
		"P1Y", "P18M", "P90D", "P4W", "P1Y2M3W4D", "P0D", "P30D", "P29D", "P1M",
		"P999Y9999M9999W99999D", "P999Y", "P99999D", "P", "", "P1", "1Y", "p1y", "P-1Y", "P1.5Y", "PT1H", "P1YT1H",
		"P1Y\n", "P1Y'; SELECT 1; --", "P\u0661Y", "P0000Y", "P1D1Y", "P1Y1Y", "yesterday", "infinity", "epoch", "P00Y00M00D",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, period string) {
		tx, err := pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(t.Context()) }()
		cutoff, err := cutoffOf(t.Context(), tx, period, "P30D")
		if err != nil {
			e, ok := errors.AsType[*jobs.Error](pgfault.Wrap("select", err))
			quoted := len(period) > 8 && ok && strings.Contains(e.Error(), period)
			if !ok || e.Kind != jobs.Invalid || e.Code != "bad_period" && e.Code != "period_too_short" || quoted {
				t.Fatalf("%q: %v", period, err)
			}
			return
		}
		if !jobs.ValidPeriod(period) || cutoff.Year() < 1 || cutoff.After(time.Now().AddDate(0, 0, -29)) {
			t.Fatalf("%q reaches back to %s", period, cutoff)
		}
	})
}
