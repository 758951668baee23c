// Package apiclient speaks to oubli's HTTP API. Requests that change something
// carry an Idempotency-Key, so that repeating them after a broken connection
// is safe; the client does so by itself, a few times.
//
// Errors are [*jobs.Error] with the code that the API gave. None of them holds
// the bearer token.
package apiclient
