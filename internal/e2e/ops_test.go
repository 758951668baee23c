package e2e

import (
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
)

// readPage reads a page of the operations listener.
func readPage(t *testing.T, s *app.Service, path string) (int, string) {
	t.Helper()
	resp, err := http.Get("http://" + s.OpsAddr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if found := marker.Find(body); found != nil {
		t.Errorf("%s contains data of a client: %q", path, found)
	}
	return resp.StatusCode, string(body)
}

func listens(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

func TestOperatorsSeeTheWorkAndNobodysData(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.slots, s.batch = 1, 10
	g := newGate(t, "chunk:decided")
	service := s.start(t, both, app.Tuning{Failpoint: g.pass})
	c := admin(t, service, "1")
	asked := s.plain(t, 1, 40)
	job := mustErase(t, c, apiclient.Erasure{ClientIDs: asked, Comment: "Moreau-Vezkimudapo wrote"})
	g.await(t)

	if status, _ := readPage(t, service, "/monitoring/"); status != http.StatusOK {
		t.Errorf("the dashboard answers %d", status)
	}
	ids := regexp.MustCompile(`"payload":"(.*?[^\\])"`)
	status, active := readPage(t, service, "/monitoring/api/queues/bulk/active_tasks")
	payloads := ids.FindAllStringSubmatch(active, -1)
	if status != http.StatusOK || len(payloads) != 1 {
		t.Fatalf("active tasks: %d %s", status, active)
	}
	_, waiting := readPage(t, service, "/monitoring/api/queues/bulk/pending_tasks")
	for _, p := range append(payloads, ids.FindAllStringSubmatch(waiting, -1)...) {
		if !regexp.MustCompile(`^\{\\"task_id\\":\\"[0-9a-f-]{36}\\"\}$`).MatchString(p[1]) {
			t.Errorf("a payload holds more than an id: %s", p[1])
		}
	}
	for _, id := range asked {
		if strings.Contains(active+waiting, `"`+id+`"`) {
			t.Errorf("the dashboard shows client %s", id)
		}
	}
	_, metrics := readPage(t, service, "/metrics")
	expectMetrics(t, metrics, `oubli_jobs{state="running"} 1`, `oubli_tasks{kind="batch",state="running"} 1`,
		`oubli_queue_hints{queue="bulk",state="active"} 1`)
	g.open()
	until(t, c, job.ID, "the end", mailed)

	_, metrics = readPage(t, service, "/metrics")
	expectMetrics(t, metrics, `oubli_jobs{state="completed"} 1`, `oubli_jobs{state="running"} 0`, `oubli_mails{state="sent"} 1`,
		`oubli_source_up{source="database"} 1`, `oubli_source_up{source="redis"} 1`,
		`oubli_chunk_clients_sum 40`, `oubli_oldest_open_job_age_seconds 0`)
}

func expectMetrics(t *testing.T, metrics string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !slices.Contains(strings.Split(metrics, "\n"), line) {
			t.Errorf("/metrics has no line %s", line)
		}
	}
	if t.Failed() {
		t.Log(metrics)
	}
}

func TestReadinessFollowsRedisAndHealthDoesNot(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	service := s.start(t, both, app.Tuning{})
	bookingdb.Wait(t, "/readyz to be content", func() bool {
		status, _ := ready(t, service)
		return status == http.StatusOK
	})
	s.redis.Stop()
	bookingdb.Wait(t, "/readyz to miss Redis", func() bool {
		status, failing := ready(t, service)
		return status == http.StatusServiceUnavailable && len(failing) == 1 && strings.HasPrefix(failing[0], "redis: ")
	})
	if status, body := readPage(t, service, "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz answers %d %s", status, body)
	}
	_, metrics := readPage(t, service, "/metrics")
	expectMetrics(t, metrics, `oubli_source_up{source="database"} 1`, `oubli_source_up{source="redis"} 0`, `oubli_jobs{state="running"} 0`)
	if err := s.redis.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	bookingdb.Wait(t, "/readyz to be content again", func() bool {
		status, _ := ready(t, service)
		return status == http.StatusOK
	})
	c := admin(t, service, "1")
	if job := until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: s.plain(t, 1, 1)}).ID, "the end", ended); job.State != jobs.Completed {
		t.Errorf("%+v", job)
	}
}
