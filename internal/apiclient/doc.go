// Package apiclient is a client of oubli's HTTP API. Requests that create a job
// have an Idempotency-Key, so that repeating them after a broken connection is
// safe. The client repeats a request up to four times.
//
// Errors are [*jobs.Error] with the code of the API's answer. None of them
// contains the bearer token.
package apiclient
