package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
)

// alert is a rule of docs/monitoring/oubli.rules.yml.
type alert struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func mustReadAlerts(t *testing.T) map[string]alert {
	t.Helper()
	b, err := os.ReadFile("../../docs/monitoring/oubli.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Groups []struct{ Rules []alert } }
	if err := yaml.UnmarshalWithOptions(b, &file, yaml.Strict(), yaml.AllowFieldPrefixes("name")); err != nil {
		t.Fatal(err)
	}
	alerts := map[string]alert{}
	for _, g := range file.Groups {
		for _, a := range g.Rules {
			alerts[a.Alert] = a
		}
	}
	return alerts
}

// expectAlerts fails the test unless the conditions of exactly these alerts are
// met. Percentiles are left out.
func expectAlerts(t *testing.T, when string, l scrapes, want ...string) {
	t.Helper()
	var met []string
	for name, a := range mustReadAlerts(t) {
		if !strings.Contains(a.Expr, "histogram_quantile") && l.met(t, a.Expr) {
			met = append(met, name)
		}
	}
	slices.Sort(met)
	slices.Sort(want)
	if !slices.Equal(met, want) {
		t.Errorf("%s: met are the conditions of %v, want %v", when, met, want)
	}
}

func TestAlertsFireForRefusedMailsAndBlockedJobsAndUseOnlyMetricsThatExist(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	service := s.start(t, both, shortRetry)
	c := admin(t, service, "1")
	asked := s.plain(t, 1, 3)
	until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: asked[:1]}).ID, "the first job", mailed)
	bookingdb.Wait(t, "every loop to come round", func() bool {
		_, text := readPage(t, service, "/metrics")
		return strings.Count(text, "\noubli_loop_last_success_timestamp_seconds{") == 9
	})
	normal := scrapeAll(t, service)
	expectAlerts(t, "all is well", scrapes{normal, normal})

	refusal := mustErase(t, c, apiclient.Erasure{ClientIDs: asked[1:2], Notify: []string{"anna+550@studio.example"}})
	until(t, c, refusal.ID, "the refusal", mailed)
	refused := scrapeAll(t, service)
	expectAlerts(t, "a mail was refused", scrapes{normal, refused}, "OubliMailRefused")

	s.Exec(t, "ALTER TABLE appointments ADD COLUMN remark text")
	isBlocked := func(j jobs.Job) bool { return j.State == jobs.Blocked }
	until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: asked[2:]}).ID, "the job to be blocked", isBlocked)
	blocked := scrapeAll(t, service)
	expectAlerts(t, "a job is blocked", scrapes{refused, blocked}, "OubliBlockedBySchema")
	_, text := readPage(t, service, "/metrics")
	if want := `oubli_blocked_jobs{reason="the map does not cover public.appointments.remark"} 1`; !strings.Contains(text, want) {
		t.Errorf("no %s in\n%s", want, text)
	}

	// Counts as a sweep writes them, for a table that no sweep visits.
	s.Exec(t, `INSERT INTO oubli.retained (tenant_id, name, rule, table_name, counted_at, due, overdue, refused)
		VALUES ('1', 'receipts', 'invoice', 'receipts', now(), 2, 2, 1)`)
	s.Exec(t, "INSERT INTO oubli.refreshes (view, since, occasions) VALUES ('regulars', now() - interval '1 hour', 1)")
	s.Exec(t, "INSERT INTO oubli.late_rows (job_id, client_id, code, given_up) SELECT id, '1', '23514', true FROM oubli.jobs LIMIT 1")
	all := scrapeAll(t, service)
	expectAlerts(t, "rows are kept for too long", scrapes{blocked, all},
		"OubliBlockedBySchema", "OubliLateRowsRefused", "OubliRetentionOverdue", "OubliRetentionRefused", "OubliViewStale")
	expectDocumented(t, all)
	expectKnownMetrics(t, all)
}

// expectDocumented compares the table of metrics in docs/monitoring.md with the
// metrics that exist.
func expectDocumented(t *testing.T, s scrape) {
	t.Helper()
	doc, err := os.ReadFile("../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	line := regexp.MustCompile("(?m)^\\| `(oubli_[a-z_]+)` \\| ([a-z]+) \\| ([a-z_, ]*)\\|")
	for _, row := range line.FindAllStringSubmatch(string(doc), -1) {
		by := strings.FieldsFunc(row[3], func(r rune) bool { return r == ',' || r == ' ' })
		slices.Sort(by)
		rows[fmt.Sprintf("%s, a %s by %v", row[1], row[2], by)] = true
	}
	there := map[string]bool{}
	for name, kind := range s.families {
		if !strings.HasPrefix(name, "oubli_") {
			continue
		}
		by := map[string]bool{}
		for _, x := range s.samples {
			if n := x.labels["__name__"]; n == name || strings.TrimSuffix(n, "_count") == name {
				for label := range x.labels {
					by[label] = true
				}
			}
		}
		delete(by, "instance")
		delete(by, "__name__")
		there[fmt.Sprintf("%s, a %s by %v", name, strings.ToLower(kind.String()), slices.Sorted(maps.Keys(by)))] = true
	}
	for line := range there {
		if !rows[line] {
			t.Errorf("docs/monitoring.md does not list %s", line)
		}
	}
	for line := range rows {
		if !there[line] {
			t.Errorf("docs/monitoring.md lists %s, which does not exist", line)
		}
	}
	if len(there) < 30 {
		t.Errorf("only %d metrics are there", len(there))
	}
}

// expectKnownMetrics checks that rules and dashboard name only metrics that exist.
func expectKnownMetrics(t *testing.T, s scrape) {
	t.Helper()
	there := s.names()
	alerts := mustReadAlerts(t)
	if len(alerts) < 10 {
		t.Errorf("only %d alerts", len(alerts))
	}
	for _, a := range alerts {
		for _, metric := range metricsOf(t, a.Expr) {
			if !there[metric] {
				t.Errorf("alert %s names %s, which is not there", a.Alert, metric)
			}
		}
	}
	b, err := os.ReadFile("../../docs/monitoring/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(b, &dashboard); err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, p := range dashboard.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %s shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			for _, metric := range metricsOf(t, target.Expr) {
				shown[metric] = true
				if !there[metric] {
					t.Errorf("panel %s names %s, which is not there", p.Title, metric)
				}
			}
		}
	}
	for metric := range there {
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(metric, "_sum"), "_count"), "_bucket")
		if strings.HasPrefix(metric, "oubli_") && !shown[metric] && !shown[base+"_bucket"] {
			t.Errorf("the dashboard does not show %s", metric)
		}
	}
}

func TestEveryAlertSaysWhatToDo(t *testing.T) {
	t.Parallel()
	runbook := regexp.MustCompile(`^https://github\.com/oubli/oubli/blob/main/docs/operations\.md#([a-z-]+)$`)
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range mustReadAlerts(t) {
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" || a.For == "" ||
			!slices.Contains([]string{"critical", "warning"}, a.Labels["severity"]) {
			t.Errorf("%s: %+v", name, a)
		}
		link := runbook.FindStringSubmatch(a.Annotations["runbook_url"])
		if link == nil {
			t.Errorf("%s links to %q", name, a.Annotations["runbook_url"])
		} else if heading := regexp.MustCompile(`(?mi)^#+ ` + strings.ReplaceAll(link[1], "-", "[ ,-]+") + `$`); !heading.Match(page) {
			t.Errorf("%s links to #%s, and docs/operations.md has no such section", name, link[1])
		}
	}
}

func TestAlertsFireWhenRedisOrTheWorkersAreGone(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	api := s.start(t, onlyAPI, app.Tuning{})
	alone := scrapeAll(t, api)
	expectAlerts(t, "nobody works", scrapes{alone, alone}, "OubliNoWorker")
	worker := s.start(t, onlyWorker, app.Tuning{})
	both := scrapeAll(t, api, worker)
	expectAlerts(t, "somebody works", scrapes{both, both})
	s.redis.Stop()
	lost := scrapeAll(t, api, worker)
	expectAlerts(t, "Redis is gone", scrapes{both, lost}, "OubliRedisLost")
}

func TestAlertsFireForAJobWithoutProgressAndForAWorkerThatLostItsLease(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	g := newGate(t, "chunk:decided")
	defer g.open()
	silent := s.start(t, both, app.Tuning{Lease: shortLease, Failpoint: g.pass})
	c := admin(t, silent, "1")
	job := mustErase(t, c, apiclient.Erasure{ClientIDs: s.plain(t, 1, 3)})
	g.await(t)
	begun := scrapeAll(t, silent)
	expectAlerts(t, "a worker holds still", scrapes{begun, scrapeAll(t, silent)}, "OubliStuckJob")

	other := s.start(t, onlyWorker, app.Tuning{Lease: shortLease})
	before := scrapeAll(t, silent, other)
	until(t, c, job.ID, "the other worker to take over", mailed)
	expectAlerts(t, "another took over", scrapes{before, scrapeAll(t, silent, other)}, "OubliWorkerDied")
}
