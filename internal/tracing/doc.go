// Package tracing sends spans to an OpenTelemetry collector. Packages that create
// spans take a tracer of the OpenTelemetry API, which does nothing unless it comes
// from [Open].
package tracing
