package jobs

import "slices"

// TaskState is the state of a task.
type TaskState string

// The states of a task. A new task is pending.
const (
	TaskPending   TaskState = "pending"
	TaskRunning   TaskState = "running"
	TaskDone      TaskState = "done"
	TaskFailed    TaskState = "failed"
	TaskCancelled TaskState = "cancelled"
)

// TaskStates lists every state of a task.
func TaskStates() []TaskState {
	return []TaskState{TaskPending, TaskRunning, TaskDone, TaskFailed, TaskCancelled}
}

// TaskTransition is a change of a task's state, named after its cause.
type TaskTransition string

// The transitions of a task.
const (
	ClaimTask   TaskTransition = "claim"        // a worker claims it: it is due, or its lease has run out
	ReleaseTask TaskTransition = "release"      // its worker gives it back, to be tried again later
	YieldTask   TaskTransition = "yield"        // its worker gives it back because others wait for a worker
	RecoverTask TaskTransition = "recover"      // its lease ran out: its worker died
	FinishTask  TaskTransition = "finish"       // all clients of a batch, or all sources of a merge, have their outcome
	FinishMail  TaskTransition = "finish_mail"  // the mail server accepted the mail
	GiveUpMail  TaskTransition = "give_up_mail" // the mail server refused the mail for good
	CancelTask  TaskTransition = "cancel"       // its job was cancelled
)

// taskTransitions lists, for each transition, the states before it and the state
// after it.
var taskTransitions = []struct {
	name TaskTransition
	from []TaskState
	to   TaskState
}{
	{ClaimTask, []TaskState{TaskPending, TaskRunning}, TaskRunning},
	{ReleaseTask, []TaskState{TaskRunning}, TaskPending},
	{YieldTask, []TaskState{TaskRunning}, TaskPending},
	{RecoverTask, []TaskState{TaskRunning}, TaskPending},
	{FinishTask, []TaskState{TaskRunning}, TaskDone},
	{FinishMail, []TaskState{TaskRunning}, TaskDone},
	{GiveUpMail, []TaskState{TaskRunning}, TaskFailed},
	{CancelTask, []TaskState{TaskPending, TaskRunning}, TaskCancelled},
}

// TaskTransitions lists every transition.
func TaskTransitions() []TaskTransition {
	var all []TaskTransition
	for _, t := range taskTransitions {
		all = append(all, t.name)
	}
	return all
}

// From lists the states before the transition.
func (t TaskTransition) From() []TaskState {
	for _, row := range taskTransitions {
		if row.name == t {
			return slices.Clone(row.from)
		}
	}
	return nil
}

// To returns the state after the transition; empty for an unknown transition.
func (t TaskTransition) To() TaskState {
	for _, row := range taskTransitions {
		if row.name == t {
			return row.to
		}
	}
	return ""
}

// Next lists the states that may follow s, in the order of [TaskStates]; none for
// a final state.
func (s TaskState) Next() []TaskState {
	var next []TaskState
	for _, to := range TaskStates() {
		if s.CanBecome(to) {
			next = append(next, to)
		}
	}
	return next
}

// CanBecome reports whether any transition changes s to the state to.
func (s TaskState) CanBecome(to TaskState) bool {
	for _, t := range taskTransitions {
		if t.to == to && slices.Contains(t.from, s) {
			return true
		}
	}
	return false
}

// Valid reports whether s is one of the states.
func (s TaskState) Valid() bool { return slices.Contains(TaskStates(), s) }

// Final reports whether a task in state s has ended.
func (s TaskState) Final() bool { return s.Valid() && len(s.Next()) == 0 }
