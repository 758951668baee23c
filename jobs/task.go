package jobs

import (
	"encoding/json"
	"fmt"
	"time"
)

// TaskKind is the kind of a task.
type TaskKind string

// The kinds of task.
const (
	BatchTask TaskKind = "batch" // up to a thousand clients of an erasure
	MergeTask TaskKind = "merge" // one merge
	MailTask  TaskKind = "mail"  // one mail to one recipient
)

// Queue names an asynq queue.
type Queue string

// The queues. Merges and erasures of one batch use interactive, so that they do
// not wait behind big jobs.
const (
	Interactive Queue = "interactive"
	Bulk        Queue = "bulk"
	Mail        Queue = "mail"
)

// Queues lists the queues with their weights: of ten hints that wait in each,
// a free worker takes them in these proportions.
func Queues() map[Queue]int {
	return map[Queue]int{Interactive: 6, Mail: 3, Bulk: 1}
}

// HintType returns the asynq task type of hints of this kind. No type is a
// prefix of another, because asynq's mux also matches by prefix.
func (k TaskKind) HintType() string {
	switch k {
	case BatchTask:
		return "erasure:batch"
	case MergeTask:
		return "merge:clients"
	case MailTask:
		return "mail:report"
	}
	return "unknown:" + string(k)
}

// Hint is the payload of an asynq task: the id of a task and nothing else. The
// database decides whether there is something to do.
type Hint struct {
	TaskID string `json:"task_id"`
}

// Payload returns the hint as JSON.
func (h Hint) Payload() []byte {
	b, _ := json.Marshal(h) // a struct of one string cannot fail
	return b
}

// Dispatch is a task that is due and has been marked as dispatched.
type Dispatch struct {
	TaskID string
	Kind   TaskKind
	Queue  Queue
	No     int           // number of this dispatch among those of the task, from 1
	Age    time.Duration // time since the dispatch
	Trace  string        // see Claim
}

// HintID returns the asynq TaskID. It is new for every dispatch: asynq
// acknowledges by id alone, and a worker that still runs for an old hint must not
// acknowledge the new one.
func (d Dispatch) HintID() string { return fmt.Sprintf("%s:%s:%d", d.Kind, d.TaskID, d.No) }

// Claim is a task that a worker has claimed, until its lease runs out. Each
// transaction of the worker checks Attempt (the fence): another claim changes it.
// The worker updates Position and the sums when a chunk commits.
type Claim struct {
	TaskID   string
	JobID    string
	TenantID string
	Kind     TaskKind
	Number   int // position of the batch in its job, from 1
	Attempt  int
	Failures int // attempts that ended with an error that the task itself caused
	Crashes  int // leases that ran out since the last progress
	// Trace is the W3C traceparent of the request that created the job; it may be
	// empty.
	Trace string

	// For a batch or a merge. A merge has no lane.
	Lanes    int // how many lanes there are
	Lane     int // decides which anonymous profiles this batch uses, from 1; 0: all
	Keys     []string
	Position int // number of clients that have an outcome
	// Deferrals is how often clients were moved to the end of the batch since one
	// was last erased, skipped or not found. Each client that is left was moved at
	// least Deferrals / Left() times.
	Deferrals     int
	DeferredSince time.Time // time of the first of these moves; zero without deferrals
	Counts        Counts
	Codes         map[string]int
	Rows          map[string]int64
	RetainedUntil *Date
	// Intent is the object of the ledger that says what this task is about to do; 0:
	// none yet.
	Intent int64
	Terms  Terms

	// For a mail.
	Mail ReportMail
	Age  time.Duration // time since the job ended
}

// Left returns the number of clients of the batch that have no outcome yet.
func (c *Claim) Left() int { return len(c.Keys) - c.Position }

// Terms are the parameters of a job, for each of its clients.
type Terms struct {
	Reason Reason // of an erasure
	Replay bool   // repeats what a restore has undone
	// EveryGuard says that no guard and no activity counts: the ledger says that the
	// clients were erased.
	EveryGuard bool
	Cutoff     *time.Time // skip clients who were active since then
	Listed     time.Time  // when the list of clients was made; a client created later is not meant, even if it has a key of the list
	Requested  int        // clients of the job
	// ProfilesCounted says that the job needs no more anonymous profiles than the map
	// allows, as was found before its first chunk.
	ProfilesCounted bool
	Activities      []string // kinds of activity that count; none: all
	Override        []string // guards to ignore
	Country         string   // of the tenant; decides how long the law keeps data
	Locale          string   // of the tenant; decides the language of labels
	DryRun          bool     // roll every chunk back
	Merge           *MergeTerms
	Law             *Law // nil: not read yet
}

// Chunk is the result of one transaction.
type Chunk struct {
	Clients  int // clients that got an outcome
	Deferred int // clients that other sessions had locked, and that are left for a later chunk
	Waiting  int // sessions that waited for the chunk's locks just before it ended
	Counts   Counts
	Elapsed  time.Duration
	Late     map[string]int64 // rows, by table, written about the clients meanwhile and erased at once
}
