package e2e

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/jobs"
)

// operation is a route of the API's OpenAPI document.
type operation struct{ method, path, example string }

func operations31(t *testing.T, s *app.Service) []operation {
	t.Helper()
	resp, err := http.Get("http://" + s.APIAddr + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Paths map[string]map[string]struct {
			RequestBody struct {
				Content map[string]struct{ Example json.RawMessage }
			}
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	var all []operation
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			example := d.Paths[path][method].RequestBody.Content["application/json"].Example
			all = append(all, operation{strings.ToUpper(method), path, string(example)})
		}
	}
	return all
}

// The test calls every route of the program with the ids of tenant 1 and with tokens
// that give no right to them. For a route with a new kind of id, add such an id of
// tenant 1 here.
func TestNoRouteShowsOrChangesDataOfAnotherTenant(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	var session struct{ ID string }
	if status, code := ask(t, s.service, http.MethodPost, "/v1/console-sessions", s.token, "{}", &session); status != http.StatusCreated {
		t.Fatalf("the console session is answered %d %s", status, code)
	}
	things := map[string]string{
		"erasures": s.job, "merges": s.merge, "selections": s.selection, "clients": s.plain(t, 1, 1)[0], "console-sessions": session.ID,
	}
	const nothing = "0199b4a2-7c1e-7d53-9a1f-0000000000ee"
	before := s.digestAll(t)
	asked := 0
	for _, op := range operations31(t, s.service) {
		thing, known := things[strings.Split(op.path, "/")[2]]
		ofOne := strings.Contains(op.path, "{id}")
		if ofOne && !known {
			t.Errorf("%s %s: add an id of tenant 1 of this kind to things", op.method, op.path)
		}
		path := strings.ReplaceAll(op.path, "{id}", thing)
		for _, c := range []struct {
			name, tenant string
			role         jobs.Role
			want         []int
		}{
			{"a receptionist of tenant 1", "1", "receptionist", []int{403}},
			{"a receptionist of all tenants", jobs.AnyTenant, "receptionist", []int{403}},
			{"an administrator of tenant 2", "2", jobs.Admin, []int{404}},
			{"a viewer of tenant 2", "2", jobs.Viewer, []int{403, 404}},
			{"an administrator of an unknown tenant", "77", jobs.Admin, []int{404}},
			{"an administrator of tenant 1, misspelt", "01", jobs.Admin, []int{404}},
			{"an administrator of a pattern", "%", jobs.Admin, []int{404}},
		} {
			own := op.method == http.MethodGet || op.path == "/v1/console-sessions" // a viewer may see lists, and sign in
			if !ofOne && c.role == jobs.Admin || !ofOne && own && c.role == jobs.Viewer {
				continue // these tokens may use the route; the loop below checks what they see
			}
			asked++
			token := mustMint(t, c.tenant, c.role)
			status, code := ask(t, s.service, op.method, path, token, op.example, nil)
			if !slices.Contains(c.want, status) {
				t.Errorf("%s on %s %s: got %d %s, want %v", c.name, op.method, op.path, status, code, c.want)
			}
			again, same := ask(t, s.service, op.method, strings.ReplaceAll(op.path, "{id}", nothing), token, op.example, nil)
			if again != status || same != code {
				t.Errorf("%s on %s %s: an id of another tenant gets %d %s, an unknown id %d %s", c.name, op.method, op.path, status, code, again, same)
			}
		}
		if !ofOne && op.method == http.MethodGet && op.path != "/v1/events" { // a stream; internal/events tests who sees what
			for _, tenant := range []string{"2", "77", "01", "%", "1' OR '1'='1"} {
				if tenant == "2" && op.path == "/v1/clients" {
					continue // which has clients of its own
				}
				var l struct{ Items []json.RawMessage }
				status, code := ask(t, s.service, op.method, path, mustMint(t, tenant, jobs.Admin), "", &l)
				if status != http.StatusOK || len(l.Items) > 0 {
					t.Errorf("tenant %s on %s %s: got %d %s, %s", tenant, op.method, op.path, status, code, l.Items)
				}
			}
		}
	}
	if asked < 60 {
		t.Errorf("asked only %d times", asked)
	}
	if after := s.digestAll(t); !maps.Equal(before, after) {
		t.Errorf("the database has changed:\nbefore %v\nafter  %v", before, after)
	}
}

// No URL contains the key of a client: not the URLs that oubli's own HTTP client
// uses, and not the cursors of lists.
func TestNoURLContainsAClientsKey(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.Exec(t, `INSERT INTO oubli.exceptions (job_id, client_id, outcome, code)
		SELECT $1::text::uuid, 'client' || n || '@example.org', 'not_found', 'not_found' FROM generate_series(1, 7) AS n`, s.job)
	path, seen, cursor := "/v1/erasures/"+s.job+"/clients?limit=3", []string{}, ""
	for {
		var l jobs.List[jobs.Exception]
		if status, code := ask(t, s.service, http.MethodGet, path+cursor, s.token, "", &l); status != http.StatusOK {
			t.Fatalf("%s is answered %d %s", path+cursor, status, code)
		}
		for _, e := range l.Items {
			seen = append(seen, e.ClientID)
		}
		if l.Next == "" {
			break
		}
		if strings.Contains(l.Next, "client") || strings.Contains(l.Next, "example") {
			t.Errorf("the cursor is %s", l.Next)
		}
		cursor = "&cursor=" + l.Next
	}
	if len(seen) != 7 || !slices.IsSorted(seen) {
		t.Errorf("paged through %v", seen)
	}
	later := mustErase(t, admin(t, s.service, "1"), apiclient.Erasure{ClientIDs: s.plain(t, 1, 1)}).ID
	path = "/v1/erasures/" + later + "/clients?limit=3" + cursor
	if status, code := ask(t, s.service, http.MethodGet, path, s.token, "", nil); code != "bad_cursor" {
		t.Errorf("another job's cursor is answered %d %s", status, code)
	}
}
