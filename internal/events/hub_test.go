package events_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/events"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

func open(t *testing.T, db *bookingdb.DB) *repository.Store {
	t.Helper()
	s, err := repository.Open(t.Context(), repository.Options{URL: db.APIURL, Map: bookingdb.Map(t), BatchClients: 100})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func accept(t *testing.T, s *repository.Store, db *bookingdb.DB, tenant string) jobs.Job {
	t.Helper()
	studio := int64(tenant[0] - '0')
	j, _, err := s.AcceptErasure(t.Context(), jobs.ErasureRequest{
		TenantID: tenant, ClientIDs: db.Clients(t, studio, 3), Reason: jobs.SubjectRequest, CreatedBy: "test",
	}, jobs.IdempotencyKey{Key: time.Now().String(), Caller: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func newHub(t *testing.T, s *repository.Store) *events.Hub {
	t.Helper()
	h := events.NewHub(events.HubOptions{Store: s, Interval: 10 * time.Millisecond, Heartbeat: time.Hour})
	t.Cleanup(h.Stop)
	return h
}

// errEnough ends a stream.
var errEnough = errors.New("enough")

// follow reads a number of events.
func follow(t *testing.T, h *events.Hub, tenant string, after int64, n int, begun func()) []jobs.JobEvent {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all []jobs.JobEvent
	var once sync.Once
	err := h.Follow(ctx, tenant, after, func(events []jobs.JobEvent, _ bool) error {
		once.Do(begun)
		if all = append(all, events...); len(all) >= n {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatalf("the stream ended with %v after %d events", err, len(all))
	}
	return all
}

func TestAReaderSeesEachStateOfItsTenantsJobsInOrder(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	h := newHub(t, s)
	accept(t, s, db, "1") // before the stream, and not a part of it
	var mine jobs.Job
	got := follow(t, h, "1", -1, 4, func() {
		accept(t, s, db, "2")
		mine = accept(t, s, db, "1")
		for _, step := range []func(context.Context, jobs.Kind, string, string) (jobs.Job, error){s.Pause, s.Resume, s.Cancel} {
			if _, err := step(t.Context(), jobs.Erasure, "1", mine.ID); err != nil {
				t.Error(err)
			}
		}
	})
	var types []string
	for _, e := range got {
		types = append(types, e.Type)
		if e.JobID != mine.ID || e.TenantID != "1" || !strings.Contains(string(e.Data), `"state"`) {
			t.Errorf("event %+v %s", e, e.Data)
		}
	}
	want := []string{"erasure.scheduled", "erasure.paused", "erasure.scheduled", "erasure.cancelled"}
	if !slices.Equal(types, want) {
		t.Errorf("got %v, want %v", types, want)
	}
	if !strings.Contains(string(got[3].Data), `"pending": 3`) {
		t.Errorf("the counts of a job that was cancelled: %s", got[3].Data)
	}
	// Who has missed some reads on where they were, and sees the same.
	again := follow(t, h, "1", got[0].Number, 3, func() {})
	for i, e := range again {
		if e.Number != got[i+1].Number || e.Type != got[i+1].Type {
			t.Errorf("read again: %+v, want %+v", e, got[i+1])
		}
	}
	if all := follow(t, h, jobs.AnyTenant, 0, 6, func() {}); all[1].TenantID != "2" {
		t.Errorf("a service sees %+v", all)
	}
}

func TestAReaderWhoWasAwayForTooLongIsTold(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	accept(t, s, db, "1")
	if _, err := s.NumberEvents(t.Context()); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, "UPDATE oubli.events SET at = now() - interval '8 days'")
	if err := s.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := db.Int(t, "SELECT count(*) FROM oubli.events"); n != 0 {
		t.Errorf("%d events are left", n)
	}
	if _, expired, err := s.EventsAfter(t.Context(), "1", 0, 10); err != nil || !expired {
		t.Errorf("expired %v, %v", expired, err)
	}
	if _, expired, err := s.EventsAfter(t.Context(), "1", 1, 10); err != nil || expired {
		t.Errorf("nothing was missed, and expired is %v, %v", expired, err)
	}
}

func TestWaitingEndsWithAChangeAndNotBefore(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	h := newHub(t, s)
	j := accept(t, s, db, "1")
	seen := jobs.JobProgress{State: j.State, Done: 0}
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := h.Wait(short, "1", j.ID, seen); err != nil || short.Err() == nil {
		t.Errorf("the wait for a job that does not change ended early, %v", err)
	}
	changed := make(chan error, 1)
	go func() { changed <- h.Wait(t.Context(), "1", j.ID, seen) }()
	if _, err := s.Pause(t.Context(), jobs.Erasure, "1", j.ID); err != nil {
		t.Fatal(err)
	}
	if err := <-changed; err != nil {
		t.Error(err)
	}
	if err := h.Wait(t.Context(), "1", j.ID, seen); err != nil { // it differs already
		t.Error(err)
	}
}

func TestAStopEndsEveryWaitAndEveryStream(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	h := newHub(t, s)
	j := accept(t, s, db, "1")
	var all sync.WaitGroup
	begun := make(chan struct{}, 10)
	for range 5 {
		all.Go(func() {
			begun <- struct{}{}
			_ = h.Wait(context.Background(), "1", j.ID, jobs.JobProgress{State: j.State})
		})
		all.Go(func() {
			_ = h.Follow(context.Background(), "1", 0, func([]jobs.JobEvent, bool) error { begun <- struct{}{}; return nil })
		})
	}
	for range 10 {
		<-begun
	}
	h.Stop()
	all.Wait()
	if err := h.Wait(context.Background(), "1", j.ID, jobs.JobProgress{State: j.State}); err != nil {
		t.Error(err)
	}
}

func TestTheNumberOfWaitingCallersOfATenantIsBounded(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	h := newHub(t, open(t, db))
	if _, err := h.Admit("1"); err != nil {
		t.Fatal(err)
	}
	// A reader who follows takes the one place that was reserved, not a second one.
	begun := make(chan struct{})
	go func() {
		_ = h.Follow(t.Context(), "1", -1, func([]jobs.JobEvent, bool) error { close(begun); return nil })
	}()
	<-begun
	for range 19 {
		if _, err := h.Admit("1"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Admit("1"); jobs.KindOf(err) != jobs.Unavailable {
		t.Errorf("one reader too many: %v", err)
	}
	release, err := h.Admit("2")
	if err != nil {
		t.Errorf("another tenant's reader: %v", err)
	}
	release()
}
