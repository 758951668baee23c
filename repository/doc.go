// Package repository is what oubli commits in PostgreSQL: the control
// tables of schema oubli, where every decision is made, and the erasing itself,
// which commits together with its outcome.
//
// A task belongs to whoever claimed it last: [jobs.Claim].Attempt is the fence,
// and every transaction that works for a task first locks the task's row and
// compares it. Times are the database's own, so that a process whose clock is
// off can neither steal a lease nor start a job early.
package repository
