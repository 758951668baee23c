// Package tracing sends spans to an OpenTelemetry collector. Who wants none has
// none: the packages that make spans take a tracer of the API, which does
// nothing unless this package has opened another.
package tracing
