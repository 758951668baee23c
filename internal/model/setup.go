package model

import "github.com/oubli/oubli/jobs"

// Setup is what one run explores: jobs that were accepted, a map, workers, and
// how many faults of each kind may come. Everything else is tried in all orders.
type Setup struct {
	Jobs    []Job
	Workers int // processes times slots
	Lanes   int // batches of one tenant that may run side by side

	NoTenantColumn bool // the map names no tenant: the database is one tenant's
	SecondLooks    bool // ended erasures are looked at again
	NoQueues       bool // a worker may also claim without a hint, as one does that is cut off from Redis

	Faults  [faultKinds]int
	Without Without
}

// Job is one accepted erasure or merge. Clients are numbered from 0; two jobs
// may name the same one.
type Job struct {
	Kind    jobs.Kind
	Tenant  string // as the token says
	Queue   jobs.Queue
	Batches [][]int // the clients of each task; a merge has one task
	Mails   int     // recipients
}

// Without takes protections away, for the control runs. The zero value is the
// protocol as it is.
type Without struct {
	Fence         bool // a chunk neither locks its task nor asks whether the claim is the latest
	Position      bool // the fence compares the attempt only, not where the task stands
	LaneOfProfile bool // a lane is one of the token's tenant, not of those who share its profiles
	LaneLock      bool // a chunk trusts the lane that its task was given, and does not lock it
	LookLock      bool // second looks use the first lane's profiles and lock nothing
	TenantLock    bool // merges and batches of one tenant do not keep apart
	SeparateCheck bool // the end of a job is found out in the statement that waits for the job's row
	Durable       bool // no commit waits for the disk: not only chunks' do not
	Resend        bool // nobody looks for hints that are gone
	Recover       bool // nobody gives back tasks whose lease ran out
	MailFence     bool // a mail is sent without locking its task and asking whether the claim is the latest
}

// faultKind is a kind of fault that a Setup bounds.
type faultKind uint8

const (
	workerDies    faultKind = iota // SIGKILL
	leaseRunsOut                   // although the worker lives
	processStops                   // long enough for the server to end its transaction
	commitBreaks                   // the connection is lost while a COMMIT is under way
	serverCrashes                  // commits that did not wait for the disk may be lost
	hintsLost                      // FLUSHALL, or a dispatcher that dies between mark and hint
	hintRepeats                    // a hint comes late, or twice
	jobPauses                      // and goes on when the operator says so
	jobBlocks                      // and goes on once the map covers the schema
	jobCancelled
	faultKinds
)
