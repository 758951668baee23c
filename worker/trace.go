package worker

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/oubli/oubli/jobs"
)

// noTracer is the tracer when no spans are wanted.
var noTracer = noop.NewTracerProvider().Tracer("")

// withTrace returns ctx within the trace of the request that created the job.
func withTrace(ctx context.Context, traceparent string) context.Context {
	if traceparent == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent})
}

// taskSpan begins the span of a claimed task. Its attributes are ids and counts.
func (s *Server) taskSpan(ctx context.Context, c *jobs.Claim) (context.Context, trace.Span) {
	return s.o.Tracer.Start(withTrace(ctx, c.Trace), string(c.Kind), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("oubli.job", c.JobID), attribute.String("oubli.task", c.TaskID),
		attribute.Int("oubli.number", c.Number), attribute.Int("oubli.attempt", c.Attempt)))
}

// setStatus marks a span as failed if err is not nil. The span contains only the
// error's code or kind.
func setStatus(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, reasonOf(err))
	}
}

func endSpan(span trace.Span, err error) {
	setStatus(span, err)
	span.End()
}
