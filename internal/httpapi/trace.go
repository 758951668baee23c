package httpapi

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	otel "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// startSpan starts the span of a request, in the caller's trace if the request
// has a traceparent header, which consists of ids. tracestate and baggage are
// ignored: they could contain anything.
func startSpan(ctx context.Context, tracer trace.Tracer, r *http.Request) (context.Context, trace.Span) {
	if _, off := tracer.(noop.Tracer); off {
		return ctx, trace.SpanFromContext(ctx)
	}
	if parent := r.Header.Get("traceparent"); parent != "" {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": parent})
	}
	return tracer.Start(ctx, "request", trace.WithSpanKind(trace.SpanKindServer))
}

// endSpan ends the span of a request with the status of its answer.
func endSpan(span trace.Span, method, pattern, requestID string, status int) {
	if pattern != "" {
		span.SetName(pattern)
	}
	span.SetAttributes(attribute.String("http.request.method", method), attribute.String("http.route", pathOfPattern(pattern)),
		attribute.Int("http.response.status_code", status), attribute.String("oubli.request", requestID))
	if status >= http.StatusInternalServerError {
		span.SetStatus(otel.Error, http.StatusText(status))
	}
	span.End()
}
