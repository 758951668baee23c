package figures

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"time"

	"github.com/oubli/oubli/internal/local"
)

// Figures describe several measurements of one thing, in milliseconds.
type Figures struct {
	N      int     `json:"n"`
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	P99    float64 `json:"p99"` // the nearest rank; of few measurements the maximum
	Max    float64 `json:"max"`
}

// Spread computes the figures of durations.
func Spread(took []time.Duration) Figures {
	n := len(took)
	if n == 0 {
		return Figures{}
	}
	sorted := slices.Sorted(slices.Values(took))
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return Figures{N: n, Min: ms(sorted[0]), Median: ms(sorted[(n-1)/2]), P99: ms(sorted[(99*n+99)/100-1]), Max: ms(sorted[n-1])}
}

// Machine is what the figures were taken on.
type Machine struct {
	CPUs       int    `json:"cpus"`
	System     string `json:"system"`
	Go         string `json:"go"`
	PostgreSQL string `json:"postgresql"`
}

// ThisMachine names where the program runs, and on which server.
func ThisMachine(pg *local.Postgres) Machine {
	return Machine{CPUs: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), PostgreSQL: pg.String()}
}

// StartPostgres starts a server that is as durable as in production: if commits did
// not wait for the disk, every figure would be too good.
func StartPostgres(ctx context.Context, stderr io.Writer, o local.PostgresOptions) (*local.Postgres, error) {
	o.Durable = true
	pg, err := local.StartPostgres(ctx, o)
	if _, missing := errors.AsType[*local.MissingError](err); !missing {
		return pg, err
	}
	if err := local.Install(ctx, stderr, local.PostgreSQL); err != nil {
		return nil, err
	}
	return local.StartPostgres(ctx, o)
}
