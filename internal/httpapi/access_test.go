package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/oubli/oubli/jobs"
)

func TestEveryRouteAdmitsExactlyTheRolesAndTenantsItIsFor(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	own := b.ask(t, "POST", "/v1/erasures", mustToken(t, "studio", jobs.Admin), goodBody, "Idempotency-Key: k").job(t)

	one := "/v1/erasures/" + own.ID
	routes := []struct {
		name, method, path, body string
		writes, ofOne            bool
		success                  int
	}{
		{"create", "POST", "/v1/erasures", goodBody, true, false, http.StatusAccepted},
		{"list", "GET", "/v1/erasures", "", false, false, http.StatusOK},
		{"read", "GET", one, "", false, true, http.StatusOK},
		{"clients", "GET", one + "/clients", "", false, true, http.StatusOK},
		{"cancel", "POST", one + "/cancel", "", true, true, http.StatusOK},
		{"pause", "POST", one + "/pause", "", true, true, http.StatusOK},
		{"resume", "POST", one + "/resume", "", true, true, http.StatusOK},
		{"retry", "POST", one + "/retry", "", true, true, http.StatusAccepted},
		{"merge", "POST", "/v1/merges", goodMerge, true, false, http.StatusAccepted},
		{"merges", "GET", "/v1/merges", "", false, false, http.StatusOK},
		{"read merge", "GET", "/v1/merges/" + own.ID, "", false, true, http.StatusOK},
		{"merge clients", "GET", "/v1/merges/" + own.ID + "/clients", "", false, true, http.StatusOK},
		{"cancel merge", "POST", "/v1/merges/" + own.ID + "/cancel", "", true, true, http.StatusOK},
		{"select", "POST", "/v1/selections", `{"period": "P1Y"}`, true, false, http.StatusCreated},
		{"selection", "GET", "/v1/selections/" + selectionID, "", true, true, http.StatusOK},
		{"candidates", "GET", "/v1/selections/" + selectionID + "/clients", "", true, true, http.StatusOK},
		{"tick", "PATCH", "/v1/selections/" + selectionID, `{"exclude": ["1"]}`, true, true, http.StatusOK},
		{"retention", "GET", "/v1/retention", "", false, false, http.StatusOK},
	}
	callers := []struct {
		name, token                string
		all, writes, ofOne, create int // status instead of success, the first that applies; 0: none
	}{
		{name: "nobody", all: 401},
		{name: "a forger", token: "x.y.z", all: 401},
		{name: "the tenant's admin", token: mustToken(t, "studio", jobs.Admin)},
		{name: "the tenant's viewer", token: mustToken(t, "studio", jobs.Viewer), writes: 403},
		{name: "an unknown role", token: mustToken(t, "studio", "root"), all: 403},
		{name: "a role in capitals", token: mustToken(t, "studio", "ADMIN"), all: 403},
		{name: "another tenant's admin", token: mustToken(t, "other", jobs.Admin), ofOne: 404},
		{name: "another tenant's viewer", token: mustToken(t, "other", jobs.Viewer), writes: 403, ofOne: 404},
		{name: "a service without a tenant_id", token: mustToken(t, jobs.AnyTenant, jobs.Admin), create: 422},
		{name: "a service that only reads", token: mustToken(t, jobs.AnyTenant, jobs.Viewer), writes: 403, create: 422},
	}
	for _, c := range callers {
		for _, r := range routes {
			want := r.success
			switch {
			case c.all != 0:
				want = c.all
			case c.writes != 0 && r.writes:
				want = c.writes
			case c.ofOne != 0 && r.ofOne:
				want = c.ofOne
			case c.create != 0 && (r.name == "create" || r.name == "select" || r.name == "merge" || r.name == "retention"):
				want = c.create
			}
			a := b.ask(t, r.method, r.path, c.token, r.body, "Idempotency-Key: "+strings.ReplaceAll(c.name, " ", "-"))
			if a.StatusCode != want {
				t.Errorf("%s on %s: got %d, want %d\n%s", c.name, r.name, a.StatusCode, want, a.body)
			}
			if challenge := a.Header.Get("WWW-Authenticate"); (want == 401) != strings.HasPrefix(challenge, "Bearer ") {
				t.Errorf("%s on %s: status %d with WWW-Authenticate %q", c.name, r.name, a.StatusCode, challenge)
			}
		}
	}
	if n := len(b.store.requests); n != 3 { // the first, the admin's second, the other tenant's
		t.Errorf("%d erasures were accepted, want 3", n)
	}
}

func TestATenantIDOfAnotherTenantIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
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
	b := newBench(t)
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
	b := newBench(t)
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
	for _, c := range []jobs.Caller{{Tenant: "a", Subject: "b/c"}, {Tenant: "a/b", Subject: "c"}, {Tenant: "a", Subject: "b"}, {Tenant: "*", Subject: "b"}} {
		if other, ok := seen[keyspace(c)]; ok {
			t.Errorf("%s %s shares its keys with %s", c.Tenant, c.Subject, other)
		}
		seen[keyspace(c)] = c.Tenant + " " + c.Subject
	}
}
