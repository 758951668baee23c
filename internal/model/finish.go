package model

import "github.com/oubli/oubli/jobs"

// finishTask is the first statement of Finish.
func finishTask(r *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	if me.doing != between || r.tasks[me.task].kind == jobs.MailTask || me.position < r.tasks[me.task].keys || r.taskLocked(s,
		int(me.task)) {
		return false
	}
	row := &s.db.tasks[me.task]
	me.doing = givingBack
	if !me.stale && row.state == taskRunning && row.position == r.tasks[me.task].keys {
		me.doing = finishing
	}
	return true
}

// lockJob waits until no other transaction locks the job's row.
func lockJob(r *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	if me.doing != finishing || r.Without.SeparateCheck || r.jobLocked(s, r.tasks[me.task].job) {
		return false
	}
	me.doing = ending
	return true
}

// commitFinish reads the tasks with a statement that begins under the job's lock.
// Nothing that happens between that statement and the COMMIT can open or end a task
// of this job, so the two are one step.
func commitFinish(r *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	if me.doing != ending {
		return false
	}
	r.recordFinish(s, me)
	*me = worker{}
	return true
}

func (r *run) recordFinish(s *state, w *worker) {
	s.commit(r.durable(), func(db *database) {
		db.tasks[w.task].state, db.tasks[w.task].lane, db.tasks[w.task].expired = taskDone, 0, false
		j := r.tasks[w.task].job
		if r.Without.SeparateCheck && w.sawOpen {
			return
		}
		r.endJob(db, j, !r.Without.SeparateCheck)
	})
}

// readTasksEarly and commitFinishEarly are the protocol with one statement that both
// looks for open tasks and waits for the job's row.
func readTasksEarly(r *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	if me.doing != finishing || !r.Without.SeparateCheck {
		return false
	}
	for _, t := range r.tasksOf(r.tasks[me.task].job) {
		me.sawOpen = me.sawOpen || t != int(me.task) && s.db.tasks[t].state.open()
	}
	me.doing = sawTasks
	return true
}

func commitFinishEarly(r *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	if me.doing != sawTasks || !me.sawOpen && r.jobLocked(s, r.tasks[me.task].job) {
		return false
	}
	r.recordFinish(s, me)
	*me = worker{}
	return true
}

// endJob ends a job if none of its tasks is open and it has not ended.
func (r *run) endJob(db *database, j uint8, look bool) {
	if db.jobs[j].state.final() {
		return
	}
	for _, t := range r.tasksOf(j) {
		if look && db.tasks[t].state.open() {
			return
		}
	}
	r.close(db, j, jobs.EndState(r.counts(db, j)))
}

// counts returns the outcomes of a job, added up.
func (r *run) counts(db *database, j uint8) (k jobs.Counts) {
	for _, t := range r.tasksOf(j) {
		k.Erased += int(db.tasks[t].erased)
		k.NotFound += int(db.tasks[t].notFound)
	}
	return k
}

// close ends a job and makes its mails due.
func (r *run) close(db *database, j uint8, end jobs.State) {
	row := &db.jobs[j]
	if !row.state.canBecome(stateOf(end)) {
		r.broken = IllegalEnd
	}
	row.state = stateOf(end)
	row.ends++
	for t, f := range r.tasks {
		if f.job != j || f.kind != jobs.MailTask {
			continue
		}
		if db.tasks[t].state != taskAbsent {
			r.broken = MailedTwice
		}
		db.tasks[t].state = taskPending
	}
	row.look = r.SecondLooks && r.Jobs[j].Kind == jobs.Erasure && r.counts(db, j).Erased > 0
}

func tidy(r *run, s *state, j, _ int) bool {
	if state := s.db.jobs[j].state; state != scheduled && state != running || r.jobLocked(s, uint8(j)) {
		return false
	}
	for _, t := range r.tasksOf(uint8(j)) {
		if s.db.tasks[t].state.open() {
			return false
		}
	}
	s.commit(r.durable(), func(db *database) { r.endJob(db, uint8(j), true) })
	return true
}

// beginCancel reads the job first, and refuses if it has ended.
func beginCancel(_ *run, s *state, j, _ int) bool {
	if s.operator.cancelling || !s.db.jobs[j].state.canBecome(cancelled) || !s.fault(jobCancelled) {
		return false
	}
	s.operator = session{cancelling: true, job: uint8(j)}
	return true
}

// cancelTask waits until no other transaction locks the task's row, and then reads
// it again.
func cancelTask(r *run, s *state, _, _ int) bool {
	if !s.operator.cancelling {
		return false
	}
	tasks := r.tasksOf(s.operator.job)
	if int(s.operator.next) == len(tasks) || r.taskLocked(s, tasks[s.operator.next]) {
		return false
	}
	t := tasks[s.operator.next]
	if s.db.tasks[t].state.open() {
		s.operator.locked |= 1 << t
	}
	s.operator.next++
	return true
}

// commitCancel rolls back if the job has ended meanwhile.
func commitCancel(r *run, s *state, _, _ int) bool {
	o := s.operator
	if !o.cancelling || int(o.next) < len(r.tasksOf(o.job)) || r.jobLocked(s, o.job) {
		return false
	}
	s.operator = session{}
	if !s.db.jobs[o.job].state.canBecome(cancelled) {
		return true
	}
	s.commit(r.durable(), func(db *database) {
		for _, t := range r.tasksOf(o.job) {
			if o.locked&(1<<t) != 0 {
				db.tasks[t].state, db.tasks[t].lane, db.tasks[t].expired = taskCancelled, 0, false
			}
		}
		r.close(db, o.job, cancelled.is())
	})
	return true
}

func pauseJob(r *run, s *state, j, _ int) bool {
	return !r.jobLocked(s, uint8(j)) && s.db.jobs[j].state.canBecome(paused) && s.fault(jobPauses) && r.setJob(s, j, paused)
}

// resumeJob schedules a job again that had not started.
func resumeJob(r *run, s *state, j, _ int) bool {
	to := scheduled
	if s.db.jobs[j].started {
		to = running
	}
	return !r.jobLocked(s, uint8(j)) && s.db.jobs[j].state == paused && r.setJob(s, j, to)
}

// blockJob changes only a running job.
func blockJob(r *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	if me.doing != between || r.tasks[me.task].kind == jobs.MailTask || r.jobLocked(s, r.tasks[me.task].job) || !s.fault(jobBlocks) {
		return false
	}
	if j := r.tasks[me.task].job; s.db.jobs[j].state == running {
		r.setJob(s, int(j), blocked)
	}
	me.doing = givingBack
	return true
}

func unblockJob(r *run, s *state, j, _ int) bool {
	return !r.jobLocked(s, uint8(j)) && s.db.jobs[j].state == blocked && r.setJob(s, j, running)
}

func (r *run) setJob(s *state, j int, to jobState) bool {
	s.commit(r.durable(), func(db *database) { db.jobs[j].state = to })
	return true
}
