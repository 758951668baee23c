package apiclient

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oubli/oubli/jobs"
)

func in(s jobs.State) http.HandlerFunc {
	j := job
	j.State = s
	return ok(j)
}

func TestFollowSeesEveryStepToTheEnd(t *testing.T) {
	t.Parallel()
	c, _, waits := talk(t, in(jobs.Scheduled), in(jobs.Running), in(jobs.Blocked), in(jobs.Running), in(jobs.CompletedWithExceptions))
	var seen []jobs.State
	j, err := c.Follow(t.Context(), "j1", func(j jobs.Job) { seen = append(seen, j.State) })
	if err != nil || j.State != jobs.CompletedWithExceptions {
		t.Fatalf("got %+v, %v", j, err)
	}
	want := []jobs.State{jobs.Scheduled, jobs.Running, jobs.Blocked, jobs.Running, jobs.CompletedWithExceptions}
	if !slices.Equal(seen, want) {
		t.Errorf("got %v, want %v", seen, want)
	}
	if len(*waits) != 4 || (*waits)[0] != firstPoll {
		t.Errorf("got waits %v", *waits)
	}
}

func TestFollowAsksTheAPIToWaitAndDoesWithoutWhereItCannot(t *testing.T) {
	t.Parallel()
	c, s, _ := talk(t, in(jobs.Scheduled), refuse(422, `{"code":"validation_failed","detail":"unexpected query parameter"}`),
		in(jobs.Running), in(jobs.Completed))
	if j, err := c.Follow(t.Context(), "j1", func(jobs.Job) {}); err != nil || j.State != jobs.Completed {
		t.Fatalf("got %+v, %v", j, err)
	}
	var queries []string
	for _, r := range s.requests() {
		queries = append(queries, strings.TrimPrefix(r.uri, "/v1/erasures/j1"))
	}
	if want := []string{"", "?wait=25s", "", ""}; !slices.Equal(queries, want) {
		t.Errorf("asked with %q, want %q", queries, want)
	}
}

func TestFollowPollsPolitely(t *testing.T) {
	t.Parallel()
	answers := []http.HandlerFunc{}
	for range 8 {
		answers = append(answers, in(jobs.Scheduled))
	}
	for range 5 {
		answers = append(answers, in(jobs.Running))
	}
	c, _, waits := talk(t, append(answers, in(jobs.Completed))...)
	if _, err := c.Follow(t.Context(), "j1", func(jobs.Job) {}); err != nil {
		t.Fatal(err)
	}
	if (*waits)[7] != idlePoll || (*waits)[8] != firstPoll || (*waits)[12] != busyPoll {
		t.Errorf("got waits %v", *waits)
	}
}

func TestFollowBearsWithAnAPIThatIsAway(t *testing.T) {
	t.Parallel()
	away := refuse(503, `{"code":"unavailable","detail":"no database"}`)
	answers := []http.HandlerFunc{in(jobs.Running)}
	for range 3 * maxTries {
		answers = append(answers, away)
	}
	c, _, _ := talk(t, append(answers, in(jobs.Completed))...)
	if j, err := c.Follow(t.Context(), "j1", func(jobs.Job) {}); err != nil || j.State != jobs.Completed {
		t.Errorf("got %+v, %v", j, err)
	}
	c, s, _ := talk(t, away)
	if _, err := c.Follow(t.Context(), "j1", func(jobs.Job) {}); jobs.KindOf(err) != jobs.Unavailable {
		t.Errorf("got %v", err)
	}
	if polls := len(s.requests()) / maxTries; polls != int(maxUnreachable/idlePoll)+1 {
		t.Errorf("gave up after %d polls", polls)
	}
}

func TestFollowEndsAtARefusalAndWithItsContext(t *testing.T) {
	t.Parallel()
	c, _, _ := talk(t, refuse(404, `{"code":"not_found","detail":"There is no such thing."}`))
	if _, err := c.Follow(t.Context(), "j1", func(jobs.Job) {}); jobs.KindOf(err) != jobs.Missing {
		t.Errorf("got %v", err)
	}
	c, _, _ = talk(t, in(jobs.Running))
	ctx, cancel := context.WithCancel(t.Context())
	seen := 0
	_, err := c.Follow(ctx, "j1", func(jobs.Job) {
		seen++
		cancel()
	})
	if !errors.Is(err, context.Canceled) || seen != 1 {
		t.Errorf("got %v after %d calls of onState", err, seen)
	}
}

func TestWaitingTakesItsTimeAndEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if err := wait(t.Context(), time.Minute); err != nil || time.Since(start) != time.Minute {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start = time.Now()
		if err := wait(ctx, time.Minute); !errors.Is(err, context.Canceled) || time.Since(start) != time.Second {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
	})
}
