package model

import "github.com/oubli/oubli/jobs"

// beginChunk is the fence: it waits until no other transaction locks the task's
// row.
func beginChunk(r *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	if me.doing != between || r.tasks[me.task].kind == jobs.MailTask || me.position == r.tasks[me.task].keys {
		return false
	}
	if r.Without.Fence {
		me.doing = fenced
		return true
	}
	if r.taskLocked(s, int(me.task)) {
		return false
	}
	me.doing = givingBack
	if r.holds(s, me) && s.db.jobs[r.tasks[me.task].job].state == running {
		me.doing = fenced
	}
	return true
}

// holds mirrors the fence: the claim is the latest, and the task's position is the
// one that the worker believes.
func (r *run) holds(s *state, w *worker) bool {
	row := &s.db.tasks[w.task]
	if w.stale || row.state != taskRunning {
		return false
	}
	return r.Without.Position || row.position == w.position && row.keys[w.position] == w.next
}

// lockAndErase takes all locks that the chunk needs and writes. A client whom
// another transaction has locked is left for later. The client is judged on a
// snapshot that is newer than the locks.
func lockAndErase(r *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	if me.doing != fenced || !r.locksAreFree(s, me) {
		return false
	}
	me.missing = s.db.erased[me.next] != 0
	s.transactions(func(o *worker) {
		me.deferred = me.deferred || o != me && o.doing == erasing && o.next == me.next && !o.missing && !o.deferred
	})
	me.missing = me.missing && !me.deferred
	me.doing = erasing
	return true
}

func lockTimeout(r *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	if me.doing != fenced || r.locksAreFree(s, me) {
		return false
	}
	me.doing = givingBack
	if !me.stale && s.db.tasks[me.task].state == taskRunning {
		me.doing = between
		s.commit(r.durable(), func(db *database) { db.tasks[me.task].expired = false })
	}
	return true
}

// locksAreFree reports whether the transaction can take the advisory locks of the
// tenant and of the lane. A batch takes the tenant's shared, all others exclusively.
func (r *run) locksAreFree(s *state, me *worker) bool {
	free := true
	s.transactions(func(o *worker) {
		if o == me || !o.usesProfiles() || r.profilesOf(o) != r.profilesOf(me) {
			return
		}
		free = free && (r.Without.TenantLock || !r.exclusive(o) && !r.exclusive(me))
		free = free && !(r.locksLane(o) && r.locksLane(me) && o.lane == me.lane)
	})
	return free
}

// exclusive reports whether a transaction takes the tenant's lock exclusively. Such
// a transaction has no lane and uses all profiles.
func (r *run) exclusive(w *worker) bool {
	if w.doing == lookingAgain {
		return !r.Without.LookLock
	}
	return r.tasks[w.task].kind == jobs.MergeTask
}

// locksLane reports whether a transaction locks its lane until its end.
func (r *run) locksLane(w *worker) bool {
	return !r.Without.LaneLock && w.lane > 0 && w.doing != lookingAgain
}

// usesProfiles reports whether a transaction may move rows to anonymous profiles.
func (w *worker) usesProfiles() bool { return w.doing == erasing || w.doing == lookingAgain }

// profilesOf returns whose profiles a transaction uses.
func (r *run) profilesOf(w *worker) uint8 {
	if w.doing == lookingAgain {
		return r.tasks[r.tasksOf(w.task)[0]].profiles
	}
	return r.tasks[w.task].profiles
}

// slots is the set of profiles to which a transaction may move rows that a unique
// constraint does not allow on one profile: those of its lane, or all.
func (r *run) slots(w *worker) (set uint8) {
	if w.lane == 0 {
		return 1<<8 - 1
	}
	for slot := w.lane; slot <= 8; slot += r.lanes {
		set |= 1 << (slot - 1)
	}
	return set
}

func commitChunk(r *run, s *state, w, _ int) bool {
	me := &s.workers[w]
	if me.doing != erasing {
		return false
	}
	r.recordChunk(s, me)
	switch {
	case me.deferred:
		r.believe(s, me)
	case me.missing:
		me.position++
	default:
		me.position, me.erased = me.position+1, me.erased+1
	}
	me.doing, me.deferred, me.missing, me.next = between, false, false, nobody
	if me.position < r.tasks[me.task].keys {
		me.next = s.db.tasks[me.task].keys[me.position]
	}
	return true
}

// recordChunk commits a chunk. recordSQL has a condition of its own, and writes
// sums that the worker has computed. The lock of the client's row decides which
// transaction erases the client.
func (r *run) recordChunk(s *state, w *worker) {
	s.commit(false, func(db *database) {
		row := &db.tasks[w.task]
		mine := !w.stale && row.state == taskRunning
		if !mine {
			r.broken = StaleCommit
		}
		if !w.deferred && !w.missing {
			if db.erased[w.next] != 0 {
				r.broken = ErasedTwice
			}
			db.erased[w.next] = 1 + w.task
		}
		if !mine {
			return
		}
		row.expired = false
		if w.deferred {
			remaining := row.keys[w.position:r.tasks[w.task].keys]
			copy(remaining, remaining[1:])
			remaining[len(remaining)-1] = w.next
			return
		}
		row.position, row.erased = w.position+1, w.erased
		if !w.missing {
			row.erased++
		}
		row.notFound = row.position - row.erased
	})
}
