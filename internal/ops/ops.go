package ops

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/hibiken/asynq"
	"github.com/hibiken/asynqmon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"github.com/oubli/oubli/internal/loopback"
)

// Options are what the listener is made of.
type Options struct {
	Addr              string               // where it will listen; beyond loopback only with a Password
	Password          string               // of basic auth, with any user name; empty: none asked for
	Failures          int                  // wrong passwords a minute from one address; 0: 60, negative: no limit
	DashboardWritable bool                 // lets operators archive, run and delete hints; false: they look only
	Redis             asynq.RedisConnOpt   // required
	Registry          *prometheus.Registry // required; what /metrics shows
	Checks            []Check              // what /readyz asks
	CheckTimeout      time.Duration        // of all checks together; 0: 3s
	Log               zerolog.Logger       // causes of failed checks; the zero logger writes nothing
}

func (o *Options) validate() error {
	var errs []error
	switch local, err := isLoopback(o.Addr); {
	case err != nil:
		errs = append(errs, fmt.Errorf("want Addr as host:port: %w", err))
	case !local && o.Password == "":
		errs = append(errs, errors.New("want a Password for an Addr beyond loopback"))
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

// isLoopback reports whether only this machine can reach addr.
func isLoopback(addr string) (bool, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false, err
	}
	return loopback.Host(host), nil
}

// Handler serves the listener.
type Handler struct {
	http.Handler
	dashboard *asynqmon.HTTPHandler
}

// New builds the listener's handler. Close it when the listener is closed.
func New(o Options) (*Handler, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("operations listener: %w", err)
	}
	dashboard := newDashboard(o)
	monitoring, err := guardDashboard(dashboard, o.DashboardWritable)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("operations listener: %w", err), dashboard.Close())
	}

	inside := http.NewServeMux()
	inside.Handle("/monitoring", monitoring)
	inside.Handle("/monitoring/", monitoring)
	inside.Handle("GET /metrics", promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{
		// One broken number must not hide all others.
		ErrorHandling:       promhttp.ContinueOnError,
		ErrorLog:            printer{&o.Log},
		MaxRequestsInFlight: 3,
		Timeout:             15 * time.Second,
	}))
	inside.HandleFunc("GET /debug/pprof/", pprof.Index)
	inside.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	inside.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	inside.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	inside.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	inside.Handle("GET /{$}", indexPage(o.DashboardWritable))

	outside := http.NewServeMux()
	outside.HandleFunc("GET /healthz", healthz)
	outside.Handle("GET /readyz", newReadiness(o.Checks, o.CheckTimeout, &o.Log))
	outside.Handle("/", authenticated(o.Password, guessing(o.Failures), inside))
	return &Handler{Handler: secured(o.Password == "", outside), dashboard: dashboard}, nil
}

// Close lets go of the dashboard's connections to Redis.
func (h *Handler) Close() error {
	if err := h.dashboard.Close(); err != nil {
		return fmt.Errorf("close dashboard: %w", err)
	}
	return nil
}

// NewServer serves a handler of [New] on addr. A profile takes as long as it is
// asked to, so that answers have two minutes; so have requests, because
// net/http ends whatever still works when the time to read is over.
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

// printer lets promhttp speak to the log.
type printer struct{ log *zerolog.Logger }

// Println logs what promhttp could not gather.
func (p printer) Println(v ...any) {
	p.log.Error().Str("cause", fmt.Sprint(v...)).Msg("metrics are incomplete")
}
