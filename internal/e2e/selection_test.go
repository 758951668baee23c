package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/jobs"
)

// refusal is what a test looks at in a problem.
type refusal struct {
	Code, Detail string
	Errors       []struct{ Code string }
}

// ask sends one request to the API and decodes the answer into into; it returns
// the status, and the code of a problem.
func ask(t *testing.T, s *app.Service, method, path, token, body string, into any) (status int, code string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.APIAddr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", fmt.Sprintf("%x", sha256.Sum256([]byte(token+path+body))))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	problem, wanted := into.(*refusal)
	if resp.StatusCode > 299 {
		if !wanted {
			problem = &refusal{}
		}
		into = problem
	} else if wanted {
		return resp.StatusCode, ""
	}
	if into != nil {
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, raw)
		}
	}
	if problem == nil {
		return resp.StatusCode, ""
	}
	code = problem.Code
	if len(problem.Errors) > 0 {
		code = problem.Errors[0].Code // the reason behind validation_failed
	}
	return resp.StatusCode, code
}

// selects makes a selection over HTTP.
func selects(t *testing.T, s *app.Service, studio, body string) jobs.Selection {
	t.Helper()
	var sel jobs.Selection
	status, code := ask(t, s, http.MethodPost, "/v1/selections", mustMint(t, studio, jobs.Admin), body, &sel)
	if status != http.StatusCreated {
		t.Fatalf("selection %s is answered %d %s", body, status, code)
	}
	return sel
}

// preview reads all candidates, a page at a time. After each page but the last
// it calls between.
func preview(t *testing.T, s *app.Service, studio, id string, limit int, between func()) []jobs.Candidate {
	t.Helper()
	var all []jobs.Candidate
	path := fmt.Sprintf("/v1/selections/%s/clients?limit=%d", id, limit)
	next := ""
	for {
		var l jobs.List[jobs.Candidate]
		if status, code := ask(t, s, http.MethodGet, path+next, mustMint(t, studio, jobs.Admin), "", &l); status != http.StatusOK {
			t.Fatalf("page %s is answered %d %s", next, status, code)
		}
		all = append(all, l.Items...)
		if l.Next == "" {
			return all
		}
		if len(l.Items) != limit {
			t.Errorf("a page of %d that is not the last, want %d", len(l.Items), limit)
		}
		next = "&cursor=" + l.Next
		if between != nil {
			between()
		}
	}
}

// newcomer inserts a client with only a name.
func (s *stack) newcomer(t *testing.T, studio int, created string) string {
	t.Helper()
	return s.Strings(t, `INSERT INTO clients (studio_id, first_name, last_name, created_at)
		VALUES ($1, 'Test', 'Person', now() - $2::text::interval) RETURNING id::text`, studio, created)[0]
}

// visits inserts an appointment that many days from now.
func (s *stack) visits(t *testing.T, client string, days int, status string) {
	t.Helper()
	s.Exec(t, `INSERT INTO appointments (studio_id, client_id, starts_at, status, price_cents, client_name, service)
		SELECT studio_id, id, now() + $2 * interval '1 day', $3, 4500, 'Test Person', 'Pilates'
		FROM clients WHERE id = $1::text::bigint`, client, days, status)
}

func TestASelectionHasTheClientsWithoutActivitySinceTheCutoff(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.extendMap(t, "activity", "  messages: {table: messages, reference: client_id, at: sent_at}")
	service := s.start(t, both, app.Tuning{})
	type visit struct {
		days   int
		status string
	}
	tests := []struct {
		what    string
		created string
		visits  []visit
		message bool // sent last week
		// whether the client is a candidate: by all activity, by appointments only, by messages only, with new ones
		all, appointments, messages, withNew bool
	}{
		{"never anything", "3 years", nil, false, true, true, true, true},
		{"long ago", "3 years", []visit{{-800, "completed"}, {-500, "no_show"}}, false, true, true, true, true},
		{"the day before the cutoff", "3 years", []visit{{-367, "completed"}}, false, true, true, true, true},
		{"the day after it", "3 years", []visit{{-800, "completed"}, {-364, "completed"}}, false, false, false, true, false},
		{"booked", "3 years", []visit{{20, "booked"}}, false, false, false, true, false},
		{"booked and cancelled", "3 years", []visit{{20, "cancelled"}}, false, false, false, true, false},
		{"cancelled lately", "3 years", []visit{{-20, "cancelled"}}, false, false, false, true, false},
		{"missed lately", "3 years", []visit{{-20, "no_show"}}, false, false, false, true, false},
		{"written to", "3 years", []visit{{-800, "completed"}}, true, false, true, false, false},
		{"new, and nothing yet", "20 days", nil, false, false, false, false, true},
		{"new, and visited", "20 days", []visit{{-2, "completed"}}, false, false, false, false, false},
	}
	ids := make([]string, len(tests))
	for i, test := range tests {
		ids[i] = s.newcomer(t, 1, test.created)
		for _, v := range test.visits {
			s.visits(t, ids[i], v.days, v.status)
		}
		if test.message {
			s.Exec(t, `INSERT INTO messages (client_id, sent_at, channel, recipient, body)
				VALUES ($1::text::bigint, now() - interval '7 days', 'email', 'x', 'x')`, ids[i])
		}
	}
	chosen := func(body string) map[string]bool {
		in := map[string]bool{}
		for _, c := range preview(t, service, "1", selects(t, service, "1", body).ID, 1000, nil) {
			in[c.ClientID] = true
		}
		return in
	}
	all, appointments := chosen(`{"period": "P1Y"}`), chosen(`{"period": "P1Y", "without": ["appointments"]}`)
	messages, withNew := chosen(`{"period": "P1Y", "without": ["messages"]}`), chosen(`{"period": "P1Y", "include_new_clients": true}`)
	for i, test := range tests {
		got := [4]bool{all[ids[i]], appointments[ids[i]], messages[ids[i]], withNew[ids[i]]}
		if want := [4]bool{test.all, test.appointments, test.messages, test.withNew}; got != want {
			t.Errorf("%s: candidate by all, appointments, messages, with new ones: %v, want %v", test.what, got, want)
		}
	}

	token := mustMint(t, "1", jobs.Admin)
	for body, want := range map[string]string{
		`{"period": "P29D"}`:                     "period_too_short",
		`{"period": "P0Y"}`:                      "period_too_short",
		`{"period": "one year"}`:                 "bad_period",
		`{"period": "P999Y9999M9999W99999D"}`:    "bad_period",
		`{"period": "P1Y", "without": ["yoga"]}`: "unknown_activity",
		`{"period": "P1Y", "without": []}`:       "too_few",
		`{"without": ["appointments"]}`:          "required",
		`{"period": "P1Y", "include_new": true}`: "unknown_field",
		`{"period": "P1Y", "tenant_id": "2"}`:    "tenant_mismatch",
	} {
		if status, code := ask(t, service, http.MethodPost, "/v1/selections", token, body, nil); status < 400 || status > 499 || code != want {
			t.Errorf("%s is answered %d %s, want %s", body, status, code, want)
		}
	}
}

func TestThePreviewShowsEveryCandidateOnceWithNamesAsTheyAre(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	service := s.start(t, both, app.Tuning{})
	renamed, gone, held := s.newcomer(t, 1, "2 years"), s.newcomer(t, 1, "2 years"), s.newcomer(t, 1, "2 years")
	s.Exec(t, "UPDATE clients SET legal_hold = true, balance_cents = 5 WHERE id = $1::text::bigint", held)
	sel := selects(t, service, "1", `{"period": "P1Y"}`)
	changed := false
	all := preview(t, service, "1", sel.ID, 9, func() {
		if changed {
			return
		}
		changed = true
		s.Exec(t, "UPDATE clients SET last_name = 'Renamed' WHERE id = $1::text::bigint", renamed)
		s.Exec(t, "DELETE FROM clients WHERE id = $1::text::bigint", gone)
		s.newcomer(t, 1, "2 years") // too late for this selection
	})
	if !changed || len(all) < 20 {
		t.Fatalf("%d candidates are too few to page", len(all))
	}
	seen, blocked, included := map[string]jobs.Candidate{}, map[string]int{}, 0
	for i, c := range all {
		if _, twice := seen[c.ClientID]; twice {
			t.Errorf("client %s is shown twice", c.ClientID)
		}
		seen[c.ClientID] = all[i]
		switch {
		case c.Included:
			included++
		case c.Blocked == nil:
			t.Errorf("client %s is neither included nor blocked", c.ClientID)
		default:
			blocked[*c.Blocked]++
		}
	}
	if included != sel.Total || !maps.Equal(blocked, sel.Blocked) || blocked["legal_hold"] == 0 {
		t.Errorf("the list has %d and %v, the selection %d and %v", included, blocked, sel.Total, sel.Blocked)
	}
	if c := seen[renamed]; c.Name == nil || *c.Name != "Test Renamed" || c.CreatedAt == nil || c.LastActivityAt != nil {
		t.Errorf("the renamed client: %+v", c)
	}
	if c := seen[gone]; c.ClientID != gone || c.Name != nil || c.CreatedAt != nil {
		t.Errorf("the client who has gone: %+v", c)
	}
	if c := seen[held]; c.Blocked == nil || *c.Blocked != "legal_hold" {
		t.Errorf("the held client: %+v", c)
	}
	if again := preview(t, service, "1", sel.ID, 1000, nil); len(again) != len(all) {
		t.Errorf("one page has %d, the pages had %d", len(again), len(all))
	}
	for _, stored := range s.Strings(t, `SELECT s::text || p::text
		FROM oubli.selections s JOIN oubli.selection_parts p ON p.selection_id = s.id`) {
		if strings.Contains(stored, "Person") || marker.MatchString(stored) {
			t.Error("a name is stored with the selection")
		}
	}
	for _, cursor := range []string{"x", "-1", "99999999999999999999"} {
		path := "/v1/selections/" + sel.ID + "/clients?cursor=" + cursor
		status, code := ask(t, service, http.MethodGet, path, mustMint(t, "1", jobs.Admin), "", nil)
		if code != "bad_cursor" {
			t.Errorf("cursor %s is answered %d %s", cursor, status, code)
		}
	}
}

func TestExcludingClientsIsIdempotentAndCountedCorrectly(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	service := s.start(t, onlyAPI, app.Tuning{})
	sel := selects(t, service, "1", `{"period": "P1Y"}`)
	var in []string
	blocked := ""
	for _, c := range preview(t, service, "1", sel.ID, 1000, nil) {
		if c.Included {
			in = append(in, c.ClientID)
		} else {
			blocked = c.ClientID
		}
	}
	token, path := mustMint(t, "1", jobs.Admin), "/v1/selections/"+sel.ID
	for _, step := range []struct {
		body            string
		total, excluded int
	}{
		{fmt.Sprintf(`{"exclude": [%q, %s]}`, in[0], in[1]), 2, 2}, // a key is a text or a number
		{fmt.Sprintf(`{"exclude": [%q, %q]}`, in[1], in[1]), 2, 2},
		{fmt.Sprintf(`{"exclude": [%q], "include": [%q]}`, in[2], in[0]), 2, 2},
		{fmt.Sprintf(`{"include": [%q]}`, in[0]), 2, 2},
		{fmt.Sprintf(`{"exclude": [%q]}`, blocked), 2, 3}, // whom a guard leaves out anyway
		{`{}`, 2, 3},
		{fmt.Sprintf(`{"include": [%q, %q, %q]}`, in[1], in[2], blocked), 0, 0},
	} {
		var now jobs.Selection
		status, code := ask(t, service, http.MethodPatch, path, token, step.body, &now)
		if status != http.StatusOK || now.Total != sel.Total-step.total || now.Excluded != step.excluded ||
			!maps.Equal(now.Blocked, sel.Blocked) {
			t.Errorf("%s is answered %d %s, %+v; of %d, want %d fewer", step.body, status, code, now, sel.Total, step.total)
		}
	}
	for body, want := range map[string]string{
		fmt.Sprintf(`{"exclude": [%q], "include": [%q]}`, in[0], in[0]): "contradiction",
		fmt.Sprintf(`{"exclude": [%q, "987654321"]}`, in[0]):            "not_a_candidate",
		`{"exclude": ["x"]}`: "bad_client_id",
		`{"remove": ["1"]}`:  "unknown_field",
	} {
		status, code := ask(t, service, http.MethodPatch, path, token, body, nil)
		if status != http.StatusUnprocessableEntity && status != http.StatusBadRequest || code != want {
			t.Errorf("%s is answered %d %s, want %s", body, status, code, want)
		}
	}
	var now jobs.Selection
	if ask(t, service, http.MethodGet, path, token, "", &now); now.Excluded != 0 || now.Total != sel.Total {
		t.Errorf("what was refused has changed the selection: %+v", now)
	}
}

func TestASelectionBelongsToItsTenantsAdministratorsForADayAndIsUsedOnce(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	service := s.start(t, both, app.Tuning{})
	sel := selects(t, service, "1", `{"period": "P1Y"}`)
	path := "/v1/selections/" + sel.ID
	erase := func(count int, more string) string {
		return fmt.Sprintf(`{"selection_id": %q, "expected_count": %d, "reason": "inactivity"%s}`, sel.ID, count, more)
	}
	refused := func(what, method, path, token, body string, want int, wantCode string) {
		t.Helper()
		if status, code := ask(t, service, method, path, token, body, nil); status != want || wantCode != "" && code != wantCode {
			t.Errorf("%s is answered %d %s, want %d %s", what, status, code, want, wantCode)
		}
	}
	mine, other, viewer := mustMint(t, "1", jobs.Admin), mustMint(t, "2", jobs.Admin), mustMint(t, "1", jobs.Viewer)
	for what, token := range map[string]string{"another tenant's": other, "a viewer's": viewer} {
		want := http.StatusNotFound
		if token == viewer {
			want = http.StatusForbidden
			refused(what+" selection", http.MethodPost, "/v1/selections", token, `{"period": "P1Y"}`, want, "")
		}
		refused(what+" look", http.MethodGet, path, token, "", want, "")
		refused(what+" preview", http.MethodGet, path+"/clients", token, "", want, "")
		refused(what+" unticking", http.MethodPatch, path, token, `{"exclude": []}`, want, "")
		refused(what+" erasure", http.MethodPost, "/v1/erasures", token, erase(sel.Total, ""), want, "")
	}
	refused("no selection", http.MethodGet, "/v1/selections/7", mine, "", http.StatusNotFound, "not_found")
	refused("a count too low", http.MethodPost, "/v1/erasures", mine, erase(sel.Total-1, ""), http.StatusConflict, "count_changed")
	refused("a count too high", http.MethodPost, "/v1/erasures", mine, erase(sel.Total+1, ""), http.StatusConflict, "count_changed")
	refused("no count", http.MethodPost, "/v1/erasures", mine,
		fmt.Sprintf(`{"selection_id": %q, "reason": "inactivity"}`, sel.ID), http.StatusUnprocessableEntity, "required")
	refused("clients too", http.MethodPost, "/v1/erasures", mine,
		erase(sel.Total, `, "client_ids": ["1"]`), http.StatusUnprocessableEntity, "contradiction")
	refused("an unknown guard", http.MethodPost, "/v1/erasures", mine,
		erase(sel.Total, `, "override": ["legal_hold"]`), http.StatusUnprocessableEntity, "not_overridable")
	if n := s.Int(t, "SELECT count(*) FROM oubli.jobs"); n != 0 {
		t.Errorf("%d jobs came of what was refused", n)
	}

	// A trusted service names the tenant when it selects, and the selection from then on.
	service2 := mustMint(t, jobs.AnyTenant, jobs.Admin)
	refused("a service without a tenant", http.MethodPost, "/v1/selections", service2,
		`{"period": "P1Y"}`, http.StatusUnprocessableEntity, "required")
	refused("a service with an unknown tenant", http.MethodPost, "/v1/selections", service2,
		`{"period": "P1Y", "tenant_id": "77"}`, http.StatusUnprocessableEntity, "unknown_tenant")
	var theirs jobs.Selection
	status, code := ask(t, service, http.MethodPost, "/v1/selections", service2, `{"period": "P1Y", "tenant_id": "2"}`, &theirs)
	if status != http.StatusCreated || theirs.TenantID != "2" {
		t.Fatalf("%d %s, %+v", status, code, theirs)
	}
	var job jobs.Job
	body := fmt.Sprintf(`{"selection_id": %q, "expected_count": %d, "reason": "inactivity", "notify": []}`, theirs.ID, theirs.Total)
	status, code = ask(t, service, http.MethodPost, "/v1/erasures", service2, body, &job)
	if status != http.StatusAccepted || job.TenantID != "2" || job.Requested != theirs.Total {
		t.Fatalf("%d %s, %+v", status, code, job)
	}
	refused("a used selection", http.MethodPost, "/v1/erasures", other, body, http.StatusConflict, "selection_used")
	refused("unticking in a used selection", http.MethodPatch, "/v1/selections/"+theirs.ID, other,
		`{"exclude": []}`, http.StatusConflict, "selection_used")
	var used jobs.Selection
	if ask(t, service, http.MethodGet, "/v1/selections/"+theirs.ID, other, "", &used); used.ErasureID != job.ID {
		t.Errorf("the used selection names erasure %q, want %s", used.ErasureID, job.ID)
	}

	s.Exec(t, "UPDATE oubli.selections SET expires_at = now() - interval '1 second' WHERE id = $1", sel.ID)
	refused("an expired selection", http.MethodPost, "/v1/erasures", mine, erase(sel.Total, ""), http.StatusConflict, "selection_expired")
	refused("unticking in an expired selection", http.MethodPatch, path, mine, `{"exclude": []}`, http.StatusConflict, "selection_expired")
	until(t, admin(t, service, "2"), job.ID, "the end", ended)
	if left := s.Strings(t, "SELECT id::text FROM clients WHERE studio_id = 1 AND is_anonymous"); len(left) != 0 {
		t.Errorf("tenant 1 has profiles %v although nothing of it was erased", slices.Sorted(slices.Values(left)))
	}
}
