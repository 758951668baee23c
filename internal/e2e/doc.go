// Package e2e holds the tests that run the whole program, the service and the
// command line, on a real PostgreSQL, a real Redis and a real SMTP server. It
// has no other code.
package e2e
