package ops

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/semaphore"

	"github.com/oubli/oubli/jobs"
)

// StatsSource counts jobs, tasks, clients and mails.
type StatsSource interface {
	Stats(ctx context.Context) (jobs.Stats, error)
}

// QueueSource describes the queues in Redis. *asynq.Inspector implements it.
type QueueSource interface {
	Queues() ([]string, error)
	GetQueueInfo(queue string) (*asynq.QueueInfo, error)
}

// collectTimeout bounds one query of the database or of Redis.
const collectTimeout = 5 * time.Second

var (
	descUp = prometheus.NewDesc("oubli_source_up",
		"1 if the source (database or redis) has answered. If it is 0, the metrics read from it are missing.", []string{"source"}, nil)
	descJobs    = prometheus.NewDesc("oubli_jobs", "Jobs by state.", []string{"state"}, nil)
	descClients = prometheus.NewDesc("oubli_clients_total", "Clients by outcome, over all jobs.", []string{"outcome"}, nil)
	descTasks   = prometheus.NewDesc("oubli_tasks", "Tasks by kind and state.", []string{"kind", "state"}, nil)
	descMails   = prometheus.NewDesc("oubli_mails", "Mails by state.", []string{"state"}, nil)
	descOldest  = prometheus.NewDesc("oubli_oldest_open_job_age_seconds", "Age of the oldest job that has not ended; 0 without one.", nil, nil)
	descDue     = prometheus.NewDesc("oubli_oldest_due_batch_age_seconds",
		"Time that the oldest batch that is ready to run has waited for a worker; 0 without one.", nil, nil)
	descMail = prometheus.NewDesc("oubli_oldest_open_mail_age_seconds",
		"Time since the end of the oldest job whose mail has not been sent; 0 without one.", nil, nil)
	descBlocked = prometheus.NewDesc("oubli_blocked_jobs",
		"Blocked jobs by reason: the table and column, or what an operator must fix. At most ten reasons.", []string{"reason"}, nil)
	descStale = prometheus.NewDesc("oubli_view_stale_seconds",
		"Time since something was erased that a materialized view may still show; missing for views that are fresh.", []string{"view"}, nil)
	descLate = prometheus.NewDesc("oubli_late_rows_refused_clients",
		"Erased clients about whom rows were written later that the database refuses to erase.", nil, nil)
	descResidue = prometheus.NewDesc("oubli_residue_jobs",
		"Jobs that erased somebody, by the level that they have reached.", []string{"level"}, nil)
	descUnmixed = prometheus.NewDesc("oubli_residue_unmixed_jobs",
		"Jobs whose kept rows something keeps from being mixed with others'.", nil, nil)
	descHints   = prometheus.NewDesc("oubli_queue_hints", "Hints in a queue by asynq's state.", []string{"queue", "state"}, nil)
	descLatency = prometheus.NewDesc("oubli_queue_latency_seconds",
		"Time that the oldest pending hint of a queue has waited.", []string{"queue"}, nil)
)

// Collector reads the metrics of the database and of the queues on each scrape.
type Collector struct {
	stats      StatsSource
	queues     QueueSource
	log        *zerolog.Logger
	redisQuery *semaphore.Weighted // one query of Redis at a time, because asynq's cannot be cancelled
}

// NewCollector returns a Collector of both sources. Either may be nil; its metrics
// are then left out.
func NewCollector(stats StatsSource, queues QueueSource, log zerolog.Logger) *Collector {
	return &Collector{stats: stats, queues: queues, log: &log, redisQuery: semaphore.NewWeighted(1)}
}

// Describe sends the descriptions of the metrics.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descUp, descJobs, descClients, descTasks, descMails, descOldest, descDue, descMail, descBlocked,
		descResidue, descUnmixed, descHints, descLatency,
	} {
		out <- d
	}
}

// Collect reads the metrics. Those of a source that does not answer are missing,
// and its oubli_source_up is 0.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	if c.stats != nil {
		reportUp(out, "database", c.collectStats(out))
	}
	if c.queues != nil {
		reportUp(out, "redis", c.collectQueues(out))
	}
}

func reportUp(out chan<- prometheus.Metric, source string, answered bool) {
	value := 0.0
	if answered {
		value = 1
	}
	gauge(out, descUp, value, source)
}

func gauge(out chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func (c *Collector) collectStats(out chan<- prometheus.Metric) bool {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	s, err := c.stats.Stats(ctx)
	if err != nil {
		c.log.Error().Err(err).Msg("metrics of the database are missing")
		return false
	}
	// Send zeros too: an alert on a missing series never fires.
	for _, state := range jobs.States() {
		gauge(out, descJobs, float64(s.Jobs[state]), string(state))
	}
	for _, o := range jobs.Outcomes() {
		out <- prometheus.MustNewConstMetric(descClients, prometheus.CounterValue, float64(s.Clients[o]), string(o))
	}
	for _, kind := range []jobs.TaskKind{jobs.BatchTask, jobs.MergeTask, jobs.MailTask} {
		for _, state := range []jobs.TaskState{jobs.TaskPending, jobs.TaskRunning, jobs.TaskDone, jobs.TaskFailed, jobs.TaskCancelled} {
			gauge(out, descTasks, float64(s.Tasks[kind][state]), string(kind), string(state))
		}
	}
	for _, state := range []jobs.MailState{jobs.MailNone, jobs.MailWaiting, jobs.MailPending, jobs.MailSent, jobs.MailFailed} {
		gauge(out, descMails, float64(s.Mails[state]), string(state))
	}
	gauge(out, descOldest, s.OldestOpen.Seconds())
	gauge(out, descDue, s.OldestDue.Seconds())
	gauge(out, descMail, s.OldestMail.Seconds())
	for view, stale := range s.StaleViews {
		gauge(out, descStale, stale.Seconds(), strings.ToValidUTF8(view, "?"))
	}
	gauge(out, descLate, float64(s.LateClients))
	for _, level := range jobs.ResidueNames() {
		gauge(out, descResidue, float64(s.Residues[level]), level)
	}
	gauge(out, descUnmixed, float64(s.Unmixed))
	for reason, n := range s.Blocked {
		gauge(out, descBlocked, float64(n), strings.ToValidUTF8(reason, "?"))
	}
	return true
}

func (c *Collector) collectQueues(out chan<- prometheus.Metric) bool {
	if !c.redisQuery.TryAcquire(1) {
		return false // the previous query has not returned yet
	}
	type answer struct {
		infos []*asynq.QueueInfo
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		defer c.redisQuery.Release(1)
		infos, err := c.queueInfos()
		done <- answer{infos, err}
	}()
	timeout := time.NewTimer(collectTimeout)
	defer timeout.Stop()
	select {
	case <-timeout.C:
		c.log.Error().Msg("metrics of redis are missing: no answer in time")
		return false
	case a := <-done:
		if a.err != nil {
			c.log.Error().Err(a.err).Msg("metrics of redis are missing")
			return false
		}
		for _, q := range a.infos {
			gauge(out, descLatency, q.Latency.Seconds(), q.Queue)
			gauge(out, descHints, float64(q.Pending), q.Queue, "pending")
			gauge(out, descHints, float64(q.Active), q.Queue, "active")
			gauge(out, descHints, float64(q.Scheduled), q.Queue, "scheduled")
			gauge(out, descHints, float64(q.Retry), q.Queue, "retry")
			gauge(out, descHints, float64(q.Archived), q.Queue, "archived")
			gauge(out, descHints, float64(q.Completed), q.Queue, "completed")
		}
		return true
	}
}

// queueInfos describes each of our queues. A queue that does not exist in Redis,
// because nothing was enqueued yet or Redis has lost its data, counts as empty.
func (c *Collector) queueInfos() ([]*asynq.QueueInfo, error) {
	existing, err := c.queues.Queues()
	if err != nil {
		return nil, err
	}
	var infos []*asynq.QueueInfo
	for name := range jobs.Queues() {
		q := &asynq.QueueInfo{Queue: string(name)}
		if slices.Contains(existing, string(name)) {
			if q, err = c.queues.GetQueueInfo(string(name)); err != nil {
				return nil, err
			}
		}
		infos = append(infos, q)
	}
	return infos, nil
}
