// Package repository keeps the control tables in schema oubli and erases rows of
// the application. Every change commits together with the record of it.
//
// A task belongs to whoever claimed it last: [jobs.Claim].Attempt is the fence.
// Every transaction that works on a task first locks the task's row and compares
// the attempt. All times are the database's, so that a process with a wrong clock
// can neither take over a lease nor start a job early.
//
// The files are named after the steps in docs/architecture.md: accept, claim, chunk
// (chunk_lock, chunk_judge, chunk_write, chunk_prove, chunk_record), finish, and after
// the job secondlook, sweep, views and residues. Finding the next task is package
// backlog's, and writing rows again package mixing's.
package repository
