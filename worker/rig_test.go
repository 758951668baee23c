package worker_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/local"
	"github.com/oubli/oubli/internal/testdb"
	"github.com/oubli/oubli/internal/testlog"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
	"github.com/oubli/oubli/worker"
)

func TestMain(m *testing.M) {
	redis.SetLogger(silence{}) // it would print every refused connection while a test has stopped Redis
	os.Exit(m.Run())
}

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// rig is a database, a Redis server, a dispatcher, and the workers that a test
// starts. All of them are real; only the mail server is a fake.
type rig struct {
	t          *testing.T
	db         *bookingdb.DB
	server     *local.Redis
	redis      *redis.Client
	asynq      *asynq.Inspector
	mailServer *fakeMailServer
	log        testlog.Buffer
}

func newRig(t *testing.T, clients int) *rig {
	t.Helper()
	r := &rig{t: t, db: bookingdb.New(t, clients), server: testdb.RedisServer(t, local.RedisOptions{}), mailServer: newFakeMailServer()}
	for _, sql := range []string{
		"UPDATE clients SET legal_hold = false, balance_cents = 0",
		"UPDATE invoices SET status = 'paid' WHERE status = 'open'",
		"UPDATE appointments SET status = 'cancelled' WHERE status = 'booked'",
	} {
		r.db.Exec(t, sql)
	}
	var err error
	if r.db.Totals, err = booking.Totals(t.Context(), r.db.Pool); err != nil {
		t.Fatal(err)
	}
	r.redis = r.newRedis()
	r.asynq = asynq.NewInspectorFromRedisClient(r.redis)
	return r
}

func (r *rig) newRedis() *redis.Client {
	o, err := redis.ParseURL(r.server.URL(0))
	if err != nil {
		r.t.Fatal(err)
	}
	o.DialTimeout, o.MaxRetries = time.Second, -1
	c := redis.NewClient(o)
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

// store opens the database, as each process of oubli does.
func (r *rig) store(change ...func(*repository.Options)) *repository.Store {
	r.t.Helper()
	o := repository.Options{URL: r.db.URL, Map: provoked(r.t), BatchClients: 20, Lease: time.Second, LockTimeout: 50 * time.Millisecond}
	for _, f := range change {
		f(&o)
	}
	s, err := repository.Open(r.t.Context(), o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(s.Close)
	return s
}

// dispatcher runs a dispatcher until the test ends or stop is called.
func (r *rig) dispatcher(s *repository.Store) (p *worker.Dispatcher, stop func()) {
	r.t.Helper()
	p = worker.NewDispatcher(worker.DispatcherOptions{Outbox: s, Recovery: s, Maintenance: s, Redis: r.newRedis(), Log: r.logger(),
		Interval: 20 * time.Millisecond, Reconcile: 50 * time.Millisecond, HintAge: 100 * time.Millisecond, TakenAge: time.Second})
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	r.t.Cleanup(stop)
	return p, stop
}

// work starts a worker. It stops at the end of the test at the latest.
func (r *rig) work(s *repository.Store, p *worker.Dispatcher, change ...func(*worker.Options)) *worker.Server {
	r.t.Helper()
	o := worker.Options{Claims: s, Eraser: s, Mails: s, Sender: r.mailServer, Redis: r.newRedis(), Log: r.logger(),
		Poll: 10 * time.Millisecond, MailRetry: 10 * time.Millisecond, Wake: p.Wake}
	for _, f := range change {
		f(&o)
	}
	srv := worker.NewServer(o)
	if err := srv.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(srv.Stop)
	return srv
}

// run starts a process with a dispatcher and a worker.
func (r *rig) run(change ...func(*repository.Options)) *repository.Store {
	r.t.Helper()
	s := r.store(change...)
	p, _ := r.dispatcher(s)
	r.work(s, p)
	return s
}

func (r *rig) accept(s *repository.Store, tenant string, keys []string, notify ...string) jobs.Job {
	r.t.Helper()
	j, _, err := s.AcceptErasure(r.t.Context(), jobs.ErasureRequest{
		TenantID:  tenant,
		ClientIDs: keys,
		Reason:    jobs.SubjectRequest,
		Notify:    notify,
		CreatedBy: "test",
	}, jobs.IdempotencyKey{Key: fmt.Sprint(time.Now().UnixNano()), Caller: "test"})
	if err != nil {
		r.t.Fatal(err)
	}
	return j
}

func (r *rig) job(s *repository.Store, id string) jobs.Job {
	r.t.Helper()
	j, err := s.Job(r.t.Context(), jobs.Erasure, jobs.AnyTenant, id)
	if err != nil {
		r.t.Fatal(err)
	}
	return j
}

// ended waits until the job has ended and its mails are sent or failed.
func (r *rig) ended(s *repository.Store, id string) (j jobs.Job) {
	r.t.Helper()
	bookingdb.Wait(r.t, "the end of a job and its mails", func() bool {
		j = r.job(s, id)
		return j.State.Final() && j.Mail.State != jobs.MailPending
	})
	if j.Counts.Pending != 0 || j.Counts.Total() != j.Requested {
		r.t.Errorf("a job ended as %+v", j)
	}
	return j
}

func (r *rig) logger() zerolog.Logger { return zerolog.New(&r.log).Level(zerolog.DebugLevel) }

// logged reports whether text is in the log.
func (r *rig) logged(text string) bool { return strings.Contains(r.log.String(), text) }

// provoked is the demo's map, with a trigger that a test may add.
func provoked(t *testing.T) *erasuremap.Map {
	t.Helper()
	with := bytes.Replace(booking.Map(), []byte("\ntriggers:\n"), []byte(`
triggers:
  - {name: provoked, because: "a test"}
`), 1)
	m, err := erasuremap.Parse("oubli.yaml", with)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// fakeMailServer records the mails that it accepts. A test can set its next
// answers for a recipient.
type fakeMailServer struct {
	mu      sync.Mutex
	taken   map[string]int // how often each mail was accepted, by its id
	mails   []jobs.ReportMail
	answers map[string][]error
}

func newFakeMailServer() *fakeMailServer {
	return &fakeMailServer{taken: map[string]int{}, answers: map[string][]error{}}
}

func (p *fakeMailServer) Send(_ context.Context, l jobs.ReportMail) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if next := p.answers[l.To]; len(next) > 0 {
		p.answers[l.To] = next[1:]
		return next[0]
	}
	p.taken[l.ID]++
	p.mails = append(p.mails, l)
	return nil
}

// wantMails fails the test unless n mails were accepted, each once.
func (p *fakeMailServer) wantMails(t *testing.T, n int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.mails) != n || len(p.taken) != n {
		t.Errorf("%d mails were sent %d times, want %d once each", len(p.taken), len(p.mails), n)
	}
}
