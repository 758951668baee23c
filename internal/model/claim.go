package model

import "github.com/oubli/oubli/jobs"

// runnable mirrors the condition of that name: batches of jobs that are scheduled
// or running, and all mails.
func (r *run) runnable(s *state, t int) bool {
	state := s.db.jobs[r.tasks[t].job].state
	return r.tasks[t].kind == jobs.MailTask || state == scheduled || state == running
}

// due reports whether the dispatcher would mark a task: of the tasks that share
// profiles, no more are dispatched or running than there are lanes. The dispatcher
// skips a locked row.
func (r *run) due(s *state, t int) bool {
	row := &s.db.tasks[t]
	if row.state != taskPending || row.dispatched || !r.runnable(s, t) || r.taskLocked(s, t) {
		return false
	}
	out := 0
	for o := range r.tasks {
		row := &s.db.tasks[o]
		if r.tasks[o].kind != jobs.MailTask && r.lanesOf(o) == r.lanesOf(t) &&
			(row.state == taskRunning || row.state == taskPending && row.dispatched) {
			out++
		}
	}
	return r.tasks[t].kind == jobs.MailTask || out < r.Lanes
}

const mostHints = 2 // of one task in Redis; more would have no other effect

func dispatch(r *run, s *state, t, _ int) bool {
	if !r.due(s, t) || s.hints[t] == mostHints {
		return false
	}
	s.commit(r.durable(), func(db *database) { db.tasks[t].dispatched = true })
	s.hints[t]++
	return true
}

func dispatchLost(r *run, s *state, t, _ int) bool {
	if !r.due(s, t) || !s.fault(hintsLost) {
		return false
	}
	s.commit(r.durable(), func(db *database) { db.tasks[t].dispatched = true })
	return true
}

func loseHints(_ *run, s *state, _, _ int) bool {
	if s.hints == [maxTasks]uint8{} || !s.fault(hintsLost) {
		return false
	}
	s.hints = [maxTasks]uint8{}
	return true
}

func repeatHint(_ *run, s *state, t, _ int) bool {
	if s.hints[t] == mostHints || s.db.tasks[t].state == taskAbsent || !s.fault(hintRepeats) {
		return false
	}
	s.hints[t]++
	return true
}

func undispatch(r *run, s *state, t, _ int) bool {
	row := &s.db.tasks[t]
	if r.Without.Resend || row.state != taskPending || !row.dispatched || s.hints[t] > 0 || r.taskLocked(s, t) {
		return false
	}
	s.commit(r.durable(), func(db *database) { db.tasks[t].dispatched = false })
	return true
}

// lanesOf returns whose lanes a task takes.
func (r *run) lanesOf(t int) uint8 {
	if r.Without.LaneOfProfile {
		return r.tasks[t].tenant
	}
	return r.tasks[t].profiles
}

// freeLane is the lowest lane that no running task has; 0 when all are taken.
func (r *run) freeLane(s *state, t int) uint8 {
	for lane := uint8(1); lane <= r.lanes; lane++ {
		taken := false
		for o := range r.tasks {
			taken = taken || o != t && s.db.tasks[o].state == taskRunning && s.db.tasks[o].lane == lane && r.lanesOf(o) == r.lanesOf(t)
		}
		if !taken {
			return lane
		}
	}
	return 0
}

// claim mirrors claimTaskSQL: it claims a task that is pending, or whose lease ran
// out and whose row is not locked; a batch only if a lane is free. Every earlier
// claim becomes stale. If the task cannot be claimed, a batch or merge loses its
// mark.
func (r *run) claim(s *state, w, t int) {
	row, f := &s.db.tasks[t], r.tasks[t]
	lane := uint8(0)
	if f.kind == jobs.BatchTask {
		lane = r.freeLane(s, t)
	}
	switch {
	case r.taskLocked(s, t):
		return
	case !(row.state == taskPending || row.state == taskRunning && row.expired) || !r.runnable(s, t) || f.kind == jobs.BatchTask &&
		lane == 0:
		if row.state == taskPending && row.dispatched && f.kind != jobs.MailTask {
			s.commit(r.durable(), func(db *database) { db.tasks[t].dispatched = false })
		}
		return
	}
	s.commit(r.durable(), func(db *database) {
		row := &db.tasks[t]
		row.state, row.expired, row.lane = taskRunning, false, lane
		if j := &db.jobs[f.job]; j.state == scheduled {
			j.state, j.started = running, true
		}
	})
	for i := range s.workers {
		if o := &s.workers[i]; o.doing != idle && o.doing != lookingAgain && int(o.task) == t {
			o.stale = true
		}
	}
	for i := range s.orphans {
		if o := &s.orphans[i]; o.doing != idle && o.doing != lookingAgain && int(o.task) == t {
			o.stale = true
		}
	}
	s.workers[w] = worker{doing: between, task: uint8(t), lane: lane}
	r.believe(s, &s.workers[w])
}

// believe copies a task's progress from its row to what the worker believes.
func (r *run) believe(s *state, w *worker) {
	row := &s.db.tasks[w.task]
	w.position, w.erased, w.next = row.position, row.erased, nobody
	if int(w.position) < maxKeys {
		w.next = row.keys[w.position]
	}
}

func claimHinted(r *run, s *state, w, t int) bool {
	if s.workers[w].doing != idle || s.hints[t] == 0 {
		return false
	}
	s.hints[t]--
	r.claim(s, w, t)
	return true
}

// claimUnhinted is the claim of a worker that has just finished a batch, or that
// cannot reach Redis.
func claimUnhinted(r *run, s *state, w, t int) bool {
	if !r.NoQueues || s.workers[w].doing != idle || s.db.tasks[t].state != taskPending || r.tasks[t].kind == jobs.MailTask {
		return false
	}
	before := *s
	r.claim(s, w, t)
	return *s != before
}

func recoverTask(r *run, s *state, t, _ int) bool {
	row := &s.db.tasks[t]
	if r.Without.Recover || row.state != taskRunning || !row.expired || r.taskLocked(s, t) {
		return false
	}
	s.commit(r.durable(), func(db *database) { db.tasks[t].release() })
	return true
}

// release makes a task pending, without lane, lease and mark.
func (t *task) release() { t.state, t.lane, t.expired, t.dispatched = taskPending, 0, false, false }

// yield gives a task back between chunks if others wait for a worker or for a lane.
// A small job does not yield to a large one.
func yield(r *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	if me.doing != between || r.tasks[me.task].kind == jobs.MailTask ||
		me.position == r.tasks[me.task].keys || me.position == 0 || r.taskLocked(s, int(me.task)) {
		return false
	}
	f, wanted := r.tasks[me.task], false
	for o, other := range r.tasks {
		row := &s.db.tasks[o]
		if row.state != taskPending {
			continue
		}
		wanted = wanted || row.dispatched && (other.tenant != f.tenant || other.queue != f.queue) &&
			(f.queue == jobs.Bulk || other.queue != jobs.Bulk)
		wanted = wanted || !row.dispatched && f.queue == jobs.Bulk && other.queue == jobs.Interactive &&
			r.lanesOf(o) == r.lanesOf(int(me.task)) && r.runnable(s, o)
	}
	if !wanted || me.stale || s.db.tasks[me.task].state != taskRunning {
		return false
	}
	s.commit(r.durable(), func(db *database) { db.tasks[me.task].release() })
	*me = worker{}
	return true
}

// giveBack does not change a task that another worker has claimed since.
func giveBack(r *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	if me.doing != givingBack || r.taskLocked(s, int(me.task)) {
		return false
	}
	if !me.stale && s.db.tasks[me.task].state == taskRunning {
		s.commit(r.durable(), func(db *database) { db.tasks[me.task].release() })
	}
	*me = worker{}
	return true
}

func stopBetween(r *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	if me.doing != between || me.position == r.tasks[me.task].keys {
		return false
	}
	me.doing = givingBack
	return true
}

// durable reports whether commits wait for the disk, except those of chunks.
func (r *run) durable() bool { return !r.Without.Durable }
