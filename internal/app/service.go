package app

import (
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"

	"github.com/oubli/oubli/config"
	"github.com/oubli/oubli/internal/ledger"
	"github.com/oubli/oubli/internal/ops"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/mailer"
	"github.com/oubli/oubli/repository"
	"github.com/oubli/oubli/worker"
)

// Parts are the halves of the service that one process can run.
type Parts struct {
	API    bool // the HTTP API
	Worker bool // the handlers that erase and mail
}

// Service is a running API, worker, or both, with the dispatcher that every process
// has and the listener for operations.
type Service struct {
	APIAddr string // where the API listens; empty without one
	OpsAddr string

	Registry *prometheus.Registry // what /metrics shows

	cfg        config.Config
	log        zerolog.Logger
	tune       Tuning
	store      *repository.Store
	ledger     *ledger.Ledger
	redis      redis.UniversalClient
	dispatcher *worker.Dispatcher
	metrics    *ops.Metrics
	tracer     trace.Tracer
	redisInUse atomic.Bool // by the worker
	// ledgerWriter is nil in a process without workers, and without a ledger.
	ledgerWriter *ledger.Writer
	stopTaking   func() // of the worker; nil without one
	parts        []stop // what works: stopped first, all at once
	shared       []stop // what the parts work with: closed last
	failed       chan error
}

// operations is the listener with the dashboard, which must not be reachable for everybody.
const operations = "operations"

// Start starts the parts. When one cannot be, those that were are stopped
// again. A worker refuses to start while the map does not cover the schema; an
// API starts and says so, because requests can wait and lost ones cannot.
func Start(ctx context.Context, env Environment, parts Parts, log zerolog.Logger, tune Tuning) (*Service, error) {
	cfg, err := env.load(parts.needs()...)
	if err != nil {
		return nil, err
	}
	return start(ctx, cfg, parts, log, tune)
}

func start(ctx context.Context, cfg config.Config, parts Parts, log zerolog.Logger, tune Tuning) (_ *Service, err error) {
	s := &Service{cfg: cfg, log: log, tune: tune, Registry: prometheus.NewRegistry(), failed: make(chan error, 2)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
		}
	}()
	s.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if s.metrics, err = ops.NewMetrics(s.Registry, Version(), runtime.Version()); err != nil {
		return nil, err
	}
	if err := s.openTracing(ctx); err != nil {
		return nil, err
	}
	if err := s.openStore(ctx, parts); err != nil {
		return nil, err
	}
	if err := s.openLedger(ctx, parts); err != nil {
		return nil, err
	}
	redis.SetLogger(redisLog{log})
	s.redis = cfg.Redis.NewClient()
	s.close("Redis client", s.closeRedis)
	s.startDispatcher(ctx, parts)
	s.startWebhook()
	if parts.Worker {
		if err := s.startWorker(); err != nil {
			return nil, err
		}
	}
	if parts.API {
		if err := s.startAPI(); err != nil {
			return nil, err
		}
	}
	if err := s.startOps(); err != nil {
		return nil, err
	}
	return s, nil
}

// Failed reports a listener that failed while running.
func (s *Service) Failed() <-chan error { return s.failed }

func (s *Service) openStore(ctx context.Context, parts Parts) error {
	file := &mapFile{path: s.cfg.Map, log: s.log}
	m, err := file.load()
	if err != nil {
		return &SettingsError{err}
	}
	conns := 6 // requests, the dispatcher's loops, readiness
	if parts.Worker {
		conns += 2 * s.cfg.Concurrency // a chunk, and the making of a profile beside it
	}
	o := repository.Options{
		URL: s.cfg.DatabaseURL.Reveal(), Map: m, LoadMap: file.load, MaxConns: int32(conns),
		BatchClients: s.cfg.BatchClients, Grace: s.cfg.Grace,
		Lease: s.tune.Lease, MailLease: s.tune.MailLease, Pause: s.tune.Pause, Failpoint: s.tune.Failpoint,
	}
	if parts.Worker {
		o.MaxReplicaLag, o.MaxActive = int64(s.cfg.MaxReplicaLagMiB)<<20, s.cfg.MaxActiveSessions
	}
	s.store, err = repository.Open(ctx, o)
	if err != nil {
		return err
	}
	s.close("database connections", s.closeStore)
	if s.tune.Store != nil {
		s.tune.Store(s.store)
	}
	err = s.store.Cover(ctx)
	if gaps, ok := errors.AsType[plan.Gaps](err); ok && !parts.Worker {
		s.log.Error().Int("gaps", len(gaps)).Msg("the map does not cover the schema; jobs are accepted and wait: run oubli check")
		return nil
	}
	return err
}

func (s *Service) guarded() guarded { return guarded{s.store, s.ledger.Restored} }

func (s *Service) startDispatcher(ctx context.Context, parts Parts) {
	o := worker.DispatcherOptions{
		Outbox:   s.guarded(),
		Recovery: s.store,
		Redis:    s.redis,
		Log:      s.log,
		Count:    s.metrics.Count,
		Round:    s.metrics.ObserveLoop,
		Tracer:   s.tracer,
	}
	if parts.Worker { // the API's database role may not write to the application's tables
		o.Maintenance = s.guarded()
	}
	if s.tune.Dispatcher != nil {
		s.tune.Dispatcher(&o)
	}
	s.dispatcher = worker.NewDispatcher(o)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.dispatcher.Run(ctx)
	}()
	s.stopPart("dispatcher", func(stop context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-stop.Done():
			return stop.Err()
		}
	})
}

func (s *Service) startWorker() error {
	sender, err := mailer.New(mailOptions(s.cfg))
	if err != nil {
		return &SettingsError{err}
	}
	o := worker.Options{
		Claims: s.guarded(), Eraser: s.guarded(), Mails: s.store, Sender: sender,
		Redis: s.redis, Log: s.log,
		Concurrency: s.cfg.Concurrency, ChunkTarget: s.cfg.ChunkTarget, WorkShare: s.cfg.WorkShare,
		MailRetry: s.tune.MailRetry,
		Tracer:    s.tracer,
		Wake:      s.dispatcher.Wake,
		Observe:   func(c jobs.Chunk) { s.metrics.ObserveChunk(c.Clients, c.Elapsed) },
		Count:     s.metrics.Count,
		Retrying: func(kind jobs.TaskKind, why string) {
			if kind == jobs.BatchTask {
				s.metrics.CountBatchRetry(why)
			}
		},
	}
	if s.ledgerWriter != nil {
		o.Ledger = s.ledgerWriter
	}
	if s.tune.Worker != nil {
		s.tune.Worker(&o)
	}
	srv := worker.NewServer(o)
	s.close("mail connections", func(context.Context) error { sender.Close(); return nil })
	s.metrics.SetSlots(s.cfg.Concurrency)
	if err := srv.Start(); err != nil {
		return err
	}
	s.redisInUse.Store(true)
	s.stopTaking = srv.StopTaking
	s.stopPart("worker", func(context.Context) error {
		srv.Stop()
		s.redisInUse.Store(!srv.Ended())
		return nil
	})
	return nil
}

// keepMailConnections is far below the five minutes after which a mail server may
// close an idle connection (RFC 5321, 4.5.3.2.7).
const keepMailConnections = 10 * time.Second

func mailOptions(cfg config.Config) mailer.Options {
	o := mailer.Options{
		Host: cfg.SMTP.Host, Port: cfg.SMTP.Port, User: cfg.SMTP.Username, Password: cfg.SMTP.Password.Reveal(),
		From: cfg.MailFrom, PublicURL: cfg.PublicURL, Keep: keepMailConnections,
	}
	switch cfg.SMTP.TLS {
	case config.TLSImplicit:
		o.ImplicitTLS = true
	case config.TLSOpportunistic:
		o.TLS = mailer.TLSOpportunistic
	case config.TLSNone:
		o.TLS = mailer.TLSNone
	}
	return o
}

func (s *Service) startOps() error {
	redisOpt := s.cfg.Redis.Asynq()
	collector := ops.NewCollector(s.store, asynq.NewInspectorFromRedisClient(s.redis), s.log)
	if err := errors.Join(s.Registry.Register(collector), ops.RegisterPool(s.Registry, s.poolStats)); err != nil {
		return err
	}
	if err := s.Registry.Register(ops.NewRetentionCollector(s.store, s.log)); err != nil {
		return err
	}
	if err := ops.RegisterRestored(s.Registry, func() bool { return s.ledger.Restored() != nil }); err != nil {
		return err
	}
	handler, err := ops.New(ops.Options{
		Addr: s.cfg.OpsListen, Password: s.cfg.OpsPassword.Reveal(), DashboardWritable: s.cfg.DashboardWritable,
		Redis: redisOpt, Registry: s.Registry, Log: s.log, Failures: limitsOf(s.cfg).Failures,
		Checks: []ops.Check{
			{Name: "database", Run: s.store.Ping},
			{Name: "redis", Run: s.pingRedis},
			{Name: "map", Run: s.store.Covered},
			{Name: "ledger", Run: s.ledgerAnswers},
		},
	})
	if err != nil {
		return &SettingsError{err}
	}
	s.close("dashboard", func(context.Context) error { return handler.Close() })
	s.OpsAddr, err = s.serve(operations, s.cfg.OpsListen, ops.NewServer(handler, s.cfg.OpsListen))
	return err
}

func (s *Service) poolStats() ops.PoolStats {
	st := s.store.PoolStat()
	return ops.PoolStats{Max: int(st.MaxConns()), InUse: int(st.AcquiredConns()), Idle: int(st.IdleConns()),
		Waits: st.EmptyAcquireCount(), Waited: st.EmptyAcquireWaitTime()}
}

// pingRedis checks that Redis answers and takes writes. A replica, a Redis that is
// full and one that cannot save to its disk answer a ping.
func (s *Service) pingRedis(ctx context.Context) error {
	err := s.redis.Set(ctx, writableKey, 1, time.Minute).Err()
	if err == nil {
		return nil
	}
	msg := "Redis does not answer"
	for prefix, why := range map[string]string{
		"READONLY": "it is a replica; OUBLI_REDIS_URL has to name the primary",
		"OOM":      "it has reached maxmemory",
		"MISCONF":  "it cannot save to its disk",
		"NOPERM":   "the user's ACL lacks SET on asynq:*",
	} {
		if redis.HasErrorPrefix(err, prefix) {
			msg = "Redis takes no writes: " + why
		}
	}
	return &jobs.Error{Kind: jobs.Unavailable, Msg: msg, Err: err}
}

// writableKey is written to see whether Redis takes writes. It starts as the keys
// of asynq do, so that an ACL for these suffices.
const writableKey = "asynq:oubli:writable"

// serve listens and serves until the service stops.
func (s *Service) serve(name, addr string, srv *http.Server) (string, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("listen for %s on %s: %w", name, addr, err)
	}
	if err := s.openTo(name, l.Addr()); err != nil {
		return "", errors.Join(err, l.Close())
	}
	requests, endRequests := context.WithCancel(context.Background())
	srv.BaseContext = func(net.Listener) context.Context { return requests }
	srv.ErrorLog = stdlog.New(s.log, "", 0)
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("%s listener: %w", name, err)
		}
	}()
	s.stopPart(name+" listener", func(ctx context.Context) error { return s.stopListener(ctx, name, srv, endRequests) })
	return l.Addr().String(), nil
}

// openTo looks at where a listener has come to stand: a machine may resolve
// localhost to an address that others reach.
func (s *Service) openTo(name string, addr net.Addr) error {
	if name != operations || !s.cfg.OpsPassword.Empty() || config.OnLoopback(addr.String()) {
		return nil
	}
	return &SettingsError{fmt.Errorf("OUBLI_OPS_PASSWORD: not set; required because OUBLI_OPS_LISTEN is not on loopback but on %s", addr)}
}

// redisLog lets through what go-redis says of failed connections, at a level
// at which an outage does not fill the log: the dispatcher reports it once.
type redisLog struct{ log zerolog.Logger }

func (l redisLog) Printf(_ context.Context, format string, args ...any) {
	l.log.Debug().Str("from", "go-redis").Msgf(format, args...)
}
