package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/oubli/oubli/jobs"
)

func TestAStreamOfEventsIsWhatABrowserReads(t *testing.T) {
	t.Parallel()
	b := newTestAPI(t)
	token := mustToken(t, "studio", jobs.Viewer)
	a := b.ask(t, "GET", "/v1/events", token, "", "Last-Event-ID: 41")
	const want = "id: 42\nevent: erasure.running\n" +
		`data: {"type":"erasure.running","timestamp":"0001-01-01T00:00:00Z","data":{"id":"x"}}` + "\n\n"
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "text/event-stream" || a.body != want {
		t.Errorf("%d %v\n%s", a.StatusCode, a.Header, a.body)
	}
	if a := b.ask(t, "GET", "/v1/events", token, "", "Last-Event-ID: 0"); !strings.HasPrefix(a.body, "event: expired\n") {
		t.Errorf("got %s", a.body)
	}
	for _, id := range []string{"x", "-1", "99999999999999999999"} {
		if a := b.ask(t, "GET", "/v1/events", token, "", "Last-Event-ID: "+id); a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("id %s: %d %s", id, a.StatusCode, a.body)
		}
	}
	b.store.fail = &jobs.Error{Kind: jobs.Unavailable, Code: "too_many_waiting", Msg: "too many"}
	if a := b.ask(t, "GET", "/v1/events", token, ""); a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
		t.Errorf("one reader too many: %d %s", a.StatusCode, a.body)
	}
}

func TestARequestWaitsForSecondsAndNothingElse(t *testing.T) {
	t.Parallel()
	b := newTestAPI(t)
	token := mustToken(t, "studio", jobs.Viewer)
	b.store.jobs[selectionID] = jobs.Job{ID: selectionID, TenantID: "studio", State: jobs.Running}
	for wait, status := range map[string]int{
		"25s": 200, "1s": 200, "60s": 200, "61s": 422, "0s": 422, "25": 422, "1m": 422, "-1s": 422, "1h": 422, "": 200,
	} {
		for _, kind := range []string{"erasures", "merges"} {
			if a := b.ask(t, "GET", "/v1/"+kind+"/"+selectionID+"?wait="+wait, token, ""); a.StatusCode != status {
				t.Errorf("%s, wait %q: %d, want %d\n%s", kind, wait, a.StatusCode, status, a.body)
			}
		}
	}
}
