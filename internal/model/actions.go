package model

// action is one thing that can happen: a statement, the end of a transaction, or a
// fault.
type action struct {
	says    string   // {w} a worker, {t} a task, {j} a job, {n} a number
	mirrors []string // functions and statements of packages repository and worker
	over    [2]over  // the range of each argument
	outside bool     // a fault, or something else that the protocol must not rely on
	// do changes s and reports true, or leaves it as it is and reports false.
	do func(r *run, s *state, a, b int) bool
}

// over is the range of an argument of an action.
type over uint8

const (
	nothing over = iota
	eachWorker
	eachTask
	eachJob
	eachOrphan
	eachCommit // the numbers of commits that a server's crash can lose, 0 included
)

var actions = []action{
	// Dispatch and claim.
	{"{t} is marked, and its hint is sent", []string{"markSQL", "Backlog.Dispatch"}, [2]over{eachTask}, false, dispatch},
	{"{w} gets the hint of {t} and claims it", []string{"claimTaskSQL", "Store.Claim", "Store.handBack", "Store.startJob"},
		[2]over{eachWorker, eachTask}, false, claimHinted},
	{"{w} claims {t} without a hint", []string{"Store.ClaimNext"}, [2]over{eachWorker, eachTask}, true, claimUnhinted},
	{"the mark of {t} is taken back: its hint is gone", []string{"Backlog.Overdue", "Backlog.Undispatch"},
		[2]over{eachTask}, false, undispatch},
	{"{t}, whose lease ran out, is given back", []string{"recoverTaskSQL", "Store.Recover"}, [2]over{eachTask}, false, recoverTask},

	// A chunk.
	{"{w} begins a chunk of {t}: the fence", []string{"fenceSQL", "Store.queueLocks", "Store.EraseChunk"},
		[2]over{eachWorker}, false, beginChunk},
	{"{w} locks tenant, lane and client of {t}, and erases",
		[]string{"lockLaneSQL", "tenantLock", "Store.judge", "Store.judgeMerge", "runPlan"},
		[2]over{eachWorker}, false, lockAndErase},
	{"{w} waits too long for a lock, rolls back, and renews the lease of {t}", []string{"batch.retryAfter", "Store.Extend"},
		[2]over{eachWorker}, false, lockTimeout},
	{"{w} commits its chunk of {t}", []string{"recordSQL", "progressSQL", "Store.record"}, [2]over{eachWorker}, false, commitChunk},
	{"{w} yields to waiting tasks: gives {t} back", []string{"yieldTaskSQL", "Store.Yield", "batch.yieldToWaiting"},
		[2]over{eachWorker}, false, yield},
	{"{w} gives {t} back", []string{"releaseTaskSQL", "Store.Release"}, [2]over{eachWorker}, false, giveBack},
	{"{w} is asked to stop, or waited for locks too often: {t} is to be given back", []string{"batch.retryLocked"},
		[2]over{eachWorker}, true, stopBetween},

	// The end of a batch and of a job.
	{"{w} sets {t} to done", []string{"finishTaskSQL", "Store.Finish"}, [2]over{eachWorker}, false, finishTask},
	{"{w}, at the end of {t}, locks its job", []string{"Store.endJob", "lockJob"}, [2]over{eachWorker}, false, lockJob},
	{"{w} looks for open tasks, ends the job if there are none, and commits {t}", []string{"Store.closeJob", "Store.insertMails"},
		[2]over{eachWorker}, false, commitFinish},
	{"{w} reads the tasks in the statement that ends the job of {t}", nil, [2]over{eachWorker}, false, readTasksEarly},
	{"{w} commits {t} and, if it saw no open task, the end of its job", nil, [2]over{eachWorker}, false, commitFinishEarly},
	{"job {j}, none of whose tasks is open, is ended", []string{"Store.Tidy"}, [2]over{eachJob}, false, tidy},

	// Mails and second looks.
	{"{w} locks {t} for the SMTP dialogue", []string{"Store.Deliver"}, [2]over{eachWorker}, false, beginMail},
	{"the mail server accepts {t} from {w}", nil, [2]over{eachWorker}, false, sendMail},
	{"{w} commits that {t} was sent", []string{"finishMailSQL"}, [2]over{eachWorker}, false, commitMail},
	{"{w} tries again to record that {t} was sent", []string{"finishMailSQL"}, [2]over{eachWorker}, false, recordMail},
	{"{w} stops trying to record that {t} was sent: its lease is over", []string{"Store.Deliver"}, [2]over{eachWorker}, false, stopRecording},
	{"{w} begins the second look at job {j}", []string{"lockTenantSQL", "Store.RunSecondLooks", "lateErasure.eraseLateRows"},
		[2]over{eachWorker, eachJob}, false, beginLook},
	{"{w} commits its second look", []string{"Store.lookAtBatch"}, [2]over{eachWorker}, false, commitLook},

	// What operators and the schema do.
	{"an operator begins to cancel job {j}", []string{"Store.Cancel", "Store.control"}, [2]over{eachJob}, true, beginCancel},
	{"the cancellation locks its next task", []string{"cancelTaskSQL"}, [2]over{}, false, cancelTask},
	{"the cancellation locks its job and commits", []string{"Store.Cancel"}, [2]over{}, false, commitCancel},
	{"job {j} is paused", []string{"Store.Pause", "move"}, [2]over{eachJob}, true, pauseJob},
	{"job {j} is resumed", []string{"Store.Resume"}, [2]over{eachJob}, false, resumeJob},
	{"{w} finds the schema changed: blocks the job of {t}", []string{"Store.Block", "batch.block"}, [2]over{eachWorker}, true, blockJob},
	{"job {j} goes on: the map covers the schema", []string{"Store.Unblock"}, [2]over{eachJob}, false, unblockJob},

	// Faults.
	{"{w} dies", nil, [2]over{eachWorker}, true, killWorker},
	{"the lease of {t} runs out; its worker is gone", nil, [2]over{eachTask}, false, expireAbandoned},
	{"the lease of {t} runs out, although its worker lives", nil, [2]over{eachTask}, true, expireHeld},
	{"{w} is stopped so long that the server ends its transaction", nil, [2]over{eachWorker}, true, stopProcess},
	{"the connection of {w} is lost while its COMMIT for {t} is under way", nil, [2]over{eachWorker}, true, breakCommit},
	{"the server commits for a connection that is gone ({t})", nil, [2]over{eachOrphan}, false, commitOrphan},
	{"the server rolls back for a connection that is gone ({t})", nil, [2]over{eachOrphan}, false, abortOrphan},
	{"the database server crashes and loses its latest commits: {n}", nil, [2]over{eachCommit}, true, crashServer},
	{"Redis loses all hints", nil, [2]over{}, true, loseHints},
	{"{t} is marked, and its hint is lost", []string{"markSQL"}, [2]over{eachTask}, true, dispatchLost},
	{"an old hint of {t} is delivered again", nil, [2]over{eachTask}, true, repeatHint},
}

// size is how many values an argument has.
func (r *run) size(o over, s *state) int {
	switch o {
	case eachWorker:
		return r.Workers
	case eachTask:
		return len(r.tasks)
	case eachJob:
		return len(r.Jobs)
	case eachOrphan:
		return maxOrphans
	case eachCommit:
		return int(s.depth) + 1
	}
	return 1
}
