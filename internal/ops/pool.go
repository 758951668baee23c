package ops

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// PoolStats is how a process uses its database connections.
type PoolStats struct {
	Max, InUse, Idle int
	Waits            int64         // how often no connection was free, since the start
	Waited           time.Duration // total time spent waiting for connections
}

// RegisterPool registers the metrics of the database connections. They are read on
// each scrape.
func RegisterPool(r prometheus.Registerer, stats func() PoolStats) error {
	for _, c := range []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "oubli_database_connections_max",
			Help: "Largest number of database connections of this process.",
		}, func() float64 { return float64(stats().Max) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "oubli_database_connections",
			Help:        "Database connections by state.",
			ConstLabels: prometheus.Labels{"state": "in_use"},
		}, func() float64 { return float64(stats().InUse) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "oubli_database_connections",
			Help:        "Database connections by state.",
			ConstLabels: prometheus.Labels{"state": "idle"},
		}, func() float64 { return float64(stats().Idle) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "oubli_database_waits_total",
			Help: "How often no database connection was free.",
		}, func() float64 { return float64(stats().Waits) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "oubli_database_wait_seconds_total",
			Help: "Time spent waiting for database connections.",
		}, func() float64 { return stats().Waited.Seconds() }),
	} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}
