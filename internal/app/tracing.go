package app

import (
	"context"

	"go.opentelemetry.io/otel/trace/noop"

	"github.com/oubli/oubli/internal/tracing"
)

// openTracing comes first, so that what stops last still sends its spans.
func (s *Service) openTracing(ctx context.Context) error {
	if s.cfg.TraceEndpoint == "" {
		s.tracer = noop.NewTracerProvider().Tracer("")
		return nil
	}
	provider, err := tracing.Open(ctx, tracing.Options{Endpoint: s.cfg.TraceEndpoint, Version: Version(), Log: s.log})
	if err != nil {
		return err
	}
	s.tracer = provider.Tracer("github.com/oubli/oubli")
	s.close("tracing", func(ctx context.Context) error {
		if err := provider.Shutdown(ctx); err != nil { // spans are not worth a failed stop
			s.log.Warn().Str("from", "opentelemetry").Msg("the last spans could not be sent")
		}
		return nil
	})
	return nil
}
