package terminal

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/oubli/oubli/jobs"
)

// watched is a progress whose clock the test moves.
func watched(draws bool) (*Progress, *strings.Builder, *time.Time) {
	var out strings.Builder
	clock := time.Date(2026, 5, 3, 10, 0, 0, 0, time.UTC)
	p := NewProgress(&out, draws)
	p.now = func() time.Time { return clock }
	return p, &out, &clock
}

func at(s jobs.State, done, requested int) jobs.Job {
	return jobs.Job{State: s, Requested: requested, Counts: jobs.Counts{Erased: done, Pending: requested - done}}
}

func TestPlainProgressSaysSomethingNowAndThen(t *testing.T) {
	t.Parallel()
	p, out, clock := watched(false)
	start := clock.Add(time.Hour)
	waiting := at(jobs.Scheduled, 0, 20_000)
	waiting.NotBefore = &start
	p.See(waiting)
	for i := range 21 {
		p.See(at(jobs.Running, 500*i, 20_000))
		*clock = clock.Add(time.Second)
	}
	blocked := at(jobs.Blocked, 10_000, 20_000)
	blocked.BlockedReason = "clients.shoe_size\x1b[2J is not in the map"
	p.See(blocked)
	p.See(at(jobs.Completed, 20_000, 20_000))
	p.End()
	want := `scheduled: 0/20,000 clients (not before 2026-05-03 11:00:00 UTC)
running: 0/20,000 clients
running: 5,000/20,000 clients, 500/s, 30s left
running: 10,000/20,000 clients, 500/s, 20s left
blocked: 10,000/20,000 clients, 466/s (clients.shoe_size[2J is not in the map)
completed: 20,000/20,000 clients, 1,133/s
`
	if out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
	}
}

func TestTheBarFitsIntoALineAndEndsFull(t *testing.T) {
	t.Parallel()
	p, out, clock := watched(true)
	for done := 0; done <= jobs.MaxClients; done += 12_500 {
		p.See(at(jobs.Running, done, jobs.MaxClients))
		*clock = clock.Add(time.Second)
	}
	p.See(at(jobs.Completed, jobs.MaxClients, jobs.MaxClients))
	p.End()
	lines := strings.Split(strings.ReplaceAll(out.String(), "\x1b[0K", ""), "\r")
	for _, line := range lines {
		if n := utf8.RuneCountInString(strings.TrimSpace(line)); n >= 80 {
			t.Errorf("%d columns cannot be redrawn: %q", n, line)
		}
	}
	last := lines[len(lines)-1]
	if !strings.Contains(last, "100% ████████████████████  100,000/100,000 clients, 12,500/s") || !strings.HasSuffix(last, "\n") {
		t.Errorf("got %q", last)
	}
	if !strings.Contains(out.String(), "50,000/100,000 clients, 12,500/s, 4s left") {
		t.Errorf("got %q", out.String())
	}
}

func TestTheRateIsOfWhatWasSeenAndNotOfWhatWasDoneBefore(t *testing.T) {
	t.Parallel()
	p, out, clock := watched(false)
	p.See(at(jobs.Running, 90_000, 100_000))
	*clock = clock.Add(10 * time.Second)
	p.See(at(jobs.Running, 91_000, 100_000))
	if !strings.Contains(out.String(), "91,000/100,000 clients, 100/s, 1m30s left") {
		t.Errorf("got:\n%s", out.String())
	}
}

func TestAJobWithoutClientsNeedsNoBar(t *testing.T) {
	t.Parallel()
	p, out, _ := watched(true)
	p.See(jobs.Job{State: jobs.Completed})
	p.End()
	if out.String() != "" {
		t.Errorf("got %q", out.String())
	}
}
