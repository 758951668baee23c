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

// Stores are where the resources are kept. One value may serve as several of
// them. Their errors are [jobs.Error]s, and for them an object of another tenant
// does not exist.
type Stores struct {
	Jobs       JobStore
	Controls   JobControls
	Erasures   ErasureStore
	Merges     MergeStore
	Selections SelectionStore
	Retention  RetentionStore
}

func (s Stores) complete() bool {
	return s.Jobs != nil && s.Controls != nil && s.Erasures != nil && s.Merges != nil && s.Selections != nil && s.Retention != nil
}

// Options are the parts of the API.
type Options struct {
	Stores                    // required, each of them
	Verifier *Verifier        // required
	Log      zerolog.Logger   // access log and causes of failures; the zero logger writes nothing
	Version  string           // of oubli, shown in the OpenAPI document; empty: "dev"
	Now      func() time.Time // nil: time.Now
	Tracer   trace.Tracer     // nil: no spans
	// Observe is called after each answer. The route is a pattern of this API
	// and never what a caller wrote; empty when none fits.
	Observe func(method, route string, status int, took time.Duration)
	Limits  Limits // of each caller; the zero Limits are the defaults
}

func (o *Options) validate() error {
	var errs []error
	if !o.Stores.complete() {
		errs = append(errs, errors.New("all of Stores are required"))
	}
	if o.Verifier == nil {
		errs = append(errs, errors.New("Verifier is required"))
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
	if o.Observe == nil {
		o.Observe = func(string, string, int, time.Duration) {}
	}
	return errors.Join(errs...)
}

// api ties resources to routes.
type api struct {
	Options
	huma     huma.API
	limiters limiters
	patience time.Duration // with a body
}

// New is the handler of the whole API.
func New(o Options) (http.Handler, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("http api: %w", err)
	}
	return newHandler(o, bodyTimeout, unreadTimeout)
}

// newHandler is New with patience of a test's choice: with a body that is
// read, and with one that is not.
func newHandler(o Options, patience, unread time.Duration) (http.Handler, error) {
	mux := http.NewServeMux()
	a := &api{Options: o, huma: humago.New(mux, document(o.Version)), limiters: o.Limits.start(), patience: patience}
	a.erasures()
	a.erasureSteps()
	a.selections()
	a.merges()
	a.retention()

	spec, err := specification(a.huma)
	if err != nil {
		return nil, fmt.Errorf("http api: %w", err)
	}
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(spec)
	})
	return observe(&a.Options, impatient(unread, routed(mux))), nil
}

// operation is a route and what holds for it.
type operation struct {
	method, path string
	id           string // operationId
	summary      string
	description  string
	who          audience
	status       int      // of success
	codes        []string // problems beyond those that every such route has
	idempotent   bool     // takes an Idempotency-Key
	body         int64    // largest body, in bytes
	example      any      // of the body
}

// register ties a handler without a body to its route. Whatever error the
// handler returns becomes a problem.
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
		out, err := handle(ctx, in)
		if err != nil {
			return nil, problemOf(ctx, &a.Log, err)
		}
		return out, nil
	})
}

// body is a request body that says how its fields are read.
type body[B any] interface {
	*B
	fields() map[string]field
}

// registerBody ties a handler with a body to its route. The body is read
// strictly, by [readBody]; huma does not see it and only documents it.
func registerBody[I, B, O any, PB body[B]](a *api, op operation, handle func(context.Context, *I, *B) (*O, error)) {
	register(a, op, func(ctx context.Context, in *I) (*O, error) {
		var b B
		var together func() []Fault
		if c, ok := any(PB(&b)).(interface{ together() []Fault }); ok {
			together = c.together
		}
		if p := readBody(callOf(ctx).body, PB(&b).fields(), together); p != nil {
			return nil, p
		}
		return handle(ctx, in, &b)
	})
	describeBody[B](a.huma, op)
}

// jsonFormats writes and never reads: bodies are not huma's business.
func jsonFormats() map[string]huma.Format {
	f := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: func([]byte, any) error {
		return errors.New("bodies are read by readBody")
	}}
	return map[string]huma.Format{"application/json": f, "json": f}
}
