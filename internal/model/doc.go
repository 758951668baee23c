// Package model holds the protocol of docs/architecture.md as a finite state
// machine and explores every order in which its steps can happen.
//
// A state is what PostgreSQL has committed, the open transactions with their
// locks, the hints in Redis, what each worker believes, and the mails that a
// mail server has accepted. An action is one statement, one COMMIT or one
// fault. Its condition and its effect are those of the statement that it
// mirrors; actions.go lists them all, each with the names of what it mirrors in
// packages repository and worker. A test sees that these names exist.
//
// Explore goes breadth first through all states that a Setup can reach, and
// holds each of them against the invariants in invariants.go. What it returns
// for a violation is therefore one of the shortest ways to it. At the end it
// looks for states from which the jobs can no longer end by the protocol's own
// steps, without another fault: a dead end, or a circle without exit.
//
// Setup.Without takes one protection away. These control runs must find a
// violation, or the model proves nothing.
//
// Simplifications, and why they hide nothing:
//
//   - There is no clock. A lease can run out at any moment; while its worker
//     lives that counts as a fault, of which a Setup allows a few.
//   - A process that is stopped (SIGSTOP) is a worker that takes no step for a
//     while. Every interleaving has such pauses, so it needs no action of its
//     own. Only the server's answer does: it ends the idle transaction.
//   - An attempt is kept as the answer to the only question that a statement
//     asks: is it still the task's latest? A claim makes all earlier ones stale,
//     for ever. So the numbers do not grow without bound.
//   - A chunk is one client, and erasing one is a single effect that commits
//     with the record of it. Guards, clients that the database refuses, and what
//     the statements do to rows are tested on a real server.
//   - Who is first when several tasks are due is left open: all orders are
//     tried, the fair ones among them.
package model
