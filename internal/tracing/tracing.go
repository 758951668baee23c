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

// Options say where spans go, and whose they are.
type Options struct {
	// Endpoint is the collector's base URL, http://host:4318. What else the
	// exporter reads from the environment (OTEL_EXPORTER_OTLP_HEADERS,
	// OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME …) counts as OpenTelemetry
	// specifies.
	Endpoint string
	Version  string // of this build
	Log      zerolog.Logger
}

// Open connects to nothing yet: a collector that is away costs spans and no
// more. Shut the provider down to send what is left.
func Open(ctx context.Context, o Options) (*trace.TracerProvider, error) {
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(strings.TrimSuffix(o.Endpoint, "/")+"/v1/traces"))
	if err != nil {
		return nil, err
	}
	who, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "oubli"), attribute.String("service.version", o.Version)),
		resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, err
	}
	// The handler is the process's, as the library has it. Its errors are of
	// the export, and repeat for as long as the collector is away.
	log := o.Log
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {
		log.Debug().Str("from", "opentelemetry").Msg("spans were not taken")
	}))
	return trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(who)), nil
}
