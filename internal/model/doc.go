// Package model is the protocol of docs/architecture.md as a finite state machine.
// It explores every order in which the steps of the protocol can happen.
//
// A state is what PostgreSQL has committed, the open transactions with their
// locks, the hints in Redis, what each worker believes, and the mails that a
// mail server has accepted. An action is one statement, one COMMIT or one
// fault. Its condition and its effect are those of the statement that it
// mirrors; actions.go lists all actions, each with the names of what it mirrors in
// packages repository and worker. A test checks that these names exist.
//
// Explore visits all states that a Setup can reach, breadth first, and checks the
// invariants of invariants.go in each. So the trace of a violation is one of the
// shortest. At the end it looks for states from which the jobs can no longer end
// by the protocol's own steps, without another fault.
//
// Setup.Without removes one protection. These control runs must find a violation;
// otherwise the model could not find one in the protocol either.
//
// Simplifications, and why they hide no violation:
//
//   - There is no clock. A lease can run out at any moment; while its worker
//     lives that counts as a fault, of which a Setup allows a few.
//   - A process that is stopped (SIGSTOP) is a worker that takes no step for a
//     while. Among all orders of steps are those with such pauses, so it needs no
//     action of its own. Only the server's reaction needs one: it ends the idle
//     transaction.
//   - The number of an attempt is not stored, only whether it is still the task's
//     latest, because statements ask for nothing else. A claim makes all earlier
//     ones stale, for ever. So the number of states stays finite.
//   - A chunk is one client, and erasing one is a single effect that commits
//     with the record of it. Guards, clients that the database refuses, and what
//     the statements do to rows are tested on a real server.
//   - When several tasks are due, each of them may be the first: all orders are
//     tried, also the fair ones.
package model
