// Package httpapi is the HTTP API, /v1. It translates between HTTP and the
// words of package jobs and knows nothing of databases: what it needs of the
// world is [Store].
//
// Every answer that is not a success is a problem document (RFC 9457) with a
// stable code; problem.go holds the one table from kinds of error to statuses
// and codes.go the list of codes. No answer and no log line repeats what the
// caller has sent: a mistake is named by where it stands, never by its value.
//
// A request passes, in this order, the request id and access log (observe.go),
// the token, the caller's share of requests (limits.go) and the role
// (access.go), the Idempotency-Key and the body's size (body.go), the strict
// reading of the body (reader.go), and then the handler of its resource.
// Resources have a file each; [register] and [registerBody] tie them in,
// documentation included.
package httpapi
