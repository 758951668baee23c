package jobs

import "slices"

// Kind says what a job does to its clients.
type Kind string

// The two kinds of job.
const (
	Erasure Kind = "erasure"
	Merge   Kind = "merge"
)

// State is where a job stands.
type State string

// The states of a job.
const (
	Scheduled               State = "scheduled"
	Running                 State = "running"
	Paused                  State = "paused"
	Blocked                 State = "blocked" // the live schema has grown something that the map does not know
	Completed               State = "completed"
	CompletedWithExceptions State = "completed_with_exceptions"
	Failed                  State = "failed"
	Cancelled               State = "cancelled"
)

// States lists every state, in the order in which a job can meet them.
func States() []State {
	return []State{Scheduled, Running, Paused, Blocked, Completed, CompletedWithExceptions, Failed, Cancelled}
}

// transitions is the whole state machine.
var transitions = map[State][]State{
	Scheduled: {Running, Completed, Cancelled},
	Running:   {Paused, Blocked, Completed, CompletedWithExceptions, Failed, Cancelled},
	// The chunk that commits while its job is paused or blocked may be the last.
	Paused:  {Running, Completed, CompletedWithExceptions, Failed, Cancelled},
	Blocked: {Running, Completed, CompletedWithExceptions, Failed, Cancelled},
}

// Next lists the states that s may move to; none for a final state.
func (s State) Next() []State { return slices.Clone(transitions[s]) }

// CanBecome reports whether a job in state s may move to state to.
func (s State) CanBecome(to State) bool { return slices.Contains(transitions[s], to) }

// Final reports whether a job in state s has ended.
func (s State) Final() bool { return s.Valid() && len(transitions[s]) == 0 }

// Valid reports whether s is one of the states.
func (s State) Valid() bool { return slices.Contains(States(), s) }

// EndState is the state in which a job ends that ran to its end with these
// counts: failed when nobody could be erased and at least one client failed,
// completed with exceptions when anybody was left out.
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
