package ops

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/oubli/oubli/jobs"
)

// fakeStats is a database that returns its fields, or an error.
type fakeStats struct {
	stats jobs.Stats
	err   error
}

func (l fakeStats) Stats(context.Context) (jobs.Stats, error) { return l.stats, l.err }

func enqueue(t *testing.T, opt asynq.RedisConnOpt, d jobs.Dispatch) {
	t.Helper()
	c := asynq.NewClient(opt)
	defer c.Close()
	task := asynq.NewTask(d.Kind.HintType(), jobs.Hint{TaskID: d.TaskID}.Payload())
	if _, err := c.Enqueue(task, asynq.TaskID(d.HintID()), asynq.Queue(string(d.Queue))); err != nil {
		t.Fatal(err)
	}
}

func mustInspector(t *testing.T, opt asynq.RedisConnOpt) *asynq.Inspector {
	t.Helper()
	i := asynq.NewInspector(opt)
	t.Cleanup(func() { _ = i.Close() })
	return i
}

func TestMetricsShowWhatTheDatabaseAndTheQueuesHold(t *testing.T) {
	t.Parallel()
	opt := mustRedis(t)
	for i := range 3 {
		enqueue(t, opt, jobs.Dispatch{TaskID: fmt.Sprint("task-", i), Kind: jobs.BatchTask, Queue: jobs.Bulk, No: 1})
	}
	registry := prometheus.NewRegistry()
	m, err := NewMetrics(registry, "v1.2.3", "go1.26")
	if err != nil {
		t.Fatal(err)
	}
	m.ObserveChunk(100, 90*time.Millisecond)
	m.CountBatchRetry(jobs.CodeContention)
	m.Count(jobs.LeaseExpired, 3)
	m.ObserveLoop("dispatch", nil)
	m.ObserveLoop("dispatch", errors.New("SQLSTATE 57P01"))
	m.SetSlots(4)
	m.ObserveRequest("POST", "/v1/erasures", 202, 30*time.Millisecond)
	m.ObserveRequest("GET", "", 404, time.Millisecond)
	if err := RegisterPool(registry, func() PoolStats { return PoolStats{10, 3, 2, 7, 1500 * time.Millisecond} }); err != nil {
		t.Fatal(err)
	}
	registry.MustRegister(NewCollector(fakeStats{stats: jobs.Stats{
		Jobs:       map[jobs.State]int{jobs.Running: 2, jobs.Completed: 5},
		Clients:    map[jobs.Outcome]int64{jobs.Erased: 7_000_000_000},
		Tasks:      map[jobs.TaskKind]map[jobs.TaskState]int{jobs.BatchTask: {jobs.TaskPending: 4}},
		Mails:      map[jobs.MailState]int{jobs.MailSent: 1},
		OldestOpen: 90 * time.Second, OldestDue: 80 * time.Second, OldestMail: 70 * time.Second,
		StaleViews: map[string]time.Duration{"regulars": time.Minute},
		Blocked:    map[string]int{"the map does not cover public.clients.iban": 2}, LateClients: 3,
		Residues: map[string]int{"mixed": 3}, Unmixed: 1,
	}}, mustInspector(t, opt), zerolog.Nop()))
	s := mustServe(t, Options{Redis: opt, Registry: registry})

	_, text := mustAsk(t, s, "GET", "/metrics")
	for _, want := range []string{
		`oubli_jobs{state="running"} 2`, `oubli_jobs{state="completed"} 5`, `oubli_jobs{state="cancelled"} 0`,
		`oubli_clients_total{outcome="erased"} 7e+09`, `oubli_clients_total{outcome="skipped"} 0`,
		`oubli_tasks{kind="batch",state="pending"} 4`, `oubli_tasks{kind="mail",state="failed"} 0`,
		`oubli_mails{state="sent"} 1`, `oubli_mails{state="failed"} 0`, `oubli_oldest_open_job_age_seconds 90`,
		`oubli_queue_hints{queue="bulk",state="pending"} 3`, `oubli_queue_hints{queue="interactive",state="pending"} 0`,
		`oubli_queue_latency_seconds{queue="mail"} 0`, `oubli_queue_latency_seconds{queue="bulk"} `,
		`oubli_chunk_seconds_bucket{le="0.1"} 1`, `oubli_chunk_seconds_bucket{le="0.05"} 0`, `oubli_chunk_clients_sum 100`,
		`oubli_batch_retries_total{reason="contention"} 1`, `oubli_batch_retries_total{reason="unavailable"} 0`,
		`oubli_oldest_due_batch_age_seconds 80`, `oubli_oldest_open_mail_age_seconds 70`,
		`oubli_blocked_jobs{reason="the map does not cover public.clients.iban"} 2`,
		`oubli_view_stale_seconds{view="regulars"} 60`, `oubli_late_rows_refused_clients 3`,
		`oubli_residue_jobs{level="mixed"} 3`, `oubli_residue_jobs{level="wal"} 0`, `oubli_residue_unmixed_jobs 1`,
		`oubli_leases_expired_total 3`, `oubli_fence_losses_total 0`, `oubli_hints_resent_total 0`, `oubli_worker_slots 4`,
		`oubli_loop_failures_total{loop="dispatch"} 1`, `oubli_loop_last_success_timestamp_seconds{loop="dispatch"} 1.`,
		`oubli_http_requests_total{method="POST",route="/v1/erasures",status="202"} 1`,
		`oubli_http_requests_total{method="GET",route="none",status="404"} 1`,
		`oubli_http_request_seconds_count{route="/v1/erasures"} 1`, `oubli_build_info{go_version="go1.26",version="v1.2.3"} 1`,
		`oubli_database_connections{state="in_use"} 3`, `oubli_database_connections{state="idle"} 2`, `oubli_database_connections_max 10`,
		`oubli_database_waits_total 7`, `oubli_database_wait_seconds_total 1.5`,
		`oubli_source_up{source="database"} 1`, `oubli_source_up{source="redis"} 1`,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	for _, state := range jobs.States() {
		if !strings.Contains(text, fmt.Sprintf("oubli_jobs{state=%q}", state)) {
			t.Errorf("no series for state %s", state)
		}
	}
}

// unreachable is a Redis that does not answer.
type unreachable struct{}

func (unreachable) Queues() ([]string, error) { return nil, errors.New("dial: " + marker) }

func (unreachable) GetQueueInfo(string) (*asynq.QueueInfo, error) {
	return nil, errors.New("dial: " + marker)
}

func TestASourceThatIsDownLeavesTheOtherStanding(t *testing.T) {
	t.Parallel()
	opt := mustRedis(t)
	for _, c := range []struct {
		name       string
		collector  *Collector
		has, lacks string
	}{
		{"database", NewCollector(fakeStats{err: errors.New("SQLSTATE 57P01 " + marker)}, mustInspector(t, opt), zerolog.Nop()),
			"oubli_queue_hints{", "oubli_jobs{"},
		{"redis", NewCollector(fakeStats{}, unreachable{}, zerolog.Nop()), "oubli_jobs{", "oubli_queue_hints{"},
	} {
		registry := prometheus.NewRegistry()
		registry.MustRegister(c.collector)
		resp, text := mustAsk(t, mustServe(t, Options{Redis: opt, Registry: registry}), "GET", "/metrics")
		if resp.StatusCode != 200 || !strings.Contains(text, c.has) || strings.Contains(text, c.lacks) || strings.Contains(text, marker) ||
			!strings.Contains(text, `oubli_source_up{source="`+c.name+`"} 0`) {
			t.Errorf("without the %s: got %d\n%s", c.name, resp.StatusCode, text)
		}
	}
}
