package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/oubli/oubli/jobs"
)

const goodMerge = `{"source_client_ids":["a",7],"target":{"client_id":"b"},"delete_source":true}`

func TestAMergeArrivesAsItWasMeant(t *testing.T) {
	t.Parallel()
	owner := []string{"owner@studio.example"}
	for _, c := range []struct {
		name, body string
		want       jobs.MergeRequest
	}{
		{"least", goodMerge,
			jobs.MergeRequest{SourceIDs: []string{"a", "7"}, Target: "b", DeleteSource: true, FillBlanks: true,
				Conflicts: jobs.FailOnConflict, Notify: owner}},
		{"into nobody", `{"source_client_ids":["a"],"target":{"anonymous":true},"delete_source":false}`,
			jobs.MergeRequest{SourceIDs: []string{"a"}, FillBlanks: true, Conflicts: jobs.FailOnConflict, Notify: owner}},
		{"most", `{
			"tenant_id": "studio",
			"source_client_ids": ["a"],
			"target": {"client_id": 9007199254740993},
			"delete_source": true,
			"fill_blanks": false,
			"conflicts": "keep_target",
			"comment": "RGPD",
			"notify": ["a@b.example"],
			"locale": "fr"
		}`, jobs.MergeRequest{
			SourceIDs:    []string{"a"},
			Target:       "9007199254740993",
			DeleteSource: true,
			Conflicts:    jobs.KeepTarget,
			Comment:      "RGPD",
			Notify:       []string{"a@b.example"},
			Locale:       "fr",
		}},
		{"dry run", `{"source_client_ids":["a"],"target":{"client_id":"b","anonymous":false},"delete_source":true,"dry_run":true}`,
			jobs.MergeRequest{SourceIDs: []string{"a"}, Target: "b", DeleteSource: true, FillBlanks: true,
				Conflicts: jobs.FailOnConflict, DryRun: true}},
	} {
		b := newTestAPI(t)
		a := b.ask(t, "POST", "/v1/merges", mustToken(t, "studio", jobs.Admin), c.body, "Idempotency-Key: k")
		if a.StatusCode != http.StatusAccepted || !strings.HasPrefix(a.Header.Get("Location"), "/v1/merges/") {
			t.Errorf("%s: got %d %s", c.name, a.StatusCode, a.body)
			continue
		}
		anonymous := fmt.Sprintf(`"anonymous":%v`, c.want.Target == "")
		for _, want := range []string{`"conflicting":{}`, `"exceptions":{}`, `"rows":{}`, `"merged":0`, `"pending":`, anonymous} {
			if !strings.Contains(a.body, want) {
				t.Errorf("%s: no %s in %s", c.name, want, a.body)
			}
		}
		c.want.TenantID, c.want.CreatedBy = "studio", "u1"
		if got, want := fmt.Sprintf("%+v", b.store.merges[0]), fmt.Sprintf("%+v", c.want); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, want)
		}
	}
}

func TestAnInvalidMergeIsRefused(t *testing.T) {
	t.Parallel()
	b := newTestAPI(t)
	token := mustToken(t, "studio", jobs.Admin)
	many := `"x"` + strings.Repeat(`,"x"`, jobs.MaxSources)
	for _, c := range []struct{ name, body, code, pointer string }{
		{"no source", `{"source_client_ids":[],"target":{"anonymous":true},"delete_source":true}`, "too_few", "/source_client_ids"},
		{"too many", `{"source_client_ids":[` + many + `],"target":{"anonymous":true},"delete_source":true}`, "too_many", "/source_client_ids"},
		{"no target", `{"source_client_ids":["a"],"delete_source":true}`, "required", "/target"},
		{"two targets", `{"source_client_ids":["a"],"target":{"anonymous":true,"client_id":"b"},"delete_source":true}`,
			"contradiction", "/target"},
		{"an empty target", `{"source_client_ids":["a"],"target":{},"delete_source":true}`, "contradiction", "/target"},
		{"a target that is not", `{"source_client_ids":["a"],"target":{"anonymous":false},"delete_source":true}`, "contradiction", "/target"},
		{"a target of text", `{"source_client_ids":["a"],"target":"b","delete_source":true}`, "wrong_type", "/target"},
		{"unsaid whether to delete", `{"source_client_ids":["a"],"target":{"client_id":"b"}}`, "required", "/delete_source"},
		{"a rule that is none",
			`{"source_client_ids":["a"],"target":{"client_id":"b"},"delete_source":true,"conflicts":"keep_source"}`,
			"bad_value", "/conflicts"},
		{"a dry run with a mail",
			`{"source_client_ids":["a"],"target":{"client_id":"b"},"delete_source":true,"dry_run":true,"notify":["a@b.example"]}`,
			"contradiction", "/notify"},
		{"a reason", `{"source_client_ids":["a"],"target":{"client_id":"b"},"delete_source":true,"reason":"inactivity"}`, "unknown_field", ""},
	} {
		a := b.ask(t, "POST", "/v1/merges", token, c.body, "Idempotency-Key: k")
		if a.StatusCode != 422 || a.problem(t).Errors[0].Code != c.code || a.problem(t).Errors[0].Pointer != c.pointer {
			t.Errorf("%s: got %d %s", c.name, a.StatusCode, a.body)
		}
	}
	if a := b.ask(t, "POST", "/v1/merges", token, goodMerge); a.StatusCode != 400 || a.problem(t).Code != "idempotency_key_missing" {
		t.Errorf("without a key: got %d %s", a.StatusCode, a.body)
	}
	if len(b.store.merges) != 0 {
		t.Errorf("%d requests reached the store", len(b.store.merges))
	}
}

func TestOutcomesOfSourcesAreCalledWhatTheyAre(t *testing.T) {
	t.Parallel()
	b := newTestAPI(t)
	token := mustToken(t, "studio", jobs.Admin)
	at := b.ask(t, "POST", "/v1/merges", token, goodMerge, "Idempotency-Key: k").Header.Get("Location")
	if a := b.ask(t, "GET", at+"/clients?outcome=merged_retained&limit=5", token, ""); a.StatusCode != 200 || a.body != "{\"items\":[]}\n" {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	if got := b.store.clients[0]; got.Kind != jobs.Merge || got.Outcome != jobs.ErasedRetained || got.Limit != 5 {
		t.Errorf("the store was asked for %+v", got)
	}
	if a := b.ask(t, "GET", at+"/clients?outcome=erased_retained", token, ""); a.StatusCode != 422 {
		t.Errorf("an erasure's outcome: got %d %s", a.StatusCode, a.body)
	}
}
