package tracing

import (
	"context"
	"errors"
	"strings"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// Options say where spans are sent, and which build sends them.
type Options struct {
	// Endpoint is the collector's base URL, http://host:4318. The exporter
	// reads its other settings (OTEL_EXPORTER_OTLP_HEADERS,
	// OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME …) from the environment, as
	// OpenTelemetry specifies.
	Endpoint string
	Version  string // of this build
	Log      zerolog.Logger
}

// Open returns a provider that sends spans. It does not connect yet. While the
// collector cannot be reached, spans are lost and nothing else happens. Shut the
// provider down to send the remaining spans.
func Open(ctx context.Context, o Options) (*trace.TracerProvider, error) {
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(strings.TrimSuffix(o.Endpoint, "/")+"/v1/traces"))
	if err != nil {
		return nil, err
	}
	service, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "oubli"), attribute.String("service.version", o.Version)),
		resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, err
	}
	// The library has one error handler per process. It gets the errors of the
	// export, again and again while the collector cannot be reached.
	log := o.Log
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {
		log.Debug().Str("from", "opentelemetry").Msg("spans could not be sent")
	}))
	return trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(service)), nil
}
