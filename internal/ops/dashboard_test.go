package ops

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/hibiken/asynq"

	"github.com/oubli/oubli/jobs"
)

func TestTheDashboardShowsIdsAndNothingElse(t *testing.T) {
	t.Parallel()
	opt := mustRedis(t)
	const id = "0199b4a2-7c1e-7d53-9a1f-000000000001"
	enqueue(t, opt, jobs.Dispatch{TaskID: id, Kind: jobs.BatchTask, Queue: jobs.Bulk, No: 1})
	c := asynq.NewClient(opt)
	defer c.Close()
	for _, payload := range []string{
		`{"name":"` + marker + `"}`,
		marker,
		`{"task_id":"` + marker + ` Vega"}`,
		`{"task_id":"x","name":"` + marker + `"}`,
	} {
		if _, err := c.Enqueue(asynq.NewTask("odd", []byte(payload)), asynq.Queue("bulk")); err != nil {
			t.Fatal(err)
		}
	}
	s := mustServe(t, Options{Redis: opt})
	_, text := mustAsk(t, s, "GET", "/monitoring/api/queues/bulk/pending_tasks")
	var page struct {
		Tasks []struct{ ID, Type, Payload string }
	}
	if err := json.Unmarshal([]byte(text), &page); err != nil || len(page.Tasks) != 5 {
		t.Fatalf("%v: %s", err, text)
	}
	if strings.Contains(text, marker) {
		t.Errorf("a payload is shown: %s", text)
	}
	for _, task := range page.Tasks {
		if task.Type == jobs.BatchTask.HintType() && (task.Payload != `{"task_id":"`+id+`"}` || task.ID != "batch:"+id+":1") {
			t.Errorf("the hint is shown as %+v", task)
		}
	}
}

func TestTheDashboardsPageMayLoadNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	s := mustServe(t, Options{Redis: nowhere})
	for _, path := range []string{"/monitoring", "/monitoring/", "/monitoring/queues/bulk"} {
		resp, page := mustAsk(t, s, "GET", path)
		policy := resp.Header.Get("Content-Security-Policy")
		if resp.StatusCode != 200 || !strings.Contains(page, "FLAG_READ_ONLY") {
			t.Errorf("%s: got %d %s", path, resp.StatusCode, page)
		}
		if !strings.HasPrefix(policy, "default-src 'none'; ") || regexp.MustCompile(`https?:|\*|unsafe-eval`).MatchString(policy) {
			t.Errorf("%s: the policy is %s", path, policy)
		}
		script := regexp.MustCompile(`script-src ([^;]*)`).FindString(policy)
		if strings.Contains(script, "unsafe-inline") || strings.Count(script, "'sha256-") != strings.Count(page, "<script>") {
			t.Errorf("%s: scripts are allowed by %s", path, script)
		}
	}
	resp, _ := mustAsk(t, s, "GET", "/monitoring/static/js/main.5adda2da.chunk.js")
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/javascript") {
		t.Errorf("the page's script: got %d %v", resp.StatusCode, resp.Header)
	}
}

func TestOnlyAWritableDashboardChangesQueuesAndOnlyForItsOwnPage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		writable bool
		headers  []string
		want     int
	}{
		{"read-only", false, []string{"Sec-Fetch-Site: same-origin"}, 405},
		{"read-only, from elsewhere", false, []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"writable", true, []string{"Sec-Fetch-Site: same-origin"}, 204},
		{"writable, by hand", true, nil, 204},
		{"writable, from elsewhere", true, []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"writable, from another port", true, []string{"Sec-Fetch-Site: same-site"}, 403},
		{"writable, from elsewhere by an old browser", true, []string{"Origin: https://evil.example"}, 403},
		{"writable, from nowhere", true, []string{"Origin: null"}, 403},
	} {
		opt := mustRedis(t)
		enqueue(t, opt, jobs.Dispatch{TaskID: "a", Kind: jobs.BatchTask, Queue: jobs.Bulk, No: 1})
		s := mustServe(t, Options{Redis: opt, DashboardWritable: c.writable})
		resp, body := mustAsk(t, s, "POST", "/monitoring/api/queues/bulk:pause", c.headers...)
		q, err := mustInspector(t, opt).GetQueueInfo("bulk")
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != c.want || q.Paused != (c.want == 204) {
			t.Errorf("%s: got %d %s, paused: %v", c.name, resp.StatusCode, body, q.Paused)
		}
		resp, _ = mustAsk(t, s, "DELETE", "/monitoring/api/queues/bulk/pending_tasks:delete_all", c.headers...)
		if (resp.StatusCode < 300) != (c.want == 204) {
			t.Errorf("%s: deleting gets %d", c.name, resp.StatusCode)
		}
	}
}
