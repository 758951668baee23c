package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/jobs"
)

// answer is the API's answer to one request, sent without the client that retries.
type answer struct {
	status   int
	replayed bool
	job      jobs.Job
	code     string // of a problem
}

func send(t *testing.T, s *app.Service, method, path, token, key, body string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.APIAddr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, replayed: resp.Header.Get("Idempotency-Replayed") == "true"}
	var into any = &a.job
	var problem struct{ Code string }
	if resp.StatusCode > 299 {
		into = &problem
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Error(err)
	}
	a.code = problem.Code
	return a
}

func TestAHundredImpatientClicksMakeOneJob(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	service := s.start(t, both, app.Tuning{})
	asked := s.plain(t, 1, 10)
	token := mustMint(t, "1", jobs.Admin)
	body := func(comment string) string {
		return fmt.Sprintf(`{"client_ids": ["%s"], "reason": "subject_request", "comment": %q}`, strings.Join(asked, `","`), comment)
	}
	answers := make([]answer, 100)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = send(t, service, http.MethodPost, "/v1/erasures", token, "click", body("once")) })
	}
	all.Wait()

	first := 0
	ids := map[string]bool{}
	for _, a := range answers {
		switch {
		case a.status == http.StatusAccepted:
			ids[a.job.ID] = true
			if !a.replayed {
				first++
			}
		case a.status != http.StatusConflict || a.code != "idempotency_in_flight":
			t.Errorf("answered %+v", a)
		}
	}
	if n := s.Int(t, "SELECT count(*) FROM oubli.jobs"); n != 1 || first != 1 || len(ids) != 1 {
		t.Errorf("%d jobs, %d first answers, ids %v; want one of each", n, first, ids)
	}
	a := send(t, service, http.MethodPost, "/v1/erasures", token, "click", body("twice"))
	if a.status != http.StatusUnprocessableEntity || a.code != "idempotency_key_reused" {
		t.Errorf("another request under the same key is answered %+v", a)
	}
	c := admin(t, service, "1")
	for id := range ids {
		job := until(t, c, id, "the end", mailed)
		if job.Counts.Done() != len(asked) || job.Counts.Exceptions() != 0 {
			t.Errorf("%+v", job)
		}
		again := send(t, service, http.MethodPost, "/v1/erasures", token, "click", body("once"))
		if again.status != http.StatusAccepted || !again.replayed || again.job.State != jobs.Scheduled || again.job.ID != id {
			t.Errorf("a click after the end gives %+v, want the first answer again", again)
		}
	}
	s.mails(t, 1)
}

func TestTwoRequestsThatShareAKeyAtOnceMakeOneJob(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	service := s.start(t, onlyAPI, app.Tuning{})
	asked := s.plain(t, 1, 2)
	token := mustMint(t, "1", jobs.Admin)
	for round := range 5 {
		key := fmt.Sprintf("shared-%d", round)
		answers := make([][2]answer, 20)
		var all sync.WaitGroup
		for i := range answers {
			for which := range answers[i] {
				body := fmt.Sprintf(`{"client_ids": [%s], "reason": "subject_request"}`, asked[which])
				all.Go(func() { answers[i][which] = send(t, service, http.MethodPost, "/v1/erasures", token, key, body) })
			}
		}
		all.Wait()
		won := map[int]bool{}
		for _, pair := range answers {
			for which, a := range pair {
				switch {
				case a.status == http.StatusAccepted:
					won[which] = true
				case a.status == http.StatusConflict && a.code == "idempotency_in_flight":
				case a.status == http.StatusUnprocessableEntity && a.code == "idempotency_key_reused":
				default:
					t.Errorf("answered %+v", a)
				}
			}
		}
		if n := s.Int(t, "SELECT count(*) FROM oubli.jobs"); n != round+1 || len(won) != 1 {
			t.Errorf("round %d: %d jobs, accepted were the requests %v; want one of the two", round, n, won)
		}
	}
}

func TestNoTokenReachesAnotherTenant(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	service := s.start(t, both, app.Tuning{})
	mine, theirs := s.plain(t, 1, 5), s.plain(t, 2, 5)
	before := s.snapshot(t, append(mine, theirs...))
	c := admin(t, service, "1")
	job := until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: append(mine, theirs...)}).ID, "the end", ended)
	before.holds(t, job)
	if job.Counts.NotFound != len(theirs) || job.Counts.Erased+job.Counts.ErasedRetained != len(mine) {
		t.Errorf("%+v", job.Counts)
	}
	if left := s.Existing(t, theirs); len(left) != len(theirs) {
		t.Errorf("of another tenant's clients, %v are left", left)
	}
	for _, id := range theirs {
		if code := codesOf(t, c, job.ID, jobs.NotFound)[id]; code != jobs.CodeNotFound {
			t.Errorf("another tenant's client %s is reported as %q", id, code)
		}
	}

	path := "/v1/erasures/" + job.ID
	for _, ask := range []struct {
		method, path, tenant string
		role                 jobs.Role
		want                 int
	}{
		{http.MethodGet, path, "2", jobs.Admin, http.StatusNotFound},
		{http.MethodGet, path + "/clients", "2", jobs.Admin, http.StatusNotFound},
		{http.MethodGet, path, "2", jobs.Viewer, http.StatusNotFound},
		{http.MethodGet, path, "1", jobs.Viewer, http.StatusOK},
		{http.MethodGet, path, jobs.AnyTenant, jobs.Viewer, http.StatusOK},
		{http.MethodPost, "/v1/erasures", "1", jobs.Viewer, http.StatusForbidden},
		{http.MethodPost, "/v1/erasures", "1", "receptionist", http.StatusForbidden},
		{http.MethodGet, path, "1", "receptionist", http.StatusForbidden},
	} {
		a := send(t, service, ask.method, ask.path, mustMint(t, ask.tenant, ask.role), "k", `{"client_ids": [1], "reason": "inactivity"}`)
		if a.status != ask.want {
			t.Errorf("%s %s by %s of tenant %s is answered %d, want %d", ask.method, ask.path, ask.role, ask.tenant, a.status, ask.want)
		}
	}
	others, err := admin(t, service, "2").List(t.Context(), "", jobs.Page{})
	if err != nil || len(others.Items) != 0 {
		t.Errorf("tenant 2 is shown %+v, %v", others.Items, err)
	}
	if n := s.Int(t, "SELECT count(*) FROM oubli.jobs"); n != 1 {
		t.Errorf("%d jobs, want the one", n)
	}
}
