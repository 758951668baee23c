package events

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/oubli/oubli/jobs"
)

// DeliveryStore knows which events have arrived at the address.
type DeliveryStore interface {
	StartWebhook(ctx context.Context) error
	NumberEvents(ctx context.Context) (int64, error)
	// ClaimEvents takes events for as long as a lease, of each job the oldest only.
	ClaimEvents(ctx context.Context, limit int, lease time.Duration) ([]jobs.JobEvent, error)
	EventDelivered(ctx context.Context, number int64) error
	EventRefused(ctx context.Context, number int64, wait time.Duration) error
}

const (
	sendAtOnce  = 8
	sendTimeout = 10 * time.Second
	sendLease   = 30 * time.Second // longer than sendTimeout, so that nobody else sends meanwhile
	maxAnswer   = 64 << 10         // bytes that are read of an answer, so that the connection can be used again
	longestBack = time.Hour
)

// SenderOptions are the parts and settings of a Sender. A zero duration means its
// default.
type SenderOptions struct {
	Store    DeliveryStore
	URL      string
	Key      []byte // signs the requests
	Private  bool   // the address may be private, on this machine or link-local
	Log      zerolog.Logger
	Retrying func()        // called when an event has to be sent again; nil: nothing
	Interval time.Duration // between two looks for events; 500 ms
	Backoff  time.Duration // after the first failure; doubles; 5 s
}

// Sender delivers events to one address, as Standard Webhooks 1.0. Each arrives at
// least once, and those of one job in order: an event that is not accepted keeps the
// later ones of its job back.
type Sender struct {
	o      SenderOptions
	client *http.Client
	cancel context.CancelFunc
	done   chan struct{}
}

// NewSender starts to deliver. Stop ends it.
func NewSender(o SenderOptions) *Sender {
	if o.Interval == 0 {
		o.Interval = 500 * time.Millisecond
	}
	if o.Backoff == 0 {
		o.Backoff = 5 * time.Second
	}
	if o.Retrying == nil {
		o.Retrying = func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Sender{o: o, client: newHTTPClient(o.Private), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.run(ctx)
	}()
	return s
}

// Stop ends the delivery. An event under way is sent again by the next process.
func (s *Sender) Stop() {
	s.cancel()
	<-s.done
	s.client.CloseIdleConnections()
}

// newHTTPClient follows no redirect and uses no proxy: both would lead elsewhere than
// the address that was checked.
func newHTTPClient(private bool) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		if private {
			return nil
		}
		return public(address)
	}}
	return &http.Client{
		Timeout: sendTimeout,
		Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConns: sendAtOnce, IdleConnTimeout: time.Minute,
			ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

var errPrivate = errors.New("its address is private or on this machine, which OUBLI_EVENTS_PRIVATE would allow")

// public refuses addresses of this machine and of networks inside. It is asked when
// the connection is made: a name may lead elsewhere at each look.
func public(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return errPrivate
	}
	ip := at.Addr().Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || shared.Contains(ip) {
		return errPrivate
	}
	return nil
}

// shared are the addresses between a provider and its customers (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

func (s *Sender) run(ctx context.Context) {
	tick := time.NewTicker(s.o.Interval)
	defer tick.Stop()
	started, failing := false, false
	for {
		err := error(nil)
		if !started {
			err = s.o.Store.StartWebhook(ctx)
			started = err == nil
		}
		more := false
		if err == nil {
			more, err = s.round(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			s.o.Log.Warn().Err(err).Msg("cannot look for events to deliver; trying again")
		}
		failing = err != nil
		if more {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// round delivers what is due, and says whether there may be more.
func (s *Sender) round(ctx context.Context) (more bool, err error) {
	if _, err := s.o.Store.NumberEvents(ctx); err != nil {
		return false, err
	}
	events, err := s.o.Store.ClaimEvents(ctx, sendAtOnce, sendLease)
	if err != nil {
		return false, err
	}
	var all sync.WaitGroup
	errs := make([]error, len(events))
	for i, e := range events {
		all.Go(func() { errs[i] = s.deliver(ctx, e) })
	}
	all.Wait()
	return len(events) > 0, errors.Join(errs...)
}

// deliver sends one event and records how that ended. The error is the database's.
func (s *Sender) deliver(ctx context.Context, e jobs.JobEvent) error {
	cause := s.send(ctx, e)
	if ctx.Err() != nil {
		return nil
	}
	if cause == nil {
		return s.o.Store.EventDelivered(ctx, e.Number)
	}
	wait := min(s.o.Backoff<<min(e.Attempt-1, 20), longestBack)
	wait += rand.N(wait/4 + 1)
	s.o.Retrying()
	s.o.Log.Warn().Err(cause).Str("job_id", e.JobID).Int64("event", e.Number).Int("attempt", e.Attempt).Dur("again_in", wait).
		Msg("an event was not accepted by OUBLI_EVENTS_URL; sending it again")
	return s.o.Store.EventRefused(ctx, e.Number, wait)
}

// send sends one event. Only 2xx accepts it.
func (s *Sender) send(ctx context.Context, e jobs.JobEvent) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.o.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL cannot be used")
	}
	id, now := "evt_"+strconv.FormatInt(e.Number, 10), strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "oubli")
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", now)
	req.Header.Set("webhook-signature", "v1,"+sign(s.o.Key, id, now, body))
	resp, err := s.client.Do(req)
	switch {
	case errors.Is(err, errPrivate):
		return errPrivate
	case err != nil:
		return errors.New("it cannot be reached, or did not answer in time") // the error's own text has the URL
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // the status is what counts
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("it answered with status %d", resp.StatusCode)
	}
	return nil
}

// sign is the signature of Standard Webhooks, version 1.
func sign(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
