package jobs

import (
	"encoding/json"
	"time"
)

// JobEvent tells that the state of a job has changed. It names no client.
type JobEvent struct {
	Number    int64           `json:"-"` // grows from event to event
	JobID     string          `json:"-"`
	TenantID  string          `json:"-"`
	Type      string          `json:"type"` // such as erasure.completed
	Timestamp time.Time       `json:"timestamp"`
	Data      json.RawMessage `json:"data"` // id, tenant_id, state, dry_run, counts
	Attempt   int             `json:"-"`    // to deliver it, from 1
}

// JobProgress is what a reader who waits for a job compares: it differs when the
// state or the counts have changed.
type JobProgress struct {
	State State
	Done  int // clients that have an outcome
}
