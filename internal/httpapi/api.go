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

	"github.com/oubli/oubli/jobs"
)

// Store keeps jobs. Its errors are [jobs.Error]s; a thing of another tenant is
// missing.
type Store interface {
	// AcceptErasure stores job, tasks and key in one transaction. It reports
	// replayed when the key was known with the same hash, and the first answer.
	AcceptErasure(ctx context.Context, req jobs.ErasureRequest, key jobs.IdempotencyKey) (job jobs.Job, replayed bool, err error)
	// AcceptMerge is the same for a merge.
	AcceptMerge(ctx context.Context, req jobs.MergeRequest, key jobs.IdempotencyKey) (job jobs.Job, replayed bool, err error)
	// Job is one job; the tenant may be jobs.AnyTenant.
	Job(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error)
	// Cancel, Pause and Resume take a step that the job's state allows, or fail
	// with Conflict.
	Cancel(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error)
	Pause(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error)
	Resume(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error)
	// Retry makes a new job of the clients that failed or were skipped.
	Retry(ctx context.Context, tenant, id string, by jobs.Caller) (jobs.Job, error)
	// Select freezes the list of a tenant's inactive clients; Selection and
	// Candidates read it, Tick changes who is included.
	Select(ctx context.Context, req jobs.SelectionRequest) (jobs.Selection, error)
	Selection(ctx context.Context, tenant, id string) (jobs.Selection, error)
	Candidates(ctx context.Context, tenant, id string, page jobs.Page) (jobs.List[jobs.Candidate], error)
	Tick(ctx context.Context, tenant, id string, ticks jobs.Ticks) (jobs.Selection, error)
	// Jobs is a page of jobs, the newest first.
	Jobs(ctx context.Context, f jobs.Filter) (jobs.List[jobs.Job], error)
	// Retention is what the law keeps of a tenant's erased clients.
	Retention(ctx context.Context, tenant string) (jobs.Retention, error)
	// Exceptions is a page of the clients that are not plainly erased.
	Exceptions(ctx context.Context, f jobs.ExceptionFilter) (jobs.List[jobs.Exception], error)
}

// Options are what the API is made of.
type Options struct {
	Store    Store            // required
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
	if o.Store == nil {
		errs = append(errs, errors.New("Store is required"))
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
