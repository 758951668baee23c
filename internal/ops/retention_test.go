package ops

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/oubli/oubli/jobs"
)

type archive struct {
	stats []jobs.RetentionStats
	err   error
}

func (a archive) RetentionStats(context.Context) ([]jobs.RetentionStats, error) {
	return a.stats, a.err
}

func TestMetricsShowWhatTheLawKeepsByTable(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	registry.MustRegister(NewRetentionCollector(archive{stats: []jobs.RetentionStats{
		{Table: "invoices", Kept: 70, Due: 6, Overdue: 5, Refused: 4, Cleared: 300, SweepAge: 90 * time.Minute}, {Table: "receipts"},
	}}, zerolog.Nop()))
	s := mustServe(t, Options{Redis: nowhere, Registry: registry})
	_, text := mustAsk(t, s, "GET", "/metrics")
	for _, want := range []string{
		`oubli_retention_kept_rows{table="invoices"} 70`, `oubli_retention_due_rows{table="invoices"} 6`,
		`oubli_retention_overdue_rows{table="invoices"} 5`,
		`oubli_retention_refused_rows{table="invoices"} 4`, `oubli_retention_cleared_rows_total{table="invoices"} 300`,
		`oubli_retention_sweep_age_seconds{table="invoices"} 5400`, `oubli_retention_kept_rows{table="receipts"} 0`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

func TestMetricsOfRetentionAreLeftOutWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	registry.MustRegister(NewRetentionCollector(archive{err: errors.New("SQLSTATE 57P01 " + marker)}, zerolog.Nop()))
	s := mustServe(t, Options{Redis: nowhere, Registry: registry})
	resp, text := mustAsk(t, s, "GET", "/metrics")
	if resp.StatusCode != 200 || strings.Contains(text, "oubli_retention") || strings.Contains(text, marker) {
		t.Errorf("got %d\n%s", resp.StatusCode, text)
	}
}
