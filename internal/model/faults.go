package model

// abandon makes an open transaction an orphan: the server does not know yet that
// its client is gone. It returns false when the state has no room for another.
func (s *state) abandon(w *worker, committing bool) bool {
	if !w.doing.inTransaction() {
		return true
	}
	for i := range s.orphans {
		if !s.orphans[i].doing.inTransaction() {
			s.orphans[i] = orphan{*w, committing}
			return true
		}
	}
	return false
}

// excuse allows one more copy of a mail that may have been accepted without being
// recorded.
func (s *state) excuse(w *worker) {
	if w.doing == accepted || w.doing == unsure {
		s.excused[w.task]++
	}
}

func killWorker(_ *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	if me.doing == idle || s.left[workerDies] == 0 || !s.abandon(me, false) {
		return false
	}
	s.fault(workerDies)
	s.excuse(me)
	*me = worker{}
	return true
}

// held reports whether a living worker has the latest claim on a task.
func (s *state) held(t int) bool {
	for _, w := range s.workers {
		if w.doing != idle && w.doing != lookingAgain && int(w.task) == t && !w.stale {
			return true
		}
	}
	return false
}

func expireAbandoned(_ *run, s *state, t, _ int) bool { return !s.held(t) && s.expire(t) }

func expireHeld(_ *run, s *state, t, _ int) bool {
	if s.left[leaseRunsOut] == 0 || !s.held(t) || !s.expire(t) {
		return false
	}
	return s.fault(leaseRunsOut)
}

// expire lets the lease run out. Time passes also in the states to which a crash
// can return.
func (s *state) expire(t int) bool {
	if s.db.tasks[t].state != taskRunning || s.db.tasks[t].expired {
		return false
	}
	s.db.tasks[t].expired = true
	for i := range s.depth {
		s.history[i].tasks[t].expired = s.history[i].tasks[t].state == taskRunning
	}
	return true
}

// stopProcess is a process that continues later and finds that its transaction was
// rolled back.
func stopProcess(_ *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	if !me.doing.inTransaction() || !s.fault(processStops) {
		return false
	}
	s.excuse(me)
	me.afterRollback()
	return true
}

// afterRollback is what a worker does after it has lost its transaction.
func (w *worker) afterRollback() {
	switch w.doing {
	case accepted:
		w.doing = unsure
	case lookingAgain:
		*w = worker{}
	default:
		w.doing, w.deferred, w.missing, w.sawOpen = givingBack, false, false, false
	}
}

// breakCommit leaves open whether the server has committed.
func breakCommit(_ *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	switch me.doing {
	case erasing, ending, accepted:
	default:
		return false
	}
	if s.left[commitBreaks] == 0 || !s.abandon(me, true) {
		return false
	}
	s.fault(commitBreaks)
	s.excuse(me)
	me.afterRollback()
	return true
}

func commitOrphan(r *run, s *state, o, _ int) bool {
	tx := s.orphans[o]
	if !tx.committing {
		return false
	}
	s.orphans[o] = orphan{}
	switch tx.doing {
	case erasing:
		r.recordChunk(s, &tx.worker)
	case ending:
		r.recordFinish(s, &tx.worker)
	case accepted:
		r.recordSent(s, &tx.worker)
	}
	return true
}

func abortOrphan(_ *run, s *state, o, _ int) bool {
	if !s.orphans[o].doing.inTransaction() {
		return false
	}
	s.orphans[o] = orphan{}
	return true
}

// crashServer ends all transactions and loses the given number of the latest
// commits, which were not on disk yet.
func crashServer(_ *run, s *state, lost, _ int) bool {
	if s.left[serverCrashes] == 0 {
		return false
	}
	if lost > 0 {
		s.db = s.history[lost-1]
	}
	s.history, s.depth = [maxHistory]database{}, 0
	s.fault(serverCrashes)
	s.orphans = [maxOrphans]orphan{}
	s.operator = session{}
	for i := range s.workers {
		if w := &s.workers[i]; w.doing.inTransaction() {
			s.excuse(w)
			w.afterRollback()
		}
	}
	return true
}
