// Package events tells those who wait that the state of a job has changed: readers of
// GET /v1/events, requests that wait for one job, and the address of OUBLI_EVENTS_URL.
//
// The database has the events: a trigger writes them in the transaction that changes
// a state, and they are given numbers once they have committed. A [Hub] looks for new
// ones a few times a second, and only while somebody waits. So any process can answer
// any reader, and nothing is lost when one of them ends.
package events
