// Package worker moves tasks through asynq and works on them.
//
// asynq carries hints and PostgreSQL carries the truth: a hint holds a task's
// id and nothing else, may come twice, late, out of order, or never, and only
// a claim in the database decides whether there is anything to do.
//
// Every process runs a [Dispatcher], which sends hints for tasks that are due and
// finds out which hints and workers are gone. Workers also run a [Server],
// whose handlers claim batches and erase them chunk by chunk.
package worker
