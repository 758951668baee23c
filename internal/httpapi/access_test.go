package httpapi

import (
	"strings"
	"testing"

	"github.com/oubli/oubli/jobs"
)

func TestATenantIDOfAnotherTenantIsRefused(t *testing.T) {
	t.Parallel()
	b := newTestAPI(t)
	body := func(tenant string) string {
		return `{"tenant_id":"` + tenant + `","client_ids":["a"],"reason":"inactivity"}`
	}
	for _, c := range []struct {
		name, token, tenant string
		want                int
		code                string
	}{
		{"its own", "studio", "studio", 202, ""},
		{"another", "studio", marker, 403, "tenant_mismatch"},
		{"all", "studio", "*", 403, "tenant_mismatch"},
		{"service names one", "*", "studio", 202, ""},
		{"service names all", "*", "*", 422, "validation_failed"},
	} {
		a := b.ask(t, "POST", "/v1/erasures", mustToken(t, c.token, jobs.Admin), body(c.tenant), "Idempotency-Key: k-"+c.token+"-"+c.tenant)
		if a.StatusCode != c.want || c.code != "" && a.problem(t).Code != c.code {
			t.Errorf("%s: got %d %s, want %d %s", c.name, a.StatusCode, a.body, c.want, c.code)
		}
	}
	for query, want := range map[string]int{"tenant_id=studio": 200, "tenant_id=" + marker: 403, "tenant_id=*": 403} {
		if a := b.ask(t, "GET", "/v1/erasures?"+query, mustToken(t, "studio", jobs.Viewer), ""); a.StatusCode != want {
			t.Errorf("list with %s: got %d %s, want %d", query, a.StatusCode, a.body, want)
		}
	}
}

func TestAListShowsTheTokensTenantAndAServiceMayNameOne(t *testing.T) {
	t.Parallel()
	b := newTestAPI(t)
	for _, c := range []struct{ token, query, want string }{
		{"studio", "", "studio"},
		{"studio", "?tenant_id=studio", "studio"},
		{jobs.AnyTenant, "", jobs.AnyTenant},
		{jobs.AnyTenant, "?tenant_id=gym", "gym"},
	} {
		b.ask(t, "GET", "/v1/erasures"+c.query, mustToken(t, c.token, jobs.Viewer), "")
		last := b.store.filters[len(b.store.filters)-1]
		if last.TenantID != c.want || last.Kind != jobs.Erasure || last.Limit != jobs.DefaultPage {
			t.Errorf("token of %s with %q asks the store for %+v, want tenant %s", c.token, c.query, last, c.want)
		}
	}
}

func TestAnythingButOneBearerHeaderIsUnauthenticated(t *testing.T) {
	t.Parallel()
	b := newTestAPI(t)
	good := mustToken(t, "studio", jobs.Admin)
	for name, headers := range map[string][]string{
		"none":        nil,
		"basic":       {"Authorization: Basic " + good},
		"no scheme":   {"Authorization: " + good},
		"empty":       {"Authorization: "},
		"bearer only": {"Authorization: Bearer"},
		"twice":       {"Authorization: Bearer " + good, "Authorization: Bearer " + good},
		"too long":    {"Authorization: Bearer " + strings.Repeat("a", maxToken+1)},
	} {
		if a := b.ask(t, "GET", "/v1/erasures", "", "", headers...); a.StatusCode != 401 || a.problem(t).Code != "unauthenticated" {
			t.Errorf("%s: got %d %s", name, a.StatusCode, a.body)
		}
	}
	if a := b.ask(t, "GET", "/v1/erasures", "", "", "Authorization: bearer "+good); a.StatusCode != 200 {
		t.Errorf("the scheme in lower case: got %d %s", a.StatusCode, a.body)
	}
	if a := b.ask(t, "GET", "/v1/erasures?access_token="+good, "", ""); a.StatusCode != 401 {
		t.Errorf("a token in the URL: got %d %s", a.StatusCode, a.body)
	}
}

func TestSubjectsOfDifferentTenantsDoNotShareKeys(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, c := range []jobs.Caller{
		{Tenant: "a", Subject: "b/c"},
		{Tenant: "a/b", Subject: "c"},
		{Tenant: "a", Subject: "b"},
		{Tenant: "*", Subject: "b"},
	} {
		if other, ok := seen[keyspace(c)]; ok {
			t.Errorf("%s %s shares its keys with %s", c.Tenant, c.Subject, other)
		}
		seen[keyspace(c)] = c.Tenant + " " + c.Subject
	}
}
