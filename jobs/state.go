package jobs

import "slices"

// Kind is the kind of a job.
type Kind string

// The two kinds of job.
const (
	Erasure Kind = "erasure"
	Merge   Kind = "merge"
)

// State is the state of a job.
type State string

// The states of a job.
const (
	Scheduled               State = "scheduled"
	Running                 State = "running"
	Paused                  State = "paused"
	Blocked                 State = "blocked" // the map does not cover the live schema, or an operator has to fix something else
	Completed               State = "completed"
	CompletedWithExceptions State = "completed_with_exceptions"
	Failed                  State = "failed"
	Cancelled               State = "cancelled"
)

// States lists every state.
func States() []State {
	return []State{Scheduled, Running, Paused, Blocked, Completed, CompletedWithExceptions, Failed, Cancelled}
}

// transitions lists, for each state, the states that may follow it.
var transitions = map[State][]State{
	Scheduled: {Running, Paused, Completed, Cancelled},
	Running:   {Paused, Blocked, Completed, CompletedWithExceptions, Failed, Cancelled},
	// A chunk may commit after its job was paused or blocked. If it is the last
	// one, the job ends.
	Paused:  {Scheduled, Running, Completed, CompletedWithExceptions, Failed, Cancelled},
	Blocked: {Running, Paused, Completed, CompletedWithExceptions, Failed, Cancelled},
}

// Next lists the states that may follow s; none for a final state.
func (s State) Next() []State { return slices.Clone(transitions[s]) }

// CanBecome reports whether a job may change from state s to state to.
func (s State) CanBecome(to State) bool { return slices.Contains(transitions[s], to) }

// Final reports whether a job in state s has ended.
func (s State) Final() bool { return s.Valid() && len(transitions[s]) == 0 }

// Valid reports whether s is one of the states.
func (s State) Valid() bool { return slices.Contains(States(), s) }

// EndState returns the final state of a job all of whose clients have an
// outcome: failed if no client was erased and at least one failed, completed
// with exceptions if any other client was not erased, else completed.
func EndState(c Counts) State {
	switch {
	case c.Failed > 0 && c.Erased+c.ErasedRetained == 0:
		return Failed
	case c.Failed+c.Skipped+c.NotFound > 0:
		return CompletedWithExceptions
	default:
		return Completed
	}
}
