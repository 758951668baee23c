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

// untraced is the tracer of those who want no spans.
var untraced = noop.NewTracerProvider().Tracer("")

// traced is a context within the trace of the request that made a job.
func traced(ctx context.Context, traceparent string) context.Context {
	if traceparent == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent})
}

// taskSpan begins the span of a claimed task. Attributes are ids and counts.
func (s *Server) taskSpan(ctx context.Context, c *jobs.Claim) (context.Context, trace.Span) {
	return s.o.Tracer.Start(traced(ctx, c.Trace), string(c.Kind), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("oubli.job", c.JobID), attribute.String("oubli.task", c.TaskID),
		attribute.Int("oubli.number", c.Number), attribute.Int("oubli.attempt", c.Attempt)))
}

// wentWrong marks a span. Of an error it tells the kind or code alone, which is
// what a task keeps of it too.
func wentWrong(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, reasonOf(err))
	}
}

func end(span trace.Span, err error) {
	wentWrong(span, err)
	span.End()
}
