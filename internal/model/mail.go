package model

import "github.com/oubli/oubli/jobs"

// beginMail is the fence of a mail: a claim that is not the latest stops here.
func beginMail(r *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	if me.doing != between || r.tasks[me.task].kind != jobs.MailTask || !r.Without.MailFence && r.taskLocked(s, int(me.task)) {
		return false
	}
	if !r.Without.MailFence && (me.stale || s.db.tasks[me.task].state != taskRunning) {
		*me = worker{}
		return true
	}
	me.doing = dialogue
	return true
}

func sendMail(r *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	if me.doing != dialogue {
		return false
	}
	me.doing = accepted
	s.sent[me.task]++
	s.mailed[me.task] = uint8(r.counts(&s.db, r.tasks[me.task].job).Erased)
	return true
}

func commitMail(r *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	if me.doing != accepted {
		return false
	}
	r.recordSent(s, me)
	*me = worker{}
	return true
}

// recordSent mirrors finishMailSQL.
func (r *run) recordSent(s *state, w *worker) {
	if w.stale || s.db.tasks[w.task].state != taskRunning {
		return
	}
	s.commit(r.durable(), func(db *database) { db.tasks[w.task].state, db.tasks[w.task].expired = taskDone, false })
}

func recordMail(r *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	if me.doing != unsure || r.taskLocked(s, int(me.task)) {
		return false
	}
	r.recordSent(s, me)
	*me = worker{}
	return true
}

func stopRecording(_ *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	if me.doing != unsure || !me.stale && s.db.tasks[me.task].state == taskRunning && !s.db.tasks[me.task].expired {
		return false
	}
	*me = worker{}
	return true
}

// beginLook locks the row of the second look and the tenant, and writes.
func beginLook(r *run, s *state, w, j int) bool {
	if s.workers[w].doing != idle || !s.db.jobs[j].look {
		return false
	}
	look := worker{doing: lookingAgain, task: uint8(j), next: nobody}
	if r.Without.LookLock {
		look.lane = 1
	}
	free := r.Without.LookLock || r.locksAreFree(s, &look)
	s.transactions(func(o *worker) { free = free && !(o.doing == lookingAgain && o.task == look.task) })
	if !free {
		return false
	}
	s.workers[w] = look
	return true
}

func commitLook(r *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	if me.doing != lookingAgain {
		return false
	}
	j := me.task
	s.commit(r.durable(), func(db *database) { db.jobs[j].look = false })
	*me = worker{}
	return true
}
