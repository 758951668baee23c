package events_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/events"
	"github.com/oubli/oubli/internal/testlog"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

var webhookKey = []byte("a key of more than twenty-four bytes")

// receiver is a web application that takes events.
type receiver struct {
	*httptest.Server
	verify *standardwebhooks.Webhook

	mu     sync.Mutex
	answer func(n int, w http.ResponseWriter) // to the n-th request, from 1; nil: 200
	got    []string                           // id, type and job of what was accepted
	n      int
	bad    []string
	more   chan struct{}
}

func newReceiver(t *testing.T, answer func(n int, w http.ResponseWriter)) *receiver {
	t.Helper()
	verify, err := standardwebhooks.NewWebhookRaw(webhookKey)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{verify: verify, answer: answer, more: make(chan struct{}, 1000)}
	r.Server = httptest.NewServer(http.HandlerFunc(r.take))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) take(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.more <- struct{}{} }()
	r.n++
	var e struct {
		Type string
		Data struct{ ID string }
	}
	if err == nil {
		err = r.verify.Verify(body, req.Header)
	}
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	if err != nil || req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/json" {
		r.bad = append(r.bad, string(body))
	}
	rec := httptest.NewRecorder()
	if r.answer != nil {
		r.answer(r.n, rec)
	}
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(rec.Code)
	if rec.Code < 300 {
		r.got = append(r.got, req.Header.Get("Webhook-Id")+" "+e.Type+" "+e.Data.ID)
	}
}

// until waits until so many events were accepted.
func (r *receiver) until(t *testing.T, n int) []string {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		r.mu.Lock()
		got, bad := slices.Clone(r.got), r.bad
		r.mu.Unlock()
		if len(bad) > 0 {
			t.Fatalf("requests that the reference library refuses: %v", bad)
		}
		if len(got) >= n {
			return got
		}
		select {
		case <-r.more:
		case <-deadline:
			t.Fatalf("got %v, want %d", got, n)
		}
	}
}

func send(t *testing.T, s *repository.Store, url string, change ...func(*events.SenderOptions)) *testlog.Buffer {
	t.Helper()
	log := &testlog.Buffer{}
	o := events.SenderOptions{
		Store: s, URL: url, Key: webhookKey, Private: true, Log: zerolog.New(log),
		Interval: 10 * time.Millisecond, Backoff: 20 * time.Millisecond,
	}
	for _, f := range change {
		f(&o)
	}
	sender := events.NewSender(o)
	t.Cleanup(sender.Stop)
	return log
}

// started waits until the address counts from.
func started(t *testing.T, db *bookingdb.DB) {
	t.Helper()
	for db.Int(t, "SELECT count(*) FROM oubli.service WHERE webhook_after IS NOT NULL") == 0 {
		if t.Context().Err() != nil {
			t.Fatal("the sender has not started")
		}
	}
}

func TestAnEventArrivesOnceSignedAndInOrderThoughTheAddressFails(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	r := newReceiver(t, func(n int, w http.ResponseWriter) {
		switch n {
		case 1:
			w.WriteHeader(http.StatusInternalServerError)
		case 2:
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusTemporaryRedirect)
		case 4:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	retries := 0
	accept(t, s, db, "1") // before there was an address
	if _, err := s.NumberEvents(t.Context()); err != nil {
		t.Fatal(err)
	}
	log := send(t, s, r.URL, func(o *events.SenderOptions) { o.Retrying = func() { retries++ } })
	started(t, db)
	j := accept(t, s, db, "1")
	if _, err := s.Pause(t.Context(), jobs.Erasure, "1", j.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Cancel(t.Context(), jobs.Erasure, "1", j.ID); err != nil {
		t.Fatal(err)
	}
	got := r.until(t, 3)
	want := []string{"evt_2 erasure.scheduled " + j.ID, "evt_3 erasure.paused " + j.ID, "evt_4 erasure.cancelled " + j.ID}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if text := log.String(); !strings.Contains(text, "status 500") || !strings.Contains(text, "status 307") || strings.Contains(text,
		r.URL) {
		t.Errorf("the log does not say what happened, or has the URL: %s", text)
	}
}

func TestTwoProcessesDeliverEachEventOfManyJobs(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	r := newReceiver(t, nil)
	send(t, s, r.URL)
	send(t, open(t, db), r.URL)
	started(t, db)
	for range 20 {
		j := accept(t, s, db, "1")
		if _, err := s.Cancel(t.Context(), jobs.Erasure, "1", j.ID); err != nil {
			t.Fatal(err)
		}
	}
	got := r.until(t, 40)
	place := map[string]int{}
	for i, line := range got {
		parts := strings.Fields(line)
		place[parts[1]+parts[2]] = i
		if at, seen := place["erasure.scheduled"+parts[2]]; parts[1] == "erasure.cancelled" && (!seen || at > i) {
			t.Errorf("%s came before the job was scheduled", line)
		}
	}
	if len(place) != 40 {
		t.Errorf("%d different events arrived, want 40", len(place))
	}
}

func TestAnAddressOfThisMachineIsRefusedUnlessItIsAllowed(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	r := newReceiver(t, nil)
	tried := make(chan struct{}, 100)
	log := send(t, s, r.URL, func(o *events.SenderOptions) {
		o.Private, o.Retrying = false, func() { tried <- struct{}{} }
	})
	started(t, db)
	accept(t, s, db, "1")
	<-tried
	<-tried // the first is logged by now
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n > 0 || !strings.Contains(log.String(), "OUBLI_EVENTS_PRIVATE") {
		t.Errorf("%d requests; the log: %s", r.n, log)
	}
}
