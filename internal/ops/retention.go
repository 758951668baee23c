package ops

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/oubli/oubli/jobs"
)

// RetentionSource counts rows that are kept by law.
type RetentionSource interface {
	RetentionStats(ctx context.Context) ([]jobs.RetentionStats, error)
}

var (
	descKept = prometheus.NewDesc("oubli_retention_kept_rows",
		"Rows of erased clients with columns that are still kept by law.", []string{"table"}, nil)
	descRetentionDue = prometheus.NewDesc("oubli_retention_due_rows",
		"Rows whose retention period has ended and that no sweep has cleared yet, as last counted.", []string{"table"}, nil)
	descOverdue = prometheus.NewDesc("oubli_retention_overdue_rows",
		"Due rows that the sweep of an earlier day should have cleared.", []string{"table"}, nil)
	descRefused  = prometheus.NewDesc("oubli_retention_refused_rows", "Due rows that the database refuses to clear.", []string{"table"}, nil)
	descCleared  = prometheus.NewDesc("oubli_retention_cleared_rows_total", "Rows that sweeps have cleared.", []string{"table"}, nil)
	descSweepAge = prometheus.NewDesc("oubli_retention_sweep_age_seconds",
		"Time since the last finished sweep of the tenant whose last sweep is longest ago. Sweeps are daily.", []string{"table"}, nil)
)

// RetentionCollector counts rows that are kept by law, by table, on each scrape.
// There is no label for the tenant, because there may be too many tenants.
type RetentionCollector struct {
	source RetentionSource
	log    *zerolog.Logger
}

// NewRetentionCollector returns a collector that reads from the source.
func NewRetentionCollector(source RetentionSource, log zerolog.Logger) *RetentionCollector {
	return &RetentionCollector{source: source, log: &log}
}

// Describe sends the descriptions of the metrics.
func (c *RetentionCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descKept, descRetentionDue, descOverdue, descRefused, descCleared, descSweepAge} {
		out <- d
	}
}

// Collect reads the metrics. They are missing while the database is down, which
// the oubli_source_up of [Collector] shows.
func (c *RetentionCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	all, err := c.source.RetentionStats(ctx)
	if err != nil {
		c.log.Error().Err(err).Msg("metrics of retention are missing")
		return
	}
	for _, s := range all {
		gauge(out, descKept, float64(s.Kept), s.Table)
		gauge(out, descRetentionDue, float64(s.Due), s.Table)
		gauge(out, descOverdue, float64(s.Overdue), s.Table)
		gauge(out, descRefused, float64(s.Refused), s.Table)
		out <- prometheus.MustNewConstMetric(descCleared, prometheus.CounterValue, float64(s.Cleared), s.Table)
		gauge(out, descSweepAge, s.SweepAge.Seconds(), s.Table)
	}
}
