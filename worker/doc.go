// Package worker sends hints for due tasks through asynq and processes the tasks.
//
// The state of a task is in PostgreSQL; asynq only carries hints. A hint holds a
// task's id and nothing else. It can arrive twice, late, out of order, or never:
// only a claim in the database decides whether there is something to do.
//
// Every process runs a [Dispatcher], which sends hints for due tasks and detects
// lost hints and workers. Workers also run a [Server], whose handlers claim
// batches and erase them chunk by chunk.
package worker
