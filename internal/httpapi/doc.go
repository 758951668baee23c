// Package httpapi is the HTTP API, /v1. It translates between HTTP and the types
// of package jobs. It does not depend on a database: each resource declares a
// small interface beside its handlers; [Stores] lists these interfaces.
//
// Every answer that is not a success is a problem document (RFC 9457) with a
// stable code. status.go has the table from kinds and codes of errors to statuses.
// No answer and no log line contains values that the caller has sent: a mistake is
// described by its place.
//
// A request passes through these steps, in this order: the request id and the
// access log (observe.go), the token, the caller's limits (limits.go) and role
// (access.go), the Idempotency-Key and the size of the body (body.go), the strict
// reading of the body (reader.go), and the handler of its resource. Each resource
// has a file; [register] and [registerBody] connect and document its routes.
package httpapi
