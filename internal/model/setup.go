package model

import "github.com/oubli/oubli/jobs"

// Setup is what Explore starts from: accepted jobs, workers, and how many faults of
// each kind may happen. It tries all orders of steps.
type Setup struct {
	Jobs    []Job
	Workers int // processes times slots
	Lanes   int // batches of one tenant that may run side by side

	NoTenantColumn bool // the map names no tenant: the database is one tenant's
	SecondLooks    bool // ended erasures get a second look
	NoQueues       bool // a worker may also claim without a hint, as when it cannot reach Redis

	Faults  [faultKinds]int
	Without Without
}

// Job is one accepted erasure or merge. Clients are numbered from 0; two jobs may
// have the same client.
type Job struct {
	Kind    jobs.Kind
	Tenant  string // as in the token
	Queue   jobs.Queue
	Batches [][]int // the clients of each task; a merge has one task
	Mails   int     // recipients
}

// Without removes protections, for the control runs. The zero value is the protocol
// as it is.
type Without struct {
	Fence         bool // a chunk neither locks its task nor checks that the claim is the latest
	Position      bool // the fence compares only the attempt, not the task's position
	LaneOfProfile bool // tenants of tokens have lanes each, even if they share profiles
	LaneLock      bool // a chunk does not lock its lane
	LookLock      bool // second looks use the first lane's profiles and lock nothing
	TenantLock    bool // merges and batches of one tenant can run at the same time
	SeparateCheck bool // one statement both waits for the job's row and looks for open tasks
	Durable       bool // no commit waits for the disk, not only those of chunks
	Resend        bool // lost hints are not sent again
	Recover       bool // tasks whose lease ran out are not given back
	MailFence     bool // a mail is sent without locking its task and checking that the claim is the latest
}

// faultKind is a kind of fault; a Setup says how many of each may happen.
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
