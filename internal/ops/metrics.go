package ops

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the numbers that a worker counts as it goes. Everything that the
// database knows is read from there instead; see [NewCollector].
type Metrics struct {
	chunkSeconds prometheus.Histogram
	chunkClients prometheus.Histogram
	retries      prometheus.Counter
}

// NewMetrics registers the worker's numbers.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		chunkSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "oubli_chunk_seconds",
			Help:    "Time of the transaction that erased one chunk of clients.",
			Buckets: []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4},
		}),
		chunkClients: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "oubli_chunk_clients",
			Help:    "Clients in one chunk.",
			Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000},
		}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "oubli_batch_retries_total",
			Help: "Batches put back after transient trouble.",
		}),
	}
	for _, c := range []prometheus.Collector{m.chunkSeconds, m.chunkClients, m.retries} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// ObserveChunk counts a chunk of clients that was committed after d.
func (m *Metrics) ObserveChunk(clients int, d time.Duration) {
	m.chunkSeconds.Observe(d.Seconds())
	m.chunkClients.Observe(float64(clients))
}

// CountBatchRetry counts a batch that goes back to wait for another attempt.
func (m *Metrics) CountBatchRetry() { m.retries.Inc() }
