package model

import (
	"fmt"
	"slices"

	"github.com/oubli/oubli/jobs"
)

// The limits of a state. A state has arrays and no slices, so that it can be
// compared and hashed.
const (
	maxJobs    = 3
	maxTasks   = 6
	maxKeys    = 3
	maxClients = 6
	maxWorkers = 3
	maxOrphans = 2
	maxHistory = 3
)

// state is all that decides what can happen next.
type state struct {
	db       database
	history  [maxHistory]database // the states to which a server's crash can return, the latest first
	depth    uint8                // how many elements of history are used
	workers  [maxWorkers]worker
	orphans  [maxOrphans]orphan
	operator session
	hints    [maxTasks]uint8 // in Redis, by task
	sent     [maxTasks]uint8 // copies of a mail that the mail server accepted
	excused  [maxTasks]uint8 // faults that may have lost the record of an accepted copy
	mailed   [maxTasks]uint8 // clients erased, according to the latest copy
	left     [faultKinds]uint8
}

// database is what is committed.
type database struct {
	jobs   [maxJobs]job
	tasks  [maxTasks]task
	erased [maxClients]uint8 // 0: the client's row is there; else 1 + the task that erased it
}

// job is a row of oubli.jobs, with its row of oubli.second_looks.
type job struct {
	state jobState
	ends  uint8 // how often it was ended
	look  bool  // a second look is due

	started bool // started_at is not NULL
}

// task is a row of oubli.tasks.
type task struct {
	state      taskState
	lane       uint8 // 0: none
	position   uint8
	erased     uint8
	notFound   uint8
	keys       [maxKeys]uint8 // deferred clients move to the end
	expired    bool           // lease_until has passed
	dispatched bool
}

// jobState is an index into jobs.States, because a state is hashed.
type jobState uint8

func stateOf(s jobs.State) jobState { return jobState(slices.Index(jobs.States(), s)) }

var (
	scheduled = stateOf(jobs.Scheduled)
	running   = stateOf(jobs.Running)
	paused    = stateOf(jobs.Paused)
	blocked   = stateOf(jobs.Blocked)
	cancelled = stateOf(jobs.Cancelled)
)

func (s jobState) is() jobs.State               { return jobs.States()[s] }
func (s jobState) final() bool                  { return s > blocked }
func (s jobState) canBecome(next jobState) bool { return s.is().CanBecome(next.is()) }

type taskState uint8

const (
	taskAbsent taskState = iota // a mail whose job has not ended
	taskPending
	taskRunning
	taskDone
	taskCancelled
)

func (s taskState) String() string {
	return [...]string{"absent", "pending", "running", "done", "cancelled"}[s]
}

func (s taskState) open() bool { return s == taskPending || s == taskRunning }

// worker is one slot of a worker process: what it does, and what it believes.
type worker struct {
	doing    doing
	task     uint8 // of its claim; of a second look, the job
	stale    bool  // the claim is not the task's latest; the worker does not know
	lane     uint8
	position uint8 // as the worker believes
	next     uint8 // client at that position, as the worker believes; nobody at the end
	erased   uint8 // counted so far, as the worker believes
	deferred bool  // the chunk leaves its client for later: another transaction has it locked
	missing  bool  // the chunk found no such client
	sawOpen  bool  // without SeparateCheck: the waiting statement has seen an open task
}

const nobody = 255

// doing is the step that a worker is at. From fenced on a transaction is open.
type doing uint8

const (
	idle       doing = iota
	between          // it has a claim and no transaction
	givingBack       // it gives its task back
	unsure           // a mail was accepted, and it is unknown whether that was recorded

	fenced       // chunk: the task's row is locked; it waits for the tenant's lock
	erasing      // chunk: everything is locked and written
	finishing    // the task is done, its row locked; it waits for the job's row
	sawTasks     // without SeparateCheck: as finishing, and the tasks are already read
	ending       // the job's row is locked too
	dialogue     // mail: the task's row is locked, the mail not yet accepted
	accepted     // mail: accepted, not yet recorded
	lookingAgain // second look: everything is locked and written
)

func (d doing) inTransaction() bool { return d >= fenced }

// orphan is a transaction that the server has not ended yet, although its
// client is gone.
type orphan struct {
	worker
	committing bool // COMMIT had been sent
}

// session is an operator's cancellation, which locks one task after another.
type session struct {
	cancelling bool
	job        uint8
	next       uint8 // task to be locked next
	locked     uint8 // bit set of tasks
}

// run is a Setup, and what is derived from it.
type run struct {
	Setup
	tasks   []fixed
	tenants []string
	lanes   uint8
	broken  string // set by an action that violates an invariant
}

// fixed is the part of a task that never changes.
type fixed struct {
	kind     jobs.TaskKind
	job      uint8
	queue    jobs.Queue
	tenant   uint8 // index into run.tenants
	profiles uint8 // whose anonymous profiles it uses: index into run.tenants, or shared
	keys     uint8 // how many
	no       int   // within the job and kind, from 1
}

// shared stands for the profiles of a database without a tenant column.
const shared = 255

func newRun(setup Setup) (*run, state) {
	r := &run{Setup: setup, lanes: uint8(setup.Lanes)}
	var s state
	add := func(j int, f fixed, row task) {
		f.job = uint8(j)
		if i := slices.Index(r.tenants, setup.Jobs[j].Tenant); i >= 0 {
			f.tenant = uint8(i)
		} else {
			f.tenant, r.tenants = uint8(len(r.tenants)), append(r.tenants, setup.Jobs[j].Tenant)
		}
		f.profiles = f.tenant
		if setup.NoTenantColumn {
			f.profiles = shared
		}
		if len(r.tasks) == maxTasks || len(r.tenants) > 4 {
			panic("model: too many tasks or tenants")
		}
		s.db.tasks[len(r.tasks)] = row
		r.tasks = append(r.tasks, f)
	}
	if len(setup.Jobs) > maxJobs || setup.Workers > maxWorkers || setup.Lanes > 3 {
		panic("model: too many jobs, workers or lanes")
	}
	for j, job := range setup.Jobs {
		s.db.jobs[j].state = scheduled
		kind := jobs.BatchTask
		if job.Kind == jobs.Merge {
			kind = jobs.MergeTask
		}
		for no, clients := range job.Batches {
			row := task{state: taskPending}
			for i := range row.keys {
				row.keys[i] = nobody
			}
			for i, c := range clients {
				row.keys[i] = uint8(c)
			}
			add(j, fixed{kind: kind, queue: job.Queue, keys: uint8(len(clients)), no: no + 1}, row)
		}
		for no := range job.Mails {
			add(j, fixed{kind: jobs.MailTask, queue: jobs.Mail, no: no + 1}, task{})
		}
	}
	for i, n := range setup.Faults {
		s.left[i] = uint8(n)
	}
	for w := range s.workers {
		s.workers[w] = worker{}
	}
	return r, s
}

// tasksOf lists the tasks of a job, without mails.
func (r *run) tasksOf(j uint8) (tasks []int) {
	for t, f := range r.tasks {
		if f.job == j && f.kind != jobs.MailTask {
			tasks = append(tasks, t)
		}
	}
	return tasks
}

// transactions calls f for every open transaction of a worker, orphans included.
func (s *state) transactions(f func(w *worker)) {
	for i := range s.workers {
		if s.workers[i].doing.inTransaction() {
			f(&s.workers[i])
		}
	}
	for i := range s.orphans {
		if s.orphans[i].doing.inTransaction() {
			f(&s.orphans[i].worker)
		}
	}
}

// locksTask reports whether a transaction locks the row of its task.
func (r *run) locksTask(w *worker) bool {
	switch w.doing {
	case fenced, erasing:
		return !r.Without.Fence
	case dialogue, accepted:
		return !r.Without.MailFence
	case finishing, sawTasks, ending:
		return true
	}
	return false
}

// taskLocked reports whether the row of task t is locked.
func (r *run) taskLocked(s *state, t int) bool {
	locked := s.operator.cancelling && s.operator.locked&(1<<t) != 0
	s.transactions(func(w *worker) { locked = locked || int(w.task) == t && r.locksTask(w) })
	return locked
}

// jobLocked reports whether the row of job j is locked.
func (r *run) jobLocked(s *state, j uint8) bool {
	locked := false
	s.transactions(func(w *worker) { locked = locked || w.doing == ending && r.tasks[w.task].job == j })
	return locked
}

// commit changes the database. A durable commit waits until it and all earlier
// commits are on disk.
func (s *state) commit(durable bool, change func(db *database)) {
	if durable {
		s.history, s.depth = [maxHistory]database{}, 0
	} else if s.left[serverCrashes] > 0 {
		copy(s.history[1:], s.history[:maxHistory-1]) // the oldest commit has reached the disk by now
		s.history[0] = s.db
		s.depth = min(s.depth+1, maxHistory)
	}
	change(&s.db)
}

// fault uses up one of the faults that are left, if there is one.
func (s *state) fault(k faultKind) bool {
	if s.left[k] == 0 {
		return false
	}
	s.left[k]--
	if k == serverCrashes && s.left[k] == 0 {
		s.history, s.depth = [maxHistory]database{}, 0
	}
	return true
}

// canonical sorts workers and orphans, which are interchangeable, and returns the
// new index of each worker.
func (s *state) canonical(workers int) (to [maxWorkers]int) {
	type numbered struct {
		worker
		no int
	}
	var sorted [maxWorkers]numbered
	for i, w := range s.workers {
		sorted[i] = numbered{w, i}
	}
	slices.SortStableFunc(sorted[:workers], func(a, b numbered) int { return a.compare(b.worker) })
	for i, w := range sorted {
		s.workers[i] = w.worker
		to[w.no] = i
	}
	slices.SortFunc(s.orphans[:], func(a, b orphan) int {
		if c := a.worker.compare(b.worker); c != 0 {
			return c
		}
		return int(bit(a.committing)) - int(bit(b.committing))
	})
	return to
}

func (w worker) compare(o worker) int { return slices.Compare(w.bytes(), o.bytes()) }

func (w worker) bytes() []uint8 {
	return []uint8{uint8(w.doing), w.task, bit(w.stale), w.lane, w.position, w.next, w.erased, bit(w.deferred), bit(w.missing),
		bit(w.sawOpen)}
}

func bit(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// taskName names a task in a trace.
func (r *run) taskName(t int) string {
	f := r.tasks[t]
	return fmt.Sprintf("%s %d of job %d", f.kind, f.no, f.job+1)
}
