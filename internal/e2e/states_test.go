package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/jobs"
)

// holdOn is hold until the end of the test. It uses its own connection, because the
// pool has few.
func (s *stack) holdOn(t *testing.T, client string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.Pool.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT FROM clients WHERE id = $1::text::bigint FOR KEY SHARE", client); err != nil {
		t.Fatal(err)
	}
}

func TestEveryStepInEveryStateIsTakenOrRefusedWithTheStatesName(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	clients := s.plain(t, 1, 40)
	next := func() string { clients = clients[1:]; return clients[0] }
	culprit := next()
	s.refuseToDelete(t, culprit, "")
	service := s.start(t, both, app.Tuning{})
	c := admin(t, service, "1")
	later := time.Now().Add(time.Hour)

	scheduled := func() string {
		return mustErase(t, c, apiclient.Erasure{ClientIDs: []string{next()}, NotBefore: &later}).ID
	}
	running := func() string { // the job runs while another session locks one of its clients
		held := next()
		s.holdOn(t, held)
		id := mustErase(t, c, apiclient.Erasure{ClientIDs: []string{next(), held}}).ID
		until(t, c, id, "the job to run", func(j jobs.Job) bool { return j.State == jobs.Running && j.Counts.Pending == 1 })
		return id
	}
	stepped := func(id, name string) string {
		if status, r := step(t, service, id, name); status != http.StatusOK {
			t.Fatalf("%s is answered %d %+v", name, status, r)
		}
		return id
	}
	over := func(state jobs.State, clients ...string) string {
		id := mustErase(t, c, apiclient.Erasure{ClientIDs: clients}).ID
		if j := until(t, c, id, "the end", ended); j.State != state {
			t.Fatalf("want a job that is %s, got %+v", state, j)
		}
		return id
	}
	spared := next()
	s.Exec(t, "UPDATE clients SET legal_hold = true WHERE id = $1::text::bigint", spared)
	others := []string{running(), running(), running()} // to be blocked in the end

	tests := map[jobs.State]struct {
		reach func() string
		taken map[string]jobs.State // the job's state after each step that is allowed
	}{
		jobs.Scheduled: {scheduled, map[string]jobs.State{"cancel": jobs.Cancelled, "pause": jobs.Paused}},
		jobs.Running:   {running, map[string]jobs.State{"cancel": jobs.Cancelled, "pause": jobs.Paused}},
		jobs.Paused: {func() string { return stepped(running(), "pause") },
			map[string]jobs.State{"cancel": jobs.Cancelled, "resume": jobs.Running}},
		jobs.Completed: {func() string { return over(jobs.Completed, next()) }, nil},
		jobs.CompletedWithExceptions: {func() string { return over(jobs.CompletedWithExceptions, next(), spared) },
			map[string]jobs.State{"retry": jobs.CompletedWithExceptions}},
		jobs.Failed:    {func() string { return over(jobs.Failed, culprit) }, map[string]jobs.State{"retry": jobs.Failed}},
		jobs.Cancelled: {func() string { return stepped(scheduled(), "cancel") }, nil},
		jobs.Blocked: {func() string {
			id := others[0]
			others = others[1:]
			until(t, c, id, "the job to be blocked", func(j jobs.Job) bool { return j.State == jobs.Blocked })
			return id
		}, map[string]jobs.State{"cancel": jobs.Cancelled, "pause": jobs.Paused}},
	}
	for _, state := range []jobs.State{
		jobs.Scheduled, jobs.Running, jobs.Paused, jobs.Completed, jobs.CompletedWithExceptions, jobs.Failed,
		jobs.Cancelled, jobs.Blocked,
	} {
		test := tests[state]
		if state == jobs.Blocked {
			s.Exec(t, "ALTER TABLE appointments ADD COLUMN remark text")
		}
		id := test.reach()
		for _, name := range []string{"cancel", "pause", "resume", "retry"} {
			if test.taken[name] != "" {
				continue
			}
			want := "wrong_state"
			if name == "retry" && state.Final() {
				want = "nothing_to_retry"
			}
			status, r := step(t, service, id, name)
			if status != http.StatusConflict || r.Code != want || want == "wrong_state" && !strings.Contains(r.Detail, string(state)) {
				t.Errorf("%s of a job that is %s is answered %d %+v", name, state, status, r)
			}
		}
		if now := until(t, c, id, "a look", func(jobs.Job) bool { return true }); now.State != state {
			t.Errorf("what was refused has made the %s job %s", state, now.State)
		}
		used := false
		for name, becomes := range test.taken {
			if used { // each step needs a new job
				id = test.reach()
			}
			used = true
			want := http.StatusOK
			if name == "retry" {
				want = http.StatusAccepted
			}
			status, r := step(t, service, id, name)
			if now := until(t, c, id, "a look", func(jobs.Job) bool { return true }); status != want || now.State != becomes {
				t.Errorf("%s of a job that is %s is answered %d %+v, and it becomes %s", name, state, status, r, now.State)
			}
		}
	}
	for _, name := range []string{"cancel", "pause", "resume", "retry"} {
		path := "/v1/erasures/" + others[0] + "/" + name
		for token, want := range map[string]int{
			mustMint(t, "2", jobs.Admin):  http.StatusNotFound,
			mustMint(t, "1", jobs.Viewer): http.StatusForbidden,
		} {
			if status, code := ask(t, service, http.MethodPost, path, token, "", nil); status != want {
				t.Errorf("%s by somebody else is answered %d %s, want %d", name, status, code, want)
			}
		}
	}
}
