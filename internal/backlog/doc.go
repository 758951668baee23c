// Package backlog finds what is to be done next among the tasks that wait in
// oubli.tasks. A round of dispatching reads a bounded number of rows, however many
// tasks wait, of however many tenants:
//
//   - dispatch.go marks due tasks, for each of which the caller sends a hint;
//   - round.go is one round: it goes from tenant to tenant in the index tasks_ready,
//     and begins where the last round ended;
//   - park.go takes tasks out of that index that are not due, or whose job is paused
//     or blocked;
//   - next.go finds a task for a worker that gets no hint.
//
// Claiming a task, and every other transition of its state, is the repository's.
package backlog
