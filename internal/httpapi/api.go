package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Stores stores and reads the resources. One value may implement several of its
// interfaces. Their errors are [jobs.Error]s. An object of another tenant counts
// as missing.
type Stores struct {
	Jobs       JobStore
	Controls   JobControls
	Erasures   ErasureStore
	Merges     MergeStore
	Selections SelectionStore
	Clients    ClientStore
	Retention  RetentionStore
}

func (s Stores) complete() bool {
	return s.Jobs != nil && s.Controls != nil && s.Erasures != nil && s.Merges != nil && s.Selections != nil && s.Clients != nil &&
		s.Retention != nil
}

// Options are the parts and settings of the API.
type Options struct {
	Stores                // required, each of them
	Verifier *Verifier    // required
	Waiter   JobWaiter    // required
	Feed     EventFeed    // required
	Console  ConsoleStore // nil: there is no console
	// ConsoleURL is the URL before /console/. Empty: where the caller has reached the API.
	ConsoleURL string
	Log        zerolog.Logger   // access log and causes of failures; the zero logger writes nothing
	Version    string           // of oubli, shown in the OpenAPI document; empty: "dev"
	Now        func() time.Time // nil: time.Now
	Tracer     trace.Tracer     // nil: no spans
	// Observe is called after each answer. The route is a pattern of this API,
	// never the path that a caller sent. It is empty if no route matched.
	Observe func(method, route string, status int, took time.Duration)
	Limits  Limits // of each caller; the zero Limits are the defaults
	// Refuse, if it returns an error, makes the API answer every request with it, those
	// without a valid token excepted; nil: never.
	Refuse func() error
}

func (o *Options) validate() error {
	var errs []error
	if !o.Stores.complete() {
		errs = append(errs, errors.New("all of Stores are required"))
	}
	if o.Verifier == nil {
		errs = append(errs, errors.New("Verifier is required"))
	}
	if o.Waiter == nil || o.Feed == nil {
		errs = append(errs, errors.New("both Waiter and Feed are required"))
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("")
	}
	if o.Refuse == nil {
		o.Refuse = func() error { return nil }
	}
	if o.Observe == nil {
		o.Observe = func(string, string, int, time.Duration) {}
	}
	return errors.Join(errs...)
}

// api connects resources to routes.
type api struct {
	Options
	huma        huma.API
	limiters    limiters
	bodyTimeout time.Duration
}

// New returns the handler of the whole API.
func New(o Options) (http.Handler, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("http api: %w", err)
	}
	return newHandler(o, defaultBodyTimeout, defaultUnreadTimeout)
}

// newHandler is New with timeouts that a test can choose: for a body that a
// handler reads, and for one that no handler reads.
func newHandler(o Options, bodyTimeout, unreadTimeout time.Duration) (http.Handler, error) {
	mux := http.NewServeMux()
	a := &api{Options: o, huma: humago.New(mux, document(o.Version)), limiters: o.Limits.start(), bodyTimeout: bodyTimeout}
	a.erasures()
	a.erasureSteps()
	a.selections()
	a.clients()
	a.merges()
	a.retention()
	a.events()
	a.consoleSessions()

	spec, err := specification(a.huma)
	if err != nil {
		return nil, fmt.Errorf("http api: %w", err)
	}
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(spec)
	})
	return observe(&a.Options, limitUnreadBody(unreadTimeout, routed(mux))), nil
}

// operation describes a route.
type operation struct {
	method, path string
	id           string // operationId
	summary      string
	description  string
	who          audience
	status       int      // of success
	codes        []string // its own problem codes, besides those that all routes share
	idempotent   bool     // requires an Idempotency-Key
	body         int64    // largest body, in bytes
	example      any      // of the body
}

// register connects a handler without a body to its route. An error of the
// handler becomes a problem.
func register[I, O any](a *api, op operation, handle func(context.Context, *I) (*O, error)) {
	h := describeOperation(op)
	h.Middlewares = huma.Middlewares{a.admit(op.who)}
	if op.idempotent {
		h.Middlewares = append(h.Middlewares, takeKey)
	}
	if op.body > 0 {
		h.Middlewares = append(h.Middlewares, a.takeBody(op.body))
	}
	huma.Register(a.huma, h, func(ctx context.Context, in *I) (*O, error) {
		if err := a.Refuse(); err != nil {
			return nil, problemOf(ctx, &a.Log, err)
		}
		out, err := handle(ctx, in)
		if err != nil {
			return nil, problemOf(ctx, &a.Log, err)
		}
		return out, nil
	})
}

// body is a request body that defines how its fields are read.
type body[B any] interface {
	*B
	fields() map[string]field
}

// registerBody connects a handler with a body to its route. [readBody] reads the
// body strictly; huma only documents it.
func registerBody[I, B, O any, PB body[B]](a *api, op operation, handle func(context.Context, *I, *B) (*O, error)) {
	register(a, op, func(ctx context.Context, in *I) (*O, error) {
		var b B
		var checkCombination func() []Fault
		if c, ok := any(PB(&b)).(interface{ checkCombination() []Fault }); ok {
			checkCombination = c.checkCombination
		}
		if p := readBody(callOf(ctx).body, PB(&b).fields(), checkCombination); p != nil {
			return nil, p
		}
		return handle(ctx, in, &b)
	})
	describeBody[B](a.huma, op)
}

// jsonFormats lets huma write JSON but not read it: [readBody] reads bodies.
func jsonFormats() map[string]huma.Format {
	f := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: func([]byte, any) error {
		return errors.New("bodies are read by readBody")
	}}
	return map[string]huma.Format{"application/json": f, "json": f}
}
