package ops

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/oubli/oubli/jobs"
)

// RetentionSource knows what is kept by law.
type RetentionSource interface {
	RetentionStats(ctx context.Context) ([]jobs.RetentionStats, error)
}

var (
	descKept         = prometheus.NewDesc("oubli_retention_kept_rows", "Rows of erased clients with columns that the law still keeps.", []string{"table"}, nil)
	descRetentionDue = prometheus.NewDesc("oubli_retention_due_rows", "Rows that the law no longer keeps and that a sweep has yet to clear, as last counted.", []string{"table"}, nil)
	descOverdue      = prometheus.NewDesc("oubli_retention_overdue_rows", "Of the due rows, those that an earlier day's sweep should have cleared.", []string{"table"}, nil)
	descRefused      = prometheus.NewDesc("oubli_retention_refused_rows", "Of the due rows, those that the database refuses to clear.", []string{"table"}, nil)
	descCleared      = prometheus.NewDesc("oubli_retention_cleared_rows_total", "Rows that sweeps have cleared.", []string{"table"}, nil)
	descSweepAge     = prometheus.NewDesc("oubli_retention_sweep_age_seconds", "Time since the last finished sweep, of the tenant for whom that is longest ago. Sweeps are daily.", []string{"table"}, nil)
)

// RetentionCollector reads what is kept by law whenever Prometheus asks, by
// table: tenants are too many for labels.
type RetentionCollector struct {
	source RetentionSource
	log    *zerolog.Logger
}

// NewRetentionCollector reads from the source.
func NewRetentionCollector(source RetentionSource, log zerolog.Logger) *RetentionCollector {
	return &RetentionCollector{source: source, log: &log}
}

// Describe names the numbers.
func (c *RetentionCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descKept, descRetentionDue, descOverdue, descRefused, descCleared, descSweepAge} {
		out <- d
	}
}

// Collect reads the numbers. Without the database there are none; [Collector]
// says that it is down.
func (c *RetentionCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	all, err := c.source.RetentionStats(ctx)
	if err != nil {
		c.log.Error().Err(err).Msg("metrics without retention")
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
