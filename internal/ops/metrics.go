package ops

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oubli/oubli/jobs"
)

// Metrics are the metrics that a process counts by itself. What the database
// stores is read from there; see [NewCollector]. No label value comes from a
// caller, a client or a tenant.
type Metrics struct {
	chunkSeconds   prometheus.Histogram
	chunkClients   prometheus.Histogram
	retries        *prometheus.CounterVec
	events         map[jobs.Event]prometheus.Counter
	loopFailures   *prometheus.CounterVec
	loopSuccess    *prometheus.GaugeVec
	slots          prometheus.Gauge
	ledgerSeconds  prometheus.Histogram
	requests       *prometheus.CounterVec
	requestSeconds *prometheus.HistogramVec
}

// eventNames are the name and the help of each event's counter.
var eventNames = map[jobs.Event][2]string{
	jobs.HintSent:   {"oubli_hints_sent_total", "Hints that were enqueued in Redis."},
	jobs.HintResent: {"oubli_hints_resent_total", "Hints that were missing in Redis and were sent again."},
	jobs.LeaseExpired: {"oubli_leases_expired_total",
		"Tasks whose lease expired because their worker died or hung; another worker takes them."},
	jobs.FenceLost: {"oubli_fence_losses_total",
		"Times that a worker stopped because another worker has its task, or because its job was paused, blocked or cancelled."},
	jobs.JobBlocked:     {"oubli_jobs_blocked_total", "Times that a worker blocked a job."},
	jobs.JobUnblocked:   {"oubli_jobs_unblocked_total", "Blocked jobs that were continued."},
	jobs.ClientFailed:   {"oubli_clients_given_up_total", "Clients that could not be erased and have the outcome failed."},
	jobs.MailRetried:    {"oubli_mail_retries_total", "Mails that could not be sent and will be tried again."},
	jobs.WebhookRetried: {"oubli_webhook_retries_total", "Events that could not be delivered to OUBLI_EVENTS_URL and will be tried again."},
}

// NewMetrics registers the metrics of the process. The version is that of the
// build.
func NewMetrics(r prometheus.Registerer, version, goVersion string) (*Metrics, error) {
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
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oubli_batch_retries_total",
			Help: "Batches put back after a temporary error, by reason.",
		}, []string{"reason"}),
		loopFailures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oubli_loop_failures_total",
			Help: "Failed runs of a background loop.",
		}, []string{"loop"}),
		loopSuccess: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "oubli_loop_last_success_timestamp_seconds",
			Help: "Time of the last successful run of a background loop.",
		}, []string{"loop"}),
		slots: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "oubli_worker_slots",
			Help: "Tasks that this process can work on at a time; 0 in a process without workers.",
		}),
		ledgerSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "oubli_ledger_seconds",
			Help:    "Time to write one object of the ledger.",
			Buckets: []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oubli_http_requests_total",
			Help: "Answers of the API by method, route and status.",
		}, []string{"method", "route", "status"}),
		requestSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "oubli_http_request_seconds",
			Help:    "Time that the API took to answer.",
			Buckets: []float64{0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30},
		}, []string{"route"}),
		events: map[jobs.Event]prometheus.Counter{},
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "oubli_build_info", Help: "Always 1; the labels identify the build.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": goVersion},
	})
	build.Set(1)
	// Create the series with 0: an alert on a missing series never fires.
	for _, reason := range []string{jobs.CodeContention, jobs.Unavailable.String()} {
		m.retries.WithLabelValues(reason)
	}
	all := []prometheus.Collector{
		build, m.chunkSeconds, m.chunkClients, m.retries,
		m.loopFailures, m.loopSuccess, m.slots, m.ledgerSeconds, m.requests, m.requestSeconds,
	}
	for _, e := range jobs.Events() {
		m.events[e] = prometheus.NewCounter(prometheus.CounterOpts{Name: eventNames[e][0], Help: eventNames[e][1]})
		all = append(all, m.events[e])
	}
	for _, c := range all {
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

// CountBatchRetry counts a batch that was put back for another attempt because of
// an error of this kind or code.
func (m *Metrics) CountBatchRetry(reason string) { m.retries.WithLabelValues(reason).Inc() }

// Count counts n of an event.
func (m *Metrics) Count(e jobs.Event, n int) { m.events[e].Add(float64(n)) }

// ObserveLoop records the result of one run of a background loop.
func (m *Metrics) ObserveLoop(loop string, err error) {
	failures := m.loopFailures.WithLabelValues(loop)
	if err != nil {
		failures.Inc()
		return
	}
	m.loopSuccess.WithLabelValues(loop).SetToCurrentTime()
}

// SetSlots sets the number of tasks that this process can work on at a time.
func (m *Metrics) SetSlots(slots int) { m.slots.Set(float64(slots)) }

// ObserveLedger counts an object of the ledger that was written in d.
func (m *Metrics) ObserveLedger(d time.Duration) { m.ledgerSeconds.Observe(d.Seconds()) }

// RegisterRestored registers the metric that says whether the database counts as
// restored.
func RegisterRestored(r prometheus.Registerer, restored func() bool) error {
	return r.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "oubli_database_restored",
		Help: "1 if the ledger knows more than the database: nothing is accepted or erased until oubli replay has run.",
	}, func() float64 {
		if restored() {
			return 1
		}
		return 0
	}))
}

// ObserveRequest counts an answer of the API. The route is a pattern of the API,
// or empty if no route matched: no text of a caller becomes a label.
func (m *Metrics) ObserveRequest(method, route string, status int, took time.Duration) {
	if route == "" {
		route = "none"
	}
	if status == 0 { // the handler wrote nothing, and the server answered 200
		status = http.StatusOK
	}
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	m.requestSeconds.WithLabelValues(route).Observe(took.Seconds())
}
