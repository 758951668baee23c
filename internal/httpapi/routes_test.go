package httpapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/oubli/oubli/jobs"
)

// rule says who may use a route, and how a route depends on the tenant. The test
// fails for a route of the document without a rule, so that nobody forgets to
// decide this for a new route.
type rule struct {
	who   audience
	ofOne bool // about one object, for which callers of other tenants get 404
	named bool // a trusted service must send tenant_id
}

var rules = map[string]rule{
	"POST /v1/erasures":                {who: admins, named: true},
	"GET /v1/erasures":                 {who: readers},
	"GET /v1/erasures/{id}":            {who: readers, ofOne: true},
	"GET /v1/erasures/{id}/clients":    {who: readers, ofOne: true},
	"POST /v1/erasures/{id}/cancel":    {who: admins, ofOne: true},
	"POST /v1/erasures/{id}/pause":     {who: admins, ofOne: true},
	"POST /v1/erasures/{id}/resume":    {who: admins, ofOne: true},
	"POST /v1/erasures/{id}/retry":     {who: admins, ofOne: true},
	"POST /v1/merges":                  {who: admins, named: true},
	"GET /v1/merges":                   {who: readers},
	"GET /v1/merges/{id}":              {who: readers, ofOne: true},
	"GET /v1/merges/{id}/clients":      {who: readers, ofOne: true},
	"POST /v1/merges/{id}/cancel":      {who: admins, ofOne: true},
	"POST /v1/console-sessions":        {who: readers, named: true},
	"DELETE /v1/console-sessions/{id}": {who: readers, ofOne: true},
	"GET /v1/events":                   {who: readers},
	"GET /v1/retention":                {who: readers, named: true},
	"GET /v1/clients":                  {who: admins, named: true}, // shows names
	"GET /v1/clients/{id}":             {who: admins, ofOne: true, named: true},
	"GET /v1/selections":               {who: admins},
	"POST /v1/selections":              {who: admins, named: true},
	"GET /v1/selections/{id}":          {who: admins, ofOne: true}, // a selection shows names
	"GET /v1/selections/{id}/clients":  {who: admins, ofOne: true},
	"PATCH /v1/selections/{id}":        {who: admins, ofOne: true},
}

func TestEveryRouteHasARuleAndEveryRuleARoute(t *testing.T) {
	t.Parallel()
	_, _, _, routes := mustSwappableAPI(t)
	missing := maps.Clone(rules)
	for _, r := range routes {
		if _, ok := rules[r.String()]; !ok {
			t.Errorf("%s: say in rules who may use it", r)
		}
		delete(missing, r.String())
	}
	for name := range missing {
		t.Errorf("%s has a rule and is not in the document", name)
	}
}

// testCaller is a caller in the table of callers and routes.
type testCaller struct {
	name, token   string
	tenant        string
	role          jobs.Role
	authenticated bool // has a valid token
}

func callers(t *testing.T) []testCaller {
	t.Helper()
	sign := func(key []byte, change func(jwt.MapClaims)) string {
		c := goodClaims()
		c["iat"], c["exp"] = time.Now().Unix(), time.Now().Add(time.Hour).Unix()
		change(c)
		return mustSign(t, jwt.SigningMethodHS256, key, c)
	}
	all := []testCaller{
		{name: "nobody"},
		{name: "a forger", token: "x.y.z"},
		{name: "another key's admin", token: sign([]byte(strings.Repeat("x", 40)), func(jwt.MapClaims) {})},
		{name: "an admin of yesterday", token: sign(testSecret, func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Minute).Unix() })},
		{name: "an admin of tomorrow", token: sign(testSecret, func(c jwt.MapClaims) { c["nbf"] = time.Now().Add(time.Hour).Unix() })},
		{name: "another service's admin", token: sign(testSecret, func(c jwt.MapClaims) { c["aud"] = "booking" })},
		{name: "an admin of no tenant", token: sign(testSecret, func(c jwt.MapClaims) { delete(c, "tenant") })},
		{name: "somebody without a role", token: sign(testSecret, func(c jwt.MapClaims) { delete(c, "role") })},
	}
	for _, tenant := range []string{"studio", "other", jobs.AnyTenant} {
		for _, role := range []jobs.Role{jobs.Admin, jobs.Viewer, "root", "ADMIN"} {
			all = append(all, testCaller{
				name:          string(role) + " of " + tenant,
				token:         mustToken(t, tenant, role),
				tenant:        tenant,
				role:          role,
				authenticated: true,
			})
		}
	}
	return all
}

// want returns the status that a caller should get.
func (r rule) want(w testCaller, success int) int {
	switch {
	case !w.authenticated:
		return http.StatusUnauthorized
	case w.role != jobs.Admin && (r.who == admins || w.role != jobs.Viewer):
		return http.StatusForbidden
	case r.ofOne && w.tenant == "other":
		return http.StatusNotFound
	case r.named && w.tenant == jobs.AnyTenant:
		return http.StatusUnprocessableEntity
	}
	return success
}

func TestEveryRouteAdmitsExactlyTheRolesAndTenantsOfItsRule(t *testing.T) {
	t.Parallel()
	h, st, _, routes := mustSwappableAPI(t)
	ask := func(r route, token, id string) (*httptest.ResponseRecorder, *memoryStore) {
		store := storeWithJob()
		st.memoryStore = store
		req := httptest.NewRequest(r.method, r.at(id), strings.NewReader(r.example))
		req.Header.Set("Idempotency-Key", "k")
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		return w, store
	}
	checked := 0
	for _, c := range callers(t) {
		for _, r := range routes {
			w, store := ask(r, c.token, selectionID)
			want := rules[r.String()].want(c, r.success)
			if w.Code != want {
				t.Errorf("%s on %s: got %d, want %d\n%s", c.name, r, w.Code, want, w.Body)
			}
			if challenge := w.Header().Get("WWW-Authenticate"); (want == 401) != strings.HasPrefix(challenge, "Bearer ") {
				t.Errorf("%s on %s: status %d with WWW-Authenticate %q", c.name, r, w.Code, challenge)
			}
			if want >= 400 && (wasAsked(store) || !reflect.DeepEqual(store.jobs, storeWithJob().jobs)) {
				t.Errorf("%s on %s: refused, and the store has been asked", c.name, r)
			}
			if want == http.StatusNotFound {
				nothing, _ := ask(r, c.token, "0199b4a2-7c1e-7d53-9a1f-0000000000ee")
				if told, plain := withoutID(t, w), withoutID(t, nothing); told != plain {
					t.Errorf("%s on %s: another tenant's thing is answered\n%s\nand one that is not there\n%s", c.name, r, told, plain)
				}
			}
			checked++
		}
	}
	if checked != len(rules)*20 {
		t.Errorf("checked %d pairs of caller and route", checked)
	}
}

// withoutID returns an answer without its request id, which always differs.
func withoutID(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var p Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	p.RequestID = ""
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(w.Code) + string(text)
}

// route is one operation of the document.
type route struct {
	method, path string
	example      string // of the body; empty: it takes none
	success      int
	responses    map[string]bool // statuses that are documented
}

func (r route) String() string { return r.method + " " + r.path }

// at is the path with an id in it.
func (r route) at(id string) string { return strings.ReplaceAll(r.path, "{id}", id) }

// routesOf reads the operations of a handler from its OpenAPI document.
func routesOf(tb testing.TB, h http.Handler) []route {
	tb.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	var d document31
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
		tb.Fatal(err)
	}
	var routes []route
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			op := d.Paths[path][method]
			r := route{method: strings.ToUpper(method), path: path, responses: map[string]bool{}}
			for status := range op.Responses {
				r.responses[status] = true
				if n, _ := strconv.Atoi(status); n < 300 && n > 0 {
					r.success = n
				}
			}
			if op.RequestBody != nil {
				text, err := json.Marshal(op.RequestBody.Content["application/json"].Example)
				if err != nil || string(text) == "null" {
					tb.Fatalf("%s: the document has no example of a body: %v", r, err)
				}
				r.example = string(text)
			}
			routes = append(routes, r)
		}
	}
	return routes
}
