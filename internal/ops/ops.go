package ops

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/hibiken/asynq"
	"github.com/hibiken/asynqmon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"github.com/oubli/oubli/internal/loopback"
)

// Options are the parts and settings of the listener.
type Options struct {
	Addr              string               // where it listens; any address but loopback requires a Password
	Password          string               // of basic authentication, with any user name; empty: none required
	Failures          int                  // wrong passwords per minute from one address; 0: 60, negative: no limit
	DashboardWritable bool                 // lets operators archive, run and delete hints; false: read-only
	Redis             asynq.RedisConnOpt   // required
	Registry          *prometheus.Registry // required; its metrics are at /metrics
	Checks            []Check              // the conditions of /readyz
	CheckTimeout      time.Duration        // of all checks together; 0: 3s
	Log               zerolog.Logger       // causes of failed checks; the zero logger writes nothing
}

func (o *Options) validate() error {
	var errs []error
	switch local, err := isLoopback(o.Addr); {
	case err != nil:
		errs = append(errs, fmt.Errorf("want Addr as host:port: %w", err))
	case !local && o.Password == "":
		errs = append(errs, errors.New("want a Password, because Addr is not on loopback"))
	}
	if o.Redis == nil {
		errs = append(errs, errors.New("want Redis"))
	}
	if o.Registry == nil {
		errs = append(errs, errors.New("want a Registry"))
	}
	if o.CheckTimeout < 0 {
		errs = append(errs, fmt.Errorf("want a CheckTimeout of 0s or more, got %s", o.CheckTimeout))
	}
	if o.CheckTimeout == 0 {
		o.CheckTimeout = 3 * time.Second
	}
	return errors.Join(errs...)
}

// isLoopback reports whether addr can be reached only from this machine.
func isLoopback(addr string) (bool, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false, err
	}
	return loopback.Host(host), nil
}

// Handler handles the requests of the listener.
type Handler struct {
	http.Handler
	dashboard *asynqmon.HTTPHandler
}

// New builds the listener's handler. Close it after the listener.
func New(o Options) (*Handler, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("operations listener: %w", err)
	}
	dashboard := newDashboard(o)
	monitoring, err := guardDashboard(dashboard, o.DashboardWritable)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("operations listener: %w", err), dashboard.Close())
	}

	protected := http.NewServeMux()
	protected.Handle("/monitoring", monitoring)
	protected.Handle("/monitoring/", monitoring)
	protected.Handle("GET /metrics", promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{
		// One metric that cannot be read must not hide the others.
		ErrorHandling:       promhttp.ContinueOnError,
		ErrorLog:            promLogger{&o.Log},
		MaxRequestsInFlight: 3,
		Timeout:             15 * time.Second,
	}))
	protected.Handle("GET /debug/pprof/", profiles())
	protected.Handle("GET /{$}", indexPage(o.DashboardWritable))

	public := http.NewServeMux()
	public.HandleFunc("GET /healthz", healthz)
	public.Handle("GET /readyz", newReadiness(o.Checks, o.CheckTimeout, &o.Log))
	public.Handle("/", authenticated(o.Password, failureLimiter(o.Failures), protected))
	return &Handler{Handler: secured(o.Password == "", public), dashboard: dashboard}, nil
}

// Close closes the dashboard's connections to Redis.
func (h *Handler) Close() error {
	if err := h.dashboard.Close(); err != nil {
		return fmt.Errorf("close dashboard: %w", err)
	}
	return nil
}

// NewServer serves a handler of [New] on addr. Writing an answer may take two
// minutes, because a profile may run for one. Reading has the same limit, because
// net/http cancels a request when its read timeout ends.
func NewServer(handler http.Handler, addr string) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       2 * time.Minute,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}

// promLogger writes errors of promhttp to the log.
type promLogger struct{ log *zerolog.Logger }

// Println logs which metrics promhttp could not read.
func (p promLogger) Println(v ...any) {
	p.log.Error().Str("cause", fmt.Sprint(v...)).Msg("metrics are incomplete")
}
