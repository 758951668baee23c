package httpapi

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/oubli/oubli/jobs"
)

func TestRetentionIsReadForTheTokensTenantOrTheOneThatAServiceNames(t *testing.T) {
	t.Parallel()
	b := newTestAPI(t)
	for _, c := range []struct {
		token, query string
		want         int
	}{
		{"studio", "", 200},
		{"studio", "?tenant_id=studio", 200},
		{"studio", "?tenant_id=" + marker, 403},
		{"studio", "?tenant_id=*", 403},
		{jobs.AnyTenant, "?tenant_id=gym", 200},
		{jobs.AnyTenant, "", 422},
		{jobs.AnyTenant, "?tenant_id=*", 422},
		{jobs.AnyTenant, "?tenant_id=a%00b", 422},
		{"studio", "?tenant=" + marker, 422},
	} {
		a := b.ask(t, "GET", "/v1/retention"+c.query, mustToken(t, c.token, jobs.Viewer), "")
		if a.StatusCode != c.want {
			t.Errorf("token of %s with %q: got %d %s, want %d", c.token, c.query, a.StatusCode, a.body, c.want)
			continue
		}
		var r jobs.Retention
		if err := json.Unmarshal([]byte(a.body), &r); c.want == 200 && (err != nil || r.Kept == nil || r.Sweeps == nil) {
			t.Errorf("got %s", a.body)
		}
	}
	if want := []string{"studio", "studio", "gym"}; !slices.Equal(b.store.retentions, want) {
		t.Errorf("the store was asked for %v, want %v", b.store.retentions, want)
	}
}
