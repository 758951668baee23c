package jobs

import (
	"encoding/json"
	"fmt"
	"time"
)

// TaskKind is the kind of a unit of work that one hint stands for.
type TaskKind string

// The kinds of task.
const (
	BatchTask TaskKind = "batch" // up to a thousand clients of an erasure
	MergeTask TaskKind = "merge" // one merge
	MailTask  TaskKind = "mail"  // one mail to one recipient
)

// Queue names an asynq queue.
type Queue string

// The queues: interactive for merges and for erasures of one batch, so that a
// big job never keeps a small one waiting.
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

// HintType is the asynq task type under which a hint of this kind travels. No
// type is a prefix of another, because asynq's mux falls back to prefixes.
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

// Hint is what an asynq task carries: an id and nothing else. The database
// decides what, if anything, there is to do.
type Hint struct {
	TaskID string `json:"task_id"`
}

// Payload is the hint as asynq carries it.
func (h Hint) Payload() []byte {
	b, _ := json.Marshal(h) // a struct of one string cannot fail
	return b
}

// Dispatch is a task that is due and has been marked as dispatched.
type Dispatch struct {
	TaskID string
	Kind   TaskKind
	Queue  Queue
	No     int           // counts the dispatches of this task
	Age    time.Duration // since then
	Trace  string        // see Claim
}

// HintID is the asynq TaskID: new for every dispatch, because asynq
// acknowledges by id alone and an old run must never acknowledge a new hint.
func (d Dispatch) HintID() string { return fmt.Sprintf("%s:%s:%d", d.Kind, d.TaskID, d.No) }

// Claim is a task that a worker holds until its lease runs out. Attempt is the
// fence: every change that the holder makes is tied to it. The holder moves
// Position and the sums forward as its chunks commit.
type Claim struct {
	TaskID   string
	JobID    string
	TenantID string
	Kind     TaskKind
	Number   int // position of the batch in its job, from 1
	Attempt  int
	Failures int // attempts that ended in trouble of the task's own
	Crashes  int // leases that ran out since the last progress
	// Trace is the W3C traceparent of the request that made the job; empty
	// without one.
	Trace string

	// Of a batch, and but for the lane of a merge.
	Lane     int // which of the profiles are this batch's to use, from 1; 0: all
	Keys     []string
	Position int // clients that have their outcome
	// Deferrals is how often clients were put behind the others since one was
	// last erased, skipped or not found. Each of those left was put there at least
	// Deferrals / Left() times.
	Deferrals     int
	DeferredSince time.Time // when that began; zero without deferrals
	Counts        Counts
	Codes         map[string]int
	Rows          map[string]int64
	RetainedUntil *Date
	Terms         Terms

	// Of a mail.
	Mail ReportMail
	Age  time.Duration // since the job ended
}

// Left is the number of clients of the batch that wait for their outcome.
func (c *Claim) Left() int { return len(c.Keys) - c.Position }

// Terms is what a job asks of each of its clients' erasures.
type Terms struct {
	Cutoff     *time.Time // activity since then is a reason to skip
	Listed     time.Time  // when the list of clients was made; who was created later is not on it
	Activities []string   // kinds of activity that count; none: all
	Override   []string   // guards that must not hold the clients back
	Country    string     // of the tenant; decides how long the law keeps
	Locale     string     // of the tenant; decides the labels
	DryRun     bool       // every chunk is taken back
	Merge      *MergeTerms
	Law        *Law // nil: not read yet
}

// Chunk is what one transaction did.
type Chunk struct {
	Clients  int // that have their outcome now
	Deferred int // that live traffic held, and that wait for a later chunk
	Waiting  int // sessions that waited for the chunk's locks just before it gave them back
	Counts   Counts
	Elapsed  time.Duration
	Late     map[string]int64 // rows, by table, written about the clients meanwhile and erased at once
}
