package jobs_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/oubli/oubli/jobs"
)

// Next and CanBecome say which states a job may change to.
func ExampleState_CanBecome() {
	fmt.Println("paused jobs may become:", jobs.Paused.Next())
	fmt.Println("a completed job may run again:", jobs.Completed.CanBecome(jobs.Running))
	fmt.Println("cancelled is final:", jobs.Cancelled.Final())
	// Output:
	// paused jobs may become: [scheduled running completed completed_with_exceptions failed cancelled]
	// a completed job may run again: false
	// cancelled is final: true
}

// A job with a failed client has not failed if other clients were erased.
func ExampleEndState() {
	fmt.Println(jobs.EndState(jobs.Counts{Erased: 998, ErasedRetained: 2}))
	fmt.Println(jobs.EndState(jobs.Counts{Erased: 997, Skipped: 2, Failed: 1}))
	fmt.Println(jobs.EndState(jobs.Counts{Skipped: 2, Failed: 1}))
	// Output:
	// completed
	// completed_with_exceptions
	// failed
}

// Callers decide by the kind or by the code of an error, never by its text.
func ExampleKindOf() {
	err := fmt.Errorf("accept erasure: %w", &jobs.Error{Kind: jobs.Conflict, Code: "count_changed", Msg: "the selection has changed"})
	fmt.Println(jobs.KindOf(err))
	if e, ok := errors.AsType[*jobs.Error](err); ok {
		fmt.Println(e.Code)
	}
	fmt.Println(jobs.KindOf(errors.New("an error of another package")))
	// Output:
	// conflict
	// count_changed
	// internal
}

// A hint contains the id of a task and no data of a client. Each dispatch of a
// task has its own hint id, because asynq acknowledges by id alone.
func ExampleHint() {
	const task = "0199b4a2-7c1e-7d53-9a1f-0c3a52b4d1a7"
	fmt.Println(string(jobs.Hint{TaskID: task}.Payload()))
	for no := range 2 {
		fmt.Println(jobs.Dispatch{TaskID: task, Kind: jobs.BatchTask, No: no + 1}.HintID())
	}
	// Output:
	// {"task_id":"0199b4a2-7c1e-7d53-9a1f-0c3a52b4d1a7"}
	// batch:0199b4a2-7c1e-7d53-9a1f-0c3a52b4d1a7:1
	// batch:0199b4a2-7c1e-7d53-9a1f-0c3a52b4d1a7:2
}

// The queues have weights, so that small jobs do not wait behind big erasures.
func ExampleQueues() {
	queues := jobs.Queues()
	for _, queue := range slices.Sorted(maps.Keys(queues)) {
		fmt.Println(queue, queues[queue])
	}
	// Output:
	// bulk 1
	// interactive 6
	// mail 3
}
