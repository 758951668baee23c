// Package jobs has the types that all other packages share: jobs and their
// states, tasks, outcomes, requests, reports and errors. It imports the
// standard library only and does no I/O.
//
// A job moves through these states; [State.Next] returns the arrows:
//
//	scheduled ──► running ⇄ paused ⇄ scheduled
//	    │            ⇅         ▲│
//	    │         blocked ─────┘│
//	    │            │          │
//	    │            ├──────────┤
//	    ▼            ▼          ▼
//	cancelled    completed · completed_with_exceptions · failed · cancelled
//
// A job without clients goes from scheduled to completed at once. A job that was
// paused before its start is scheduled again when it is resumed.
//
// A task moves through these; [TaskTransition] names the arrows:
//
//	pending ─► running ─► done · failed
//	    ▲   │     │
//	    └───┼─────┤
//	        ▼     ▼
//	        cancelled
package jobs
